"""Finding, verifying and fetching files, with a server that is right, wrong, slow to the point, or not there."""

from __future__ import annotations

import errno
import gzip
import json
import os
from contextlib import contextmanager
from pathlib import Path

import pytest

from reprise.datasets import store, transfer
from reprise.datasets.errors import (
    ChecksumError,
    DataError,
    DataWarning,
    StorageError,
    TruncatedError,
    UnreachableError,
)
from tests.datasets.conftest import CLOSED, content_of, make_entry, sha256

RIGHT = bytes(range(256)) * 1000
WRONG = b"something else" * 50_000
SHORT = RIGHT[:1000]


@pytest.fixture
def entry(server):
    server.answers["/data.bin"] = RIGHT
    return make_entry(server.url, files={"data.bin": RIGHT})


@pytest.fixture
def cached():
    path = store.cache_dir() / "toy" / "data.bin"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def folder(monkeypatch, tmp_path):
    path = tmp_path / "official" / "toy"
    path.mkdir(parents=True)
    monkeypatch.setenv(store.DATA_DIR, str(path.parent))
    return path


def fetched(entry):
    (item,) = store.fetch(entry)
    assert item.path.read_bytes() == RIGHT
    assert item.sha256 == sha256(RIGHT)
    json.dumps(item.to_json())
    return item


def aside(content: bytes) -> str:
    return f"data.bin.rejected-{sha256(content)[:8]}"


def test_a_file_is_fetched_once_and_then_taken_from_the_cache(entry, server):
    assert store.located(entry) == "address"
    assert fetched(entry).place == "fetched"
    assert store.located(entry) == "cache"
    assert fetched(entry).place == "cache"
    assert server.asked == ["/data.bin"]
    assert content_of(store.cache_dir()) == {"toy/data.bin": RIGHT}


def test_a_fetched_file_has_ordinary_permissions(entry):
    mask = os.umask(0o022)
    try:
        assert fetched(entry).path.stat().st_mode & 0o777 == 0o644
    finally:
        os.umask(mask)


def test_the_data_folder_comes_first_and_is_not_written(entry, server, folder):
    (folder / "data.bin").write_bytes(RIGHT)
    assert store.located(entry) == "folder"
    item = fetched(entry)
    assert (item.place, item.path) == ("folder", folder / "data.bin")
    assert not server.asked
    assert not store.cache_dir().exists()


def test_a_file_that_the_data_folder_lacks_is_fetched_into_the_cache(entry, folder):
    assert fetched(entry).place == "fetched"
    assert content_of(folder) == {}


def test_a_wrong_file_in_the_data_folder_is_named_and_left(entry, folder):
    (folder / "data.bin").write_bytes(WRONG)
    with pytest.warns(DataWarning, match=f"{folder / 'data.bin'} has sha256 {sha256(WRONG)}.*left untouched"):
        assert fetched(entry).place == "fetched"
    assert content_of(folder) == {"data.bin": WRONG}
    with pytest.warns(DataWarning, match="left untouched"):
        assert fetched(entry).place == "cache"


def test_a_truncated_file_in_the_data_folder_is_called_truncated(folder):
    entry = make_entry(CLOSED, files={"data.bin": RIGHT})
    (folder / "data.bin").write_bytes(SHORT)
    with (
        pytest.warns(DataWarning, match="is truncated: 1000 of 256000 bytes"),
        pytest.raises(TruncatedError, match="is truncated: 1000 of 256000 bytes; it is left untouched"),
    ):
        store.fetch(entry)
    assert content_of(folder) == {"data.bin": SHORT}


def test_a_data_folder_that_does_not_exist_is_an_error(entry, monkeypatch, tmp_path):
    monkeypatch.setenv(store.DATA_DIR, str(tmp_path / "typo"))
    with pytest.raises(DataError, match="typo, which is not a folder"):
        store.fetch(entry)


def test_an_empty_variable_counts_as_unset(entry, monkeypatch):
    monkeypatch.setenv(store.DATA_DIR, "")
    assert store.data_dir() is None


def test_a_wrong_file_in_the_cache_is_set_aside_and_fetched_again(entry, cached, server):
    cached.write_bytes(WRONG)
    with pytest.warns(DataWarning, match=f"it was set aside as {aside(WRONG)}"):
        assert fetched(entry).place == "fetched"
    assert content_of(cached.parent) == {"data.bin": RIGHT, aside(WRONG): WRONG}
    assert server.asked == ["/data.bin"]


def test_a_server_that_is_wrong_once_is_asked_again(entry, server):
    server.answers["/data.bin"] = [WRONG, RIGHT]
    assert fetched(entry).place == "fetched"
    assert content_of(store.cache_dir() / "toy") == {"data.bin": RIGHT, aside(WRONG): WRONG}


def test_a_server_that_stays_wrong_is_asked_twice_and_named(entry, server):
    server.answers["/data.bin"] = WRONG
    with pytest.raises(ChecksumError) as caught:
        store.fetch(entry)
    assert server.asked == ["/data.bin"] * 2
    assert content_of(store.cache_dir() / "toy") == {aside(WRONG): WRONG}
    for part in (aside(WRONG), sha256(WRONG), sha256(RIGHT), server.url, str(store.cache_dir() / "toy")):
        assert part in str(caught.value)


def test_a_mirror_helps_where_the_first_address_fails(server):
    entry = make_entry(CLOSED, server.url + "wrong/", server.url, files={"data.bin": RIGHT})
    server.answers = {"/data.bin": RIGHT, "/wrong/data.bin": WRONG}
    assert fetched(entry).place == "fetched"
    assert server.asked == ["/wrong/data.bin"] * 2 + ["/data.bin"]


def test_a_whole_but_short_answer_is_called_truncated(entry, server):
    server.answers["/data.bin"] = SHORT
    with pytest.raises(TruncatedError, match="is truncated: 1000 of 256000 bytes; kept as"):
        store.fetch(entry)
    assert content_of(store.cache_dir() / "toy") == {aside(SHORT): SHORT}


def break_off(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(RIGHT)))
    handler.end_headers()
    handler.wfile.write(SHORT)
    handler.wfile.flush()
    handler.close_connection = True


def test_a_broken_connection_leaves_nothing_and_is_tried_again(entry, server):
    server.answers["/data.bin"] = [break_off, RIGHT]
    assert fetched(entry).place == "fetched"
    assert content_of(store.cache_dir() / "toy") == {"data.bin": RIGHT}


def test_a_connection_that_keeps_breaking_is_an_error(entry, server):
    server.answers["/data.bin"] = break_off
    with pytest.raises(UnreachableError, match="breaks off before the end of 256000 bytes"):
        store.fetch(entry)
    assert content_of(store.cache_dir()) == {}


def test_without_network_the_message_says_all_that_is_needed(folder):
    entry = make_entry(CLOSED, files={"data.bin": RIGHT})
    with pytest.raises(UnreachableError) as caught:
        store.fetch(entry)
    message = str(caught.value)
    places = f"{folder} or {store.cache_dir() / 'toy'}"
    for part in ("toy: the file data.bin", "no answer", CLOSED + "data.bin", places, sha256(RIGHT), "256000"):
        assert part in message
    assert content_of(store.cache_dir()) == {}


def test_without_network_and_data_folder_the_message_offers_the_variable():
    with pytest.raises(UnreachableError, match=r"Or set REPRISE_DATA_DIR .* that has toy/data\.bin"):
        store.fetch(make_entry(CLOSED, files={"data.bin": RIGHT}))


def test_a_wrong_cached_file_without_network_is_a_checksum_error(cached):
    cached.write_bytes(WRONG)
    with pytest.warns(DataWarning), pytest.raises(ChecksumError, match=r"set aside as .*(?s:.)*no answer"):
        store.fetch(make_entry(CLOSED, files={"data.bin": RIGHT}))
    assert content_of(cached.parent) == {aside(WRONG): WRONG}


@pytest.mark.parametrize(("code", "reason"), [(404, "Not Found"), (503, "Service Unavailable")])
def test_an_answer_that_is_no_file_is_named(entry, server, code, reason):
    server.answers["/data.bin"] = code
    with pytest.raises(UnreachableError, match=f"answers {code} {reason}"):
        store.fetch(entry)
    assert server.asked == ["/data.bin"]


def test_a_gzip_file_that_is_declared_as_an_encoding_stays_a_gzip_file(server):
    content = gzip.compress(RIGHT, mtime=0)

    def encoded(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        handler.wfile.write(content)

    server.answers["/data.gz"] = encoded
    (item,) = store.fetch(make_entry(server.url, files={"data.gz": content}))
    assert item.path.read_bytes() == content


def test_only_the_files_asked_for_are_fetched_in_their_order(server):
    contents = {name: name.encode() for name in ("a", "b", "c")}
    server.answers = {f"/{name}": content for name, content in contents.items()}
    entry = make_entry(server.url, files=contents)
    assert [item.name for item in store.fetch(entry, files=["c", "a"])] == ["c", "a"]
    assert server.asked == ["/c", "/a"]
    assert [item.place for item in store.fetch(entry)] == ["cache", "fetched", "cache"]


def test_a_bundled_set_needs_no_files():
    assert store.fetch("digits") == []
    assert store.located("digits") == "bundled"
    assert store.located("synthetic/circle-product") == "generated"


def test_progress_is_reported(entry, monkeypatch):
    tasks: list[tuple[str, int]] = []
    steps: list[int] = []

    @contextmanager
    def report(label, total):
        tasks.append((label, total))
        yield steps.append

    monkeypatch.setattr(transfer, "task", report)
    fetched(entry)
    assert tasks == [("toy: data.bin", len(RIGHT))]
    assert len(steps) > 1
    assert sum(steps) == len(RIGHT)


class FullDisk:
    """A file that takes some bytes and then no more."""

    def __init__(self, stream, room):
        self._stream, self._room = stream, room

    def write(self, data):
        if len(data) > self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._room -= len(data)
        return self._stream.write(data)

    def __getattr__(self, name):
        return getattr(self._stream, name)


@pytest.mark.parametrize("room", [0, 100_000])
def test_a_full_disk_is_told_and_nothing_is_left(entry, monkeypatch, room):
    opened = Path.open

    def limited(path, mode="r", *args, **kwargs):
        stream = opened(path, mode, *args, **kwargs)
        return FullDisk(stream, room) if mode == "xb" else stream

    monkeypatch.setattr(Path, "open", limited)
    with pytest.raises(StorageError, match=r"no space left for .*data\.bin: free some, or"):
        store.fetch(entry)
    assert content_of(store.cache_dir()) == {}


def refuse(code):
    def refused(*_, **__):
        raise OSError(code, os.strerror(code))

    return refused


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EPERM])
@pytest.mark.parametrize("method", ["mkdir", "open", "replace"])
def test_a_read_only_cache_is_told_and_nothing_is_left(entry, monkeypatch, code, method):
    if method == "open":
        opened = Path.open
        stop = refuse(code)
        monkeypatch.setattr(
            Path, "open", lambda path, mode="r", *a, **k: stop() if mode == "xb" else opened(path, mode, *a, **k)
        )
    else:
        monkeypatch.setattr(Path, method, refuse(code))
    with pytest.raises(StorageError, match=r"cannot write .*data\.bin .*set REPRISE_CACHE_DIR"):
        store.fetch(entry)
    monkeypatch.undo()
    base = store.cache_dir()
    assert not base.exists() or content_of(base) == {}


def test_a_wrong_file_in_a_read_only_cache_is_told(entry, cached, monkeypatch):
    cached.write_bytes(WRONG)
    monkeypatch.setattr(Path, "replace", refuse(errno.EROFS))
    with pytest.raises(StorageError, match=r"cannot rename .*data\.bin"):
        store.fetch(entry)
    assert content_of(cached.parent) == {"data.bin": WRONG}


def test_a_right_file_in_a_read_only_cache_is_used(entry, cached, monkeypatch):
    cached.write_bytes(RIGHT)
    for method in ("mkdir", "replace", "unlink"):
        monkeypatch.setattr(Path, method, refuse(errno.EROFS))
    assert fetched(entry).place == "cache"


def test_an_unreadable_file_is_told(entry, cached, monkeypatch):
    cached.write_bytes(RIGHT)
    monkeypatch.setattr(Path, "open", refuse(errno.EACCES))
    with pytest.raises(StorageError, match=r"cannot read .*data\.bin .*make it readable"):
        store.fetch(entry)
