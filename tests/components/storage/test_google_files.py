"""Conditional writes to Google Cloud Storage, through Google's client; a small server plays the store's JSON API."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from agnews.components.storage.files import ChangedError
from agnews.components.storage.files_at import files_at
from agnews.components.storage.google_files import GoogleFiles, _client


class _Store(BaseHTTPRequestHandler):
    """Objects with generations: https://cloud.google.com/storage/docs/request-preconditions."""

    objects: dict[str, tuple[bytes, int]]
    turn = threading.Lock()

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, message: str) -> None:
        self._answer(status, json.dumps({"error": {"code": status, "message": message}}).encode())

    def _describe(self, name: str) -> bytes:
        content, generation = self.objects[name]
        return json.dumps({"name": name, "generation": str(generation), "size": str(len(content))}).encode()

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        name = unquote(address.path.rpartition("/o/")[2])
        if name not in self.objects:
            return self._refuse(404, "No such object")
        if parse_qs(address.query).get("alt") == ["media"]:
            return self._answer(200, self.objects[name][0], "application/octet-stream")
        return self._answer(200, self._describe(name))

    def do_POST(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        boundary = re.search(r"boundary=['\"]?([^'\";]+)", self.headers["Content-Type"])
        assert boundary
        _, head, data, *_ = body.split(b"--" + boundary[1].encode())
        name = json.loads(head.partition(b"\r\n\r\n")[2])["name"]
        with self.turn:
            found = self.objects.get(name, (b"", 0))[1]
            if "ifGenerationMatch" in query and query["ifGenerationMatch"] != [str(found)]:
                return self._refuse(412, "At least one of the pre-conditions you specified did not hold.")
            self.objects[name] = (data.partition(b"\r\n\r\n")[2][:-2], found + 7)
        return self._answer(200, self._describe(name))


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    store = type("Store", (_Store,), {"objects": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), store)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server.server_port}")
    _client.cache_clear()
    yield "gs://bucket/models"
    server.shutdown()
    server.server_close()
    _client.cache_clear()


def test_a_file_is_created_once_and_replaced_if_it_is_the_one_that_was_read(folder: str) -> None:
    files, path = files_at(folder), f"{folder}/latest.json"
    assert isinstance(files, GoogleFiles)
    assert files.decides_races(folder)
    with pytest.raises(FileNotFoundError):
        files.read_tagged(path)

    first = files.create(path, b"first")
    with pytest.raises(FileExistsError):
        files.create(path, b"second")
    assert (files.read_tagged(path).content, files.read_tagged(path).etag) == (b"first", first)

    second = files.replace(path, b"second", first)
    with pytest.raises(ChangedError):
        files.replace(path, b"third", first)
    assert files.read_tagged(path).content == b"second"
    assert files.replace(path, b"fourth", second) != second
    files.replace(path, b"fifth")
    assert files.read_tagged(path).content == b"fifth"
