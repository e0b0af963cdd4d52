"""A data folder, a cache and an HTTP server of each test's own."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from reprise.datasets import store
from reprise.datasets.registry import Entry

CLOSED = "http://127.0.0.1:9/"  # nobody listens on the discard port

Answer = bytes | int | Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture(autouse=True)
def _own_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the data of the machine, or leaves something in its cache."""
    monkeypatch.delenv(store.DATA_DIR, raising=False)
    monkeypatch.setenv(store.CACHE_DIR, str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


class Server:
    """Answers by path: bytes, a status code, or a function of the handler; a list is used up from the front."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer | list[Answer]] = {}
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                answer = server.answers.get(self.path, 404)
                if isinstance(answer, list):
                    answer = answer.pop(0) if len(answer) > 1 else answer[0]
                if callable(answer):
                    answer(self)
                elif isinstance(answer, int):
                    self.send_error(answer)
                else:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make_entry(*addresses: str, files: dict[str, bytes], **fields: Any) -> Entry:
    """An entry for these files, as right as the registry's."""
    return Entry(
        **{
            "name": "toy",
            "title": "A toy",
            "task": "classification",
            "reader": "idx",
            "folder": "toy",
            "licence": "none",
            "paper": "none",
            "addresses": list(addresses),
            "files": [
                {"name": name, "sha256": sha256(content), "bytes": len(content)} for name, content in files.items()
            ],
            **fields,
        }
    )


def content_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
