"""The way from a request to the model and back."""

from __future__ import annotations

import base64
import json
import time
import zlib
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from agnews.components.model_server.gate import REQUEST_ID
from agnews.components.model_server.json_response import HttpError, Limits, error_response, json_response
from agnews.components.model_server.onlookers import Answered, Onlookers
from agnews.components.model_server.predict_request import PredictRequest, read_predict_request
from agnews.components.model_server.served_version import Outputs, ServedVersion
from agnews.components.model_server.serving_state import HeldBytes, ServingState
from agnews.components.model_server.top_classes import name_chosen, take_top_classes
from agnews.schemas.features import SERVE_TEXT
from agnews.schemas.model_record import ModelRecord

_Asked = TypeVar("_Asked")
_GONE = 499
"""TensorFlow Serving's code, and nginx's, for a client that went away."""


async def read_body(scope: Scope, receive: Receive, limits: Limits, held: HeldBytes) -> bytes:
    """Receives the body.

    Args:
        scope: The request.
        receive: Gives the parts of its body.
        limits: How long the body may be.
        held: Counts the body among the bytes under way.

    Returns:
        The body, unpacked where it came packed by gzip.

    Raises:
        HttpError: 413 where it is too long, 415 where it is packed in another way, 499 where the client went away or
            the connection gave it up, 503 where too much is under way.
    """
    is_packed = _is_packed(scope, limits)
    body = bytearray()
    while True:
        # The connection keeps the deadline: most bodies are there before it needs one.
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HttpError(_GONE, "The client closed the connection, or did not send its body in time.")
        part = message.get("body", b"")
        held.add(len(part))
        body += part
        if len(body) > limits.body_bytes:
            raise _too_long(limits)
        if not message.get("more_body", False):
            break
    if not is_packed:
        return bytes(body)
    unpacked = _unpack(bytes(body), limits)
    held.add(len(unpacked))
    return unpacked


def _is_packed(scope: Scope, limits: Limits) -> bool:
    """Looks at what the headers say about the body."""
    announced, encoding = b"0", b""
    for name, value in scope["headers"]:
        if name == b"content-length":
            announced = value
        elif name == b"content-encoding":
            encoding = encoding + b"," + value if encoding else value
    if announced.isdigit() and (len(announced) > _LONGEST_NUMBER or int(announced) > limits.body_bytes):
        raise _too_long(limits)
    return bool(encoding) and _is_gzip(encoding)


_LONGEST_NUMBER = 18


def _is_gzip(encoding: bytes) -> bool:
    name = encoding.strip().lower()
    if name in (b"gzip", b"x-gzip"):
        return True
    if name == b"identity":
        return False
    shown = encoding[:40].decode("latin-1")
    raise HttpError(
        415,
        f"This server takes bodies as they are or packed by gzip, not Content-Encoding: {shown}.",
        {"Accept-Encoding": "gzip, identity"},
    )


def _unpack(body: bytes, limits: Limits) -> bytes:
    """Unpacks all members, and stops where the limit is exceeded: a megabyte may hold a gigabyte."""
    found = bytearray()
    while body:
        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            found += member.decompress(body, limits.body_bytes - len(found) + 1)
        except zlib.error as error:
            raise HttpError(400, f"The body is not what gzip writes: {error}.") from None
        if len(found) > limits.body_bytes:
            raise _too_long(limits)
        if not member.eof:
            raise HttpError(400, "The body is not what gzip writes: it is cut short.")
        body = member.unused_data
    return bytes(found)


def _too_long(limits: Limits) -> HttpError:
    # What follows of the body is not read, so the connection cannot be used again.
    return HttpError(413, f"This server takes bodies of up to {limits.body_bytes:,} bytes.", {"Connection": "close"})


_BYTES_SUFFIX = "_bytes"


def write_predict_response(outputs: Outputs, *, is_row_form: bool, shape: tuple[int, ...] | None = None) -> bytes:
    """Writes an answer in the form of its request.

    Args:
        outputs: Arrays by name, all with one row a text.
        shape: Of the texts; None: a list of them.
        is_row_form: `{"predictions": [...]}`, an object or a value a row; otherwise `{"outputs": ...}`, an array for
            each name.

    Returns:
        JSON. 32-bit numbers have as few digits as tell them apart; NaN and Infinity are written as such.

    References:
        tensorflow_serving/util/json_tensor.cc, `MakeJsonFromTensors`.
    """
    if shape is not None and len(shape) != 1:
        outputs = {name: values.reshape(shape + values.shape[1:]) for name, values in outputs.items()}
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
        # A number alone: to be made contiguous it would become a list.
        return np.ascontiguousarray(values) if values.ndim else values[()]
    return _strings(values.tolist(), as_base64=name.endswith(_BYTES_SUFFIX))


def _strings(values: Any, *, as_base64: bool) -> Any:
    if isinstance(values, list):
        return [_strings(value, as_base64=as_base64) for value in values]
    return {"b64": base64.b64encode(values).decode()} if as_base64 else values.decode(errors="replace")


MODEL_VERSION = "X-Model-Version"
"""Header of an answer: the version that computed it, which may be the one before where a change came in between."""


class PredictEndpoint:
    """Answers predictions of the version in production, as an ASGI application of its own.

    Nearly all requests are for one path. The gate hands them to this directly, past the routing of the framework,
    which costs as much as all the rest of the work on a request for a small model.

    Args:
        state: The server.
    """

    def __init__(self, state: ServingState) -> None:
        self._state = state
        self._onlookers = Onlookers(state)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request."""
        try:
            body, version = await self._predictions(scope, receive, self._state.host.name, "")
        except HttpError as error:
            await error_response(error.status, error.message, error.headers)(scope, receive, send)
            return
        headers = [
            (b"content-length", b"%d" % len(body)),
            (b"content-type", b"application/json"),
            (b"x-model-version", version.encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

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
        body, version = await self._predictions(scope, receive, name, version)
        return json_response(body, headers={MODEL_VERSION: version})

    async def ask(
        self, request_id: str, name: str, version: str, read: Callable[[ServedVersion], tuple[str, list[bytes], _Asked]]
    ) -> tuple[ModelRecord, _Asked, Outputs]:
        """Asks a version, in whatever form the request came, and hands the answer on to whoever looks on.

        Args:
            request_id: Of the request; a canary goes by it.
            name: Of the model.
            version: A number, or nothing for the one in production.
            read: Reads the request for the version that answers: signature, texts, and whatever it likes.

        Returns:
            The record of the version that answered, what `read` gave last, and arrays by the name of the output, one
            row a text.

        Raises:
            HttpError: There is no such version, `read` refuses, or too much waits.
        """
        state, began = self._state, time.perf_counter()
        if state.canary is not None and not version and state.canary.takes(request_id):
            version = state.canary.version
        with state.host.borrow(name, version) as model:
            signature, values, asked = read(model)
            outputs = await state.batcher.run(model, signature, values)
        if state.is_watching and signature == SERVE_TEXT:
            seconds = time.perf_counter() - began
            self._onlookers.note(Answered(request_id, model.record.version, values, outputs, seconds))
        return model.record, asked, outputs

    async def _predictions(self, scope: Scope, receive: Receive, name: str, version: str) -> tuple[bytes, str]:
        """Returns the body of an answer, and the version that computed it."""
        state = self._state
        with HeldBytes(state) as held:
            body = await read_body(scope, receive, state.limits, held)

            def read(model: ServedVersion) -> tuple[str, list[bytes], PredictRequest]:
                found = read_predict_request(body, lambda signature: signature_argument(model, signature), state.limits)
                return found.signature, found.values, found

            answered, asked, outputs = await self.ask(scope[REQUEST_ID], name, version, read)
            outputs = take_top_classes(name_chosen(outputs, answered.classes), asked.k, answered.classes)
        return write_predict_response(outputs, is_row_form=asked.is_row_form, shape=asked.shape), answered.version


def signature_argument(model: ServedVersion, signature: str) -> str:
    """Returns the name of a signature's only input.

    Args:
        model: The version.
        signature: Its function.

    Raises:
        HttpError: 400 in TensorFlow Serving's words where there is no such signature, or it takes something else.
    """
    if signature in model.signatures:
        return model.signatures[signature].argument
    if signature in model.signature_defs:
        raise HttpError(400, f"Failed to get input map for signature: {signature}")
    raise HttpError(400, f'Serving signature name: "{signature[:200]}" not found in signature def')
