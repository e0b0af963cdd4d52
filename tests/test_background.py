"""What goes on beside the rest keeps its order, its values and its errors."""

from __future__ import annotations

import threading

import jax
import pytest

from reprise.background import Queue


def test_work_goes_on_beside_what_follows_it_one_after_another() -> None:
    order: list[str] = []
    awaited, gate = threading.Event(), threading.Event()

    def first() -> str:
        awaited.set()
        assert gate.wait(10.0)
        order.append("first")
        return "first"

    queue = Queue()
    begun, follows = queue.start(first), queue.start(order.append, "second")
    assert awaited.wait(10.0)
    assert not begun.done()
    order.append("meanwhile")
    gate.set()
    follows.result()
    assert begun.result() == "first"
    assert order == ["meanwhile", "first", "second"]


def test_an_error_is_raised_where_it_is_awaited_and_stops_nothing_else() -> None:
    queue = Queue()
    wrong, right = queue.start(divmod, 1, 0), queue.start(divmod, 7, 2)
    assert right.result() == (3, 1)
    with pytest.raises(ZeroDivisionError):
        wrong.result()


def test_an_accelerator_does_one_thing_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert Queue().start(pow, 2, 3).done()
    assert Queue().start(divmod, 1, 0).done()


def test_work_outlives_the_queue_that_nobody_keeps() -> None:
    assert Queue().start(sum, [1, 2, 3]).result() == 6
