"""Processes that are killed, interrupted, or in each other's way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from reprise.datasets import store, transfer
from tests.datasets.conftest import content_of, make_entry

RIGHT = bytes(range(256)) * 4000
WRONG = b"wrong" * 1000
CODE = """
import json, sys, warnings
from reprise.datasets import store
from reprise.datasets.errors import DataWarning
from reprise.datasets.registry import Entry
warnings.simplefilter("ignore", DataWarning)
(item,) = store.fetch(Entry.model_validate(json.loads(sys.argv[1])))
assert item.path.read_bytes() == bytes(range(256)) * 4000
print(item.place)
"""


def start(entry) -> subprocess.Popen[str]:
    source = str(Path(store.__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-c", CODE, entry.model_dump_json()],
        env={**os.environ, "PYTHONPATH": source},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def halfway(server):
    """An address that sends a half, and the rest only once it is released."""
    sent, released = threading.Event(), threading.Event()

    def slow(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(RIGHT)))
        handler.end_headers()
        handler.wfile.write(RIGHT[: len(RIGHT) // 2])
        handler.wfile.flush()
        sent.set()
        released.wait(120)

    server.answers["/data.bin"] = slow
    yield sent
    released.set()


def parts() -> list[Path]:
    return list(store.cache_dir().glob("toy/.*.part"))


def wait_for_half(process: subprocess.Popen[str], sent: threading.Event) -> None:
    assert sent.wait(120), process.communicate(timeout=30)
    deadline = time.monotonic() + 120
    while not (parts() and parts()[0].stat().st_size > 100_000):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_fetch_leaves_nothing_that_is_taken_for_whole(server, halfway):
    entry = make_entry(server.url, files={"data.bin": RIGHT})
    process = start(entry)
    wait_for_half(process, halfway)
    process.kill()
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    (left,) = parts()
    assert not (store.cache_dir() / "toy" / "data.bin").exists()
    assert store.located(entry) == "address"

    server.answers["/data.bin"] = RIGHT
    assert store.fetch(entry)[0].place == "fetched"
    assert left.exists()  # it might belong to a process that is still at work

    os.utime(left, (0, 0))
    (store.cache_dir() / "toy" / "data.bin").unlink()
    store.fetch(entry)
    assert content_of(store.cache_dir()) == {"toy/data.bin": RIGHT}


def test_an_interrupted_fetch_leaves_nothing(server, halfway):
    process = start(make_entry(server.url, files={"data.bin": RIGHT}))
    wait_for_half(process, halfway)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert "KeyboardInterrupt" in errors
    assert content_of(store.cache_dir()) == {}


@pytest.mark.parametrize("before", [None, WRONG], ids=["empty", "wrong"])
def test_several_processes_at_once(server, before):
    together = threading.Barrier(3, timeout=120)

    def at_once(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(RIGHT)))
        handler.end_headers()
        handler.wfile.write(RIGHT[:1000])
        handler.wfile.flush()
        together.wait()
        handler.wfile.write(RIGHT[1000:])

    server.answers["/data.bin"] = at_once
    folder = store.cache_dir() / "toy"
    if before is not None:
        folder.mkdir(parents=True)
        (folder / "data.bin").write_bytes(before)
    entry = make_entry(server.url, files={"data.bin": RIGHT})
    processes = [start(entry) for _ in range(3)]
    outputs = [process.communicate(timeout=240) for process in processes]
    assert [p.returncode for p in processes] == [0, 0, 0], json.dumps(outputs)
    assert [out.strip() for out, _ in outputs] == ["fetched"] * 3
    left = content_of(folder)
    assert left.pop("data.bin") == RIGHT
    assert set(left.values()) <= {WRONG}
    assert not parts()


def test_a_right_file_that_another_process_puts_there_is_not_set_aside(server, monkeypatch):
    entry = make_entry(server.url, files={"data.bin": RIGHT})
    server.answers["/data.bin"] = RIGHT
    path = store.cache_dir() / "toy" / "data.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(WRONG)

    def slow_examine(where, file):
        damage = transfer.examine(where, file)
        path.write_bytes(RIGHT)  # between looking and renaming
        return damage

    monkeypatch.setattr("reprise.datasets.store.examine", slow_examine)
    store.fetch(entry)
    assert content_of(path.parent) == {"data.bin": RIGHT}


def test_a_file_that_another_process_sets_aside_is_fetched(server, monkeypatch):
    entry = make_entry(server.url, files={"data.bin": RIGHT})
    server.answers["/data.bin"] = RIGHT
    path = store.cache_dir() / "toy" / "data.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(WRONG)

    def gone(where, file):
        path.unlink()
        return transfer.examine(where, file)

    monkeypatch.setattr("reprise.datasets.store.examine", gone)
    assert store.fetch(entry)[0].place == "fetched"
    assert content_of(path.parent) == {"data.bin": RIGHT}
