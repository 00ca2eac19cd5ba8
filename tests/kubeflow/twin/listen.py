"""HTTP for the twin, with everything that can go wrong on the way."""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from twin.server import Refused, Twin


class Handler(BaseHTTPRequestHandler):
    """Speaks HTTP for the server, and lets it fail."""

    twin: Twin
    protocol_version = "HTTP/1.1"
    timeout = 10
    # Header and body in one packet: two would wait 40 ms for each other.
    wbufsize = -1

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, content: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def handle(self) -> None:
        # A client that has given up is what some tests are about.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def finish(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().finish()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        with self.twin.lock:
            self.twin.requests.append((self.command, parts.path))
            self.twin.before(self.command, parts.path)
            fault = self.twin.fault(self.command, parts.path)
        if fault and fault.kind == "slow":
            time.sleep(fault.seconds)
        if fault and fault.kind == "drop before":
            self.close_connection = True
            return
        if fault and fault.kind == "status":
            self._answer(fault.status, fault.body.encode("latin-1"))
            return
        status, content, kind = self._carry_out(parts.path, dict(parse_qsl(parts.query)), body)
        if fault and fault.kind == "drop after":
            self.close_connection = True
            return
        self._answer(status, content, kind)

    def _carry_out(self, path: str, query: dict[str, str], body: bytes) -> tuple[int, bytes, str]:
        if self.twin.token is not None and self.headers.get("Authorization") != f"Bearer {self.twin.token}":
            return (
                401,
                b'{"code": 16, "message": "Request header error: there is no user identity header."}',
                "application/json",
            )
        if self.twin.cookie is not None and self.headers.get("Cookie") != self.twin.cookie:
            return 302, b"<html>Log in</html>", "text/html"
        if self.twin.forbidden and re.search(self.twin.forbidden, path):
            return 403, b'{"code": 7, "message": "User ann@example.com is not authorized"}', "application/json"
        try:
            with self.twin.lock:
                answer = self.twin.handle(self.command, path, query, body, self.headers.get("Content-Type") or "")
        except Refused as refused:
            return refused.status, json.dumps(refused.body).encode(), "application/json"
        if isinstance(answer, str):
            return 200, answer.encode(), "text/plain"
        return 200, json.dumps(answer).encode(), "application/json"

    do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = _serve  # noqa: N815


@contextlib.contextmanager
def listening(twin: Twin) -> Iterator[Twin]:
    """Lets the twin answer at its `host`."""
    listener = ThreadingHTTPServer(("127.0.0.1", 0), type("OurHandler", (Handler,), {"twin": twin}))
    listener.daemon_threads = True
    twin.host = f"http://127.0.0.1:{listener.server_address[1]}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield twin
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()
