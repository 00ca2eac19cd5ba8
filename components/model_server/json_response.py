"""Answers in JSON, errors among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson
from starlette.responses import Response


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Makes an answer.

    Args:
        body: JSON.
        status: HTTP status code.
        headers: More headers.

    Returns:
        The answer.
    """
    return Response(body, status, headers=headers, media_type="application/json")


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Makes an answer in TensorFlow Serving's form of an error.

    Args:
        status: HTTP status code.
        message: For the client.
        headers: More headers.

    Returns:
        The answer.
    """
    return json_response(orjson.dumps({"error": message}), status, headers)


class HttpError(Exception):
    """Ends a request with a status code and `{"error": message}`, which is TensorFlow Serving's form.

    Args:
        status: HTTP status code.
        message: For the client.
        headers: More headers of the answer.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Limits:
    """What is refused instead of being worked on.

    Attributes:
        body_bytes: Longest request body; more is answered with 413.
        instances: Most texts in a request; more are answered with 422.
        explained: Most texts in a request for explanations, which cost several times as much; 422.
        text_bytes: Longest text in UTF-8; a longer one is answered with 422.
        queue_rows: Most texts that wait at a time; 429 with Retry-After beyond.
        batch_rows: Most texts that the model sees at once.
        deadline_seconds: Longest wait of a request before its work begins. A request that would wait longer is turned
            away when it comes (429); one that waited longer all the same is given up (504). Also the time that a
            client has for sending its body (408).
            The same time is given for the headers (408) and for taking the answer.
        work_seconds: Longest time from the beginning of its work to the end (504).
        head_bytes: Longest request line and headers together (414, 431).
        connections: Most clients at a time; where none of them is idle, more are refused (503).
        inflight_bytes: Most bytes in the bodies of all requests that are not answered yet (503 with Retry-After).
    """

    body_bytes: int = 4 << 20
    instances: int = 1024
    explained: int = 16
    text_bytes: int = 64 << 10
    queue_rows: int = 4096
    batch_rows: int = 32
    deadline_seconds: float = 10.0
    work_seconds: float = 60.0
    head_bytes: int = 32 << 10
    connections: int = 10_000
    inflight_bytes: int = 256 << 20
