"""Receives a request's body without trusting its sender."""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope

from agnews.components.model_server.http_error import HttpError
from agnews.components.model_server.limits import Limits

_GONE = 499
"""TensorFlow Serving's code, and nginx's, for a client that went away."""


async def read_body(scope: Scope, receive: Receive, limits: Limits) -> bytes:
    """Receives the body.

    Args:
        scope: The request.
        receive: Gives the parts of its body.
        limits: How long the body may be, and how long it may take.

    Returns:
        The body.

    Raises:
        HttpError: 413 where it is too long, 408 where it does not come, 499 where the client went away.
    """
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if announced.isdigit() and int(announced) > limits.body_bytes:
        raise _too_long(limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.deadline_seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise HttpError(_GONE, "The client closed the connection.")
                body += message.get("body", b"")
                if len(body) > limits.body_bytes:
                    raise _too_long(limits)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise HttpError(
            408, f"The body did not come within {limits.deadline_seconds:g} seconds.", {"Connection": "close"}
        ) from None


def _too_long(limits: Limits) -> HttpError:
    # What follows of the body is not read, so the connection cannot be used again.
    return HttpError(413, f"This server takes bodies of up to {limits.body_bytes:,} bytes.", {"Connection": "close"})
