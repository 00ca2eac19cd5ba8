"""Receives a request's body without trusting its sender."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from agnews.components.model_server.http_error import HttpError
from agnews.components.model_server.limits import Limits

_GONE = 499
"""TensorFlow Serving's code, and nginx's, for a client that went away."""


async def read_body(request: Request, limits: Limits) -> bytes:
    """Receives the body.

    Args:
        request: The request.
        limits: How long the body may be, and how long it may take.

    Returns:
        The body.

    Raises:
        HttpError: 413 where it is too long, 408 where it does not come, 499 where the client went away.
    """
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limits.body_bytes:
        raise _too_long(limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.deadline_seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.body_bytes:
                    raise _too_long(limits)
    except TimeoutError:
        raise HttpError(
            408, f"The body did not come within {limits.deadline_seconds:g} seconds.", {"Connection": "close"}
        ) from None
    except ClientDisconnect:
        raise HttpError(_GONE, "The client closed the connection.") from None
    return bytes(body)


def _too_long(limits: Limits) -> HttpError:
    # What follows of the body is not read, so the connection cannot be used again.
    return HttpError(413, f"This server takes bodies of up to {limits.body_bytes:,} bytes.", {"Connection": "close"})
