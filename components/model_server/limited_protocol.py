"""The connections of a server: HTTP/1.1 with limits that hold before a request reaches the application."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httptools
import orjson
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from agnews.components.model_server.json_response import Limits
from agnews.components.model_server.metrics import Metrics

_LINGER_SECONDS = 1.0
_SAFE_SECONDS = 1.0
"""A connection that has been idle for less is not closed for another's sake: its next request may be on the way."""
_UPGRADE_HEADERS = (b"upgrade", b"http2-settings")


class Connections:
    """What the connections of one server share.

    Attributes:
        limits: Bytes, seconds, and connections at a time.
        metrics: Where refusals are counted.
        idle: Connections without a request, by the time since when; the one that waits longest is first.
    """

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self.limits = limits
        self.metrics = metrics
        self.idle: dict[LimitedProtocol, float] = {}

    def make_room(self, now: float) -> bool:
        """Closes the connection that has been idle for longest.

        Args:
            now: Time of the event loop.

        Returns:
            Whether there was one.
        """
        longest = next(iter(self.idle), None)
        if longest is None or self.idle[longest] > now - _SAFE_SECONDS:
            return False
        longest.timeout_keep_alive_handler()
        return True


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with what it leaves open to whoever connects.

    - Request line and headers are limited in bytes (414, 431), and like the body in seconds (408).
    - A client that does not read its answer is cut off.
    - An idle connection ends also where nothing was ever sent on it. Where there are too many, the one that was idle
      for longest makes room; where none is idle, the new one is refused (503).
    - `Upgrade` is ignored, as HTTP lets a server do (RFC 9110, 7.8), and the body that comes with it is read.
    - What a client goes on to send after its answer is dropped, for a while.

    Args:
        shared: What all connections know.
        arguments: Of uvicorn's protocol.
    """

    def __init__(self, shared: Connections, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._shared = shared
        self._limits = shared.limits
        self._is_ended = False
        self._in_head = False
        self._fed = 0
        self._packet = 0
        self._dropped = 0
        self._drops = False
        self._refusal: tuple[int, str] | None = None
        self._in_body = False
        self._read_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        now = self.loop.time()
        if len(self.connections) > self._limits.connections and not self._shared.make_room(now):
            self._end(503, "There are too many connections.", "connections", {"retry-after": "1"}, linger=False)
            return
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        self._shared.idle[self] = now

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._shared.idle.pop(self, None)
        self._unset_keepalive_if_required()
        for timer in (self._read_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_ended:
            return
        self._packet = len(data)
        self._fed = self._fed + self._packet if self._in_head else self._packet
        if self._drops:
            self._dropped += self._packet
            if self._dropped > self._limits.body_bytes:
                self._close()
                return
        self._feed(data)
        if self._in_head and not self._is_ended and self._fed > self._limits.head_bytes:
            self._end(*self._too_long(), "head")
            return
        # Most requests are whole when they come, and need no timer.
        if (self._in_head or self._in_body) and self._read_timer is None and not self._is_ended:
            self._read_timer = self.loop.call_later(self._limits.deadline_seconds, self._read_is_late)

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._end(*(self._refusal or (400, "This is not a request in HTTP/1.1.")), "head")

    @override
    def on_message_begin(self) -> None:
        # Not with the first byte: empty lines before a request must not keep a connection.
        self._unset_keepalive_if_required()
        self._shared.idle.pop(self, None)
        self._in_head = True
        super().on_message_begin()

    @override
    def on_headers_complete(self) -> None:
        self._in_head, self._in_body = False, True
        self._stop_read_timer()
        # The sum is only made where it can be too large.
        most = self._limits.head_bytes
        if (self._packet > most or self._fed > most) and self._head_bytes() > most:
            self._refusal = self._too_long()
            raise ValueError("the head is too long")
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    @override
    def on_message_complete(self) -> None:
        self._fed = 0
        self._in_body = self._drops = False
        self._stop_read_timer()
        if not self.parser.should_upgrade():
            super().on_message_complete()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._abort_if_unread()
        elif self.timeout_keep_alive_task is not None:
            if self.cycle.more_body:
                self._drops, self._dropped = True, 0
                self._unset_keepalive_if_required()
                self.timeout_keep_alive_task = self.loop.call_later(
                    self._limits.deadline_seconds, self.timeout_keep_alive_handler
                )
            else:
                self._shared.idle[self] = self.loop.time()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self._limits.deadline_seconds, self._write_is_late)

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    @override
    def timeout_keep_alive_handler(self) -> None:
        self._shared.idle.pop(self, None)
        self._close()

    @override
    def shutdown(self) -> None:
        super().shutdown()
        if self.transport.is_closing():
            self._abort_if_unread()

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _too_long(self) -> tuple[int, str]:
        # Whatever of the head was not read yet belongs to a header, unless none has begun.
        most = self._limits.head_bytes
        status = 414 if (not self.headers and len(self.url) > most // 2) or len(self.url) > most else 431
        return status, f"This server takes request lines and headers of up to {most:,} bytes together."

    def _stop_read_timer(self) -> None:
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _read_is_late(self) -> None:
        self._read_timer = None
        cycle = self.cycle
        is_answering = cycle is not None and not cycle.response_complete
        if self.pipeline or (self._in_head and is_answering):
            # The answer to the request before this one is still on its way.
            self._read_timer = self.loop.call_later(self._limits.deadline_seconds, self._read_is_late)
        elif self._in_head:
            self._end(408, f"The headers did not come within {self._limits.deadline_seconds:g} seconds.", "head")
        elif is_answering and cycle.response_started:
            self._close()
        elif is_answering:
            self._end(408, f"The body did not come within {self._limits.deadline_seconds:g} seconds.", "body")
            # Whoever waits for the body learns that it does not come, and has nobody to answer any more.
            cycle.disconnected = True
            cycle.message_event.set()

    def _write_is_late(self) -> None:
        self._write_timer = None
        if not self._is_ended:
            self._shared.metrics.refused.labels("write").inc()
        self.transport.abort()

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Reads the request once more as if it had not asked for another protocol; its body comes with that."""
        method, url, version = self.parser.get_method(), self.url, self.parser.get_http_version()
        if method == b"CONNECT":
            self._end(400, "This server is no proxy.", "head")
            return
        lines = [b"%s %s HTTP/%s" % (method, url, version.encode())]
        for name, value in self.headers:
            if name in _UPGRADE_HEADERS:
                continue
            if name == b"connection":
                tokens = [token.strip() for token in value.split(b",")]
                value = b", ".join(token for token in tokens if token.lower() not in _UPGRADE_HEADERS)
            lines.append(b"%s: %s" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._feed(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _end(
        self, status: int, message: str, limit: str, headers: Mapping[str, str] | None = None, *, linger: bool = True
    ) -> None:
        """Answers what never becomes a request, and ends the connection."""
        if self._is_ended or self.transport.is_closing():
            return
        self._is_ended = True
        self._in_head = self._in_body = False
        self._shared.metrics.refused.labels(limit).inc()
        body = orjson.dumps({"error": message})
        fields = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "connection": "close",
            "x-content-type-options": "nosniff",
            **(headers or {}),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.transport.write(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{head}\r\n".encode() + body)
        if not linger:
            self._close()
            return
        # A connection that is closed with bytes unread is reset, and the client may lose the answer.
        self.transport.write_eof()
        self.timeout_keep_alive_task = self.loop.call_later(_LINGER_SECONDS, self._close)

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
        self._abort_if_unread()

    def _abort_if_unread(self) -> None:
        """Ends a connection that is closed and whose client does not take the rest of its answer."""
        if self._write_timer is None and self.transport.get_write_buffer_size():
            self._write_timer = self.loop.call_later(self._limits.deadline_seconds, self._write_is_late)
