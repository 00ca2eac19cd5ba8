"""Answers in JSON, errors among them."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from starlette.responses import Response


def json_answer(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Makes an answer.

    Args:
        body: JSON.
        status: HTTP status code.
        headers: More headers.

    Returns:
        The answer.
    """
    return Response(body, status, headers=headers, media_type="application/json")


def error_answer(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Makes an answer in TensorFlow Serving's form of an error.

    Args:
        status: HTTP status code.
        message: For the client.
        headers: More headers.

    Returns:
        The answer.
    """
    return json_answer(orjson.dumps({"error": message}), status, headers)
