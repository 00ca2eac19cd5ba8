"""The way from a request to the model and back."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agnews.components.model_server.json_response import HttpError, Limits, error_response, json_response
from agnews.components.model_server.predict_request import read_predict_request
from agnews.components.model_server.served_version import Outputs, ServedVersion
from agnews.components.model_server.serving_state import ServingState

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


_BYTES_SUFFIX = "_bytes"


def write_predict_response(outputs: Outputs, *, is_row_form: bool) -> bytes:
    """Writes an answer in the form of its request.

    Args:
        outputs: Arrays by name, all with one row a text.
        is_row_form: `{"predictions": [...]}`, an object or a value a row; otherwise `{"outputs": ...}`, an array for
            each name.

    Returns:
        JSON. 32-bit numbers have as few digits as tell them apart; NaN and Infinity are written as such.

    References:
        tensorflow_serving/util/json_tensor.cc, `MakeJsonFromTensors`.
    """
    columns = {name: _column(name, values) for name, values in outputs.items()}
    document: dict[str, Any]
    if not is_row_form:
        document = {"outputs": columns if len(columns) > 1 else next(iter(columns.values()))}
    elif len(columns) > 1:
        rows = zip(*columns.values(), strict=True)
        document = {"predictions": [dict(zip(columns, row, strict=True)) for row in rows]}
    else:
        document = {"predictions": list(*columns.values())}
    if all(np.isfinite(values).all() for values in outputs.values() if values.dtype.kind == "f"):
        return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return json.dumps(document, default=lambda value: value.tolist(), separators=(",", ":")).encode()


def _column(name: str, values: NDArray[Any]) -> Any:
    if values.dtype != object:
        return np.ascontiguousarray(values)
    return _strings(values.tolist(), as_base64=name.endswith(_BYTES_SUFFIX))


def _strings(values: Any, *, as_base64: bool) -> Any:
    if isinstance(values, list):
        return [_strings(value, as_base64=as_base64) for value in values]
    return {"b64": base64.b64encode(values).decode()} if as_base64 else values.decode(errors="replace")


class PredictEndpoint:
    """Answers predictions of the version in production, as an ASGI application of its own.

    Nearly all requests are for one path. The gate hands them to this directly, past the routing of the framework,
    which costs as much as all the rest of the work on a request for a small model.

    Args:
        state: The server.
    """

    def __init__(self, state: ServingState) -> None:
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request."""
        try:
            answer = await self.answer(scope, receive, self._state.host.name)
        except HttpError as error:
            answer = error_response(error.status, error.message, error.headers)
        await answer(scope, receive, send)

    async def answer(self, scope: Scope, receive: Receive, name: str, version: str = "") -> Response:
        """Asks a version.

        Args:
            scope: The request.
            receive: Gives its body.
            name: Of the model.
            version: A number, or nothing for the one in production.

        Returns:
            The predictions.

        Raises:
            HttpError: There is no such version, or the request is malformed or exceeds a limit.
        """
        limits = self._state.limits
        body = await read_body(scope, receive, limits)
        with self._state.host.borrow(name, version) as model:
            asked = read_predict_request(body, lambda signature: _argument(model, signature), limits)
            outputs = await self._state.batcher.run(model, asked.signature, asked.values)
        return json_response(write_predict_response(outputs, is_row_form=asked.is_row_form))


def _argument(model: ServedVersion, signature: str) -> str:
    if signature in model.signatures:
        return model.signatures[signature].argument
    if signature in model.signature_defs:
        raise HttpError(400, f"Failed to get input map for signature: {signature}")
    raise HttpError(400, f'Serving signature name: "{signature}" not found in signature def')
