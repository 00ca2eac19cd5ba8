"""TensorFlow Serving's gRPC interface, beside the one over HTTP and with the same limits."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import any_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

from agnews.components.model_server.access_token import AccessToken
from agnews.components.model_server.json_response import HttpError, Limits
from agnews.components.model_server.predict_endpoint import PredictEndpoint, signature_argument
from agnews.components.model_server.predict_request import check_count, check_length
from agnews.components.model_server.request_id import RequestIds
from agnews.components.model_server.served_version import Outputs, ServedVersion
from agnews.components.model_server.serving_state import HeldBytes, ServingState
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import SERVE_TEXT

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
_BUG = "This is a fault of the server; its log says more."
_REQUEST_ID = "x-request-id"
_MARGIN = 64 << 10
"""Bytes of a message around its texts."""
_IDLE_MS = 75_000
"""After which a connection without a call ends, as over HTTP."""
_AGE_MS = 3_600_000
"""After which a client has to connect anew, which it does by itself: who takes no answers does not stay for ever."""

Context = Any
"""`grpc.aio.ServicerContext`."""


class GrpcServer:
    """Answers TensorFlow Serving's `PredictionService` and `ModelService`; lives in the event loop of the HTTP server.

    Args:
        state: The parts that both share.
        endpoint: Asks the model.
        address: Host and port to answer at.
        token: What clients have to show as metadata `authorization: Bearer TOKEN`; None lets everybody in.
        log: Receives a line when a call failed for a reason of ours.
    """

    def __init__(
        self,
        state: ServingState,
        endpoint: PredictEndpoint,
        *,
        address: tuple[str, int],
        token: AccessToken | None,
        log: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._state = state
        self._endpoint = endpoint
        self._address = address
        self._token = token
        self._log = log
        self._ids = RequestIds()
        self._server: Any = None
        limits = state.limits
        # Nobody knows how long a message is before it is there.
        self._arriving = asyncio.Semaphore(max(1, limits.inflight_bytes // limits.body_bytes))

    async def start(self) -> None:
        """Starts to answer; to be called in the event loop.

        Raises:
            AgnewsError: The address cannot be used.
        """
        limits: Limits = self._state.limits
        patience = math.ceil(1000 * limits.deadline_seconds)
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", limits.body_bytes + _MARGIN),
                ("grpc.max_metadata_size", limits.head_bytes),
                ("grpc.absolute_max_metadata_size", limits.head_bytes),
                ("grpc.max_allowed_incoming_connections", limits.connections),
                ("grpc.server_handshake_timeout_ms", patience),
                ("grpc.http2.settings_timeout", patience),
                ("grpc.max_connection_idle_ms", _IDLE_MS),
                ("grpc.max_connection_age_ms", _AGE_MS),
                ("grpc.max_connection_age_grace_ms", 2 * patience + math.ceil(1000 * limits.work_seconds)),
                # Whoever is gone without a word, or reads nothing any more.
                ("grpc.keepalive_time_ms", 2 * patience),
                ("grpc.keepalive_timeout_ms", patience),
                # A second server on the same port would take half of the calls.
                ("grpc.so_reuseport", 0),
                ("grpc.keepalive_permit_without_calls", 1),
            ],
            maximum_concurrent_rpcs=limits.connections,
        )
        self._server.add_generic_rpc_handlers(self._handlers())
        host, port = self._address
        try:
            self._state.grpc_port = self._server.add_insecure_port(
                f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            )
        except RuntimeError as error:
            raise AgnewsError(
                f"Port {port} on {host} cannot be used for gRPC.",
                found=str(error),
                fix="Choose another one with --grpc-port (0 takes a free one).",
            ) from error
        await self._server.start()

    async def stop(self) -> None:
        """Takes no more calls, and ends once those under way are answered."""
        if self._server is not None:
            await self._server.stop(2 * self._state.limits.deadline_seconds)

    def _handlers(self) -> list[Any]:
        """What is left out here (Classify, Regress, MultiInference, HandleReloadConfigRequest) answers UNIMPLEMENTED.

        The pointer of the store says what is served.
        """
        return [
            self._service(
                "PredictionService",
                Predict=("predict", predict_pb2.PredictRequest, self.predict),
                GetModelMetadata=("metadata", get_model_metadata_pb2.GetModelMetadataRequest, self.metadata),
            ),
            self._service(
                "ModelService",
                GetModelStatus=("status", get_model_status_pb2.GetModelStatusRequest, self.status),
            ),
        ]

    def _service(self, service: str, **methods: tuple[str, Any, Callable[[Any, str], Awaitable[Any]]]) -> Any:
        def handler(name: str, kind: Any, work: Callable[[Any, str], Awaitable[Any]]) -> Any:
            async def answer(messages: AsyncIterator[Any], context: Context) -> Any:
                return await self.call(name, context, messages, work)

            # To a client there is no difference. Here, the call is known before its message has been read.
            return grpc.stream_unary_rpc_method_handler(
                answer,
                request_deserializer=kind.FromString,
                response_serializer=lambda found: found.SerializeToString(),
            )

        handlers = {method: handler(*how) for method, how in methods.items()}
        return grpc.method_handlers_generic_handler(f"tensorflow.serving.{service}", handlers)

    async def _receive(self, messages: AsyncIterator[Any], held: HeldBytes) -> Any:
        """Reads the message of a call: in time, and no more of them at once than there is room for."""
        limits = self._state.limits
        try:
            async with asyncio.timeout(limits.deadline_seconds), self._arriving:
                async for message in messages:
                    held.add(message.ByteSize())
                    return message
        except TimeoutError:
            self._state.metrics.refused.labels("body").inc()
            raise HttpError(408, f"The message did not come within {limits.deadline_seconds:g} seconds.") from None
        raise HttpError(400, "There is no message in the call.")

    async def call(
        self,
        name: str,
        context: Context,
        messages: AsyncIterator[Any],
        work: Callable[[Any, str], Awaitable[Any]],
    ) -> Any:
        """Answers a call: asks for the token, reads the message, counts, and turns errors into gRPC's codes.

        Args:
            name: Of the method, for the counters.
            context: Of the call.
            messages: Those of the client, of which the first one counts.
            work: Makes the answer; gets the message and the id of the request.
        """
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        request_id = self._ids.accept(metadata.get(_REQUEST_ID, "").encode()).decode()
        context.set_trailing_metadata(((_REQUEST_ID, request_id),))
        started, status = time.perf_counter(), 500
        try:
            if self._token is not None and not self._token.matches(metadata.get("authorization", "")):
                kind = "wrong token" if "authorization" in metadata else "no token"
                self._state.metrics.refused.labels(kind).inc()
                raise HttpError(401, "Send the metadata `authorization: Bearer TOKEN` with the token of this server.")
            with HeldBytes(self._state) as held:
                answer = await work(await self._receive(messages, held), request_id)
            status = 200
        except HttpError as error:
            status = error.status
            await context.abort(_CODES.get(error.status, grpc.StatusCode.UNKNOWN), error.message)
        except Exception as error:  # noqa: BLE001 - the client is told that it is ours, and the log what it is
            self._log(f"request {request_id} failed: {type(error).__name__}: {error}")
            await context.abort(grpc.StatusCode.INTERNAL, _BUG)
        finally:
            self._state.metrics.requests.labels(f"grpc {name}", status).inc()
            self._state.metrics.seconds.labels(f"grpc {name}").observe(time.perf_counter() - started)
        return answer

    async def predict(self, request: Any, request_id: str) -> Any:
        """Answers `Predict`."""
        state, spec = self._state, request.model_spec
        asked_for = spec.signature_name or SERVE_TEXT

        def read(model: ServedVersion) -> tuple[str, list[bytes], tuple[str, ...]]:
            argument = signature_argument(model, asked_for)
            if set(request.inputs) != {argument}:
                given = ", ".join(sorted(request.inputs))[:200] or "none"
                raise HttpError(400, f"The signature takes one input, `{argument}`; given: {given}.")
            wanted = _wanted(tuple(request.output_filter), model.returned(asked_for))
            return asked_for, read_texts(request.inputs[argument], state.limits), wanted

        version = requested_version(spec)
        answered, wanted, outputs = await self._endpoint.ask(request_id, spec.name, version, read)
        return write_answer(spec.name, answered.version, asked_for, wanted, outputs)

    async def metadata(self, request: Any, request_id: str) -> Any:
        """Answers `GetModelMetadata`."""
        if list(request.metadata_field) != ["signature_def"]:
            raise HttpError(400, "The only metadata_field is signature_def, and it has to be named.")
        with self._state.host.borrow(request.model_spec.name, requested_version(request.model_spec)) as model:
            signatures = get_model_metadata_pb2.SignatureDefMap()
            for name, definition in model.signature_defs.items():
                signatures.signature_def[name].CopyFrom(definition)
            answer = get_model_metadata_pb2.GetModelMetadataResponse()
            answer.model_spec.name = request.model_spec.name
            answer.model_spec.version.value = int(model.record.version)
        packed = any_pb2.Any()
        packed.Pack(signatures)
        answer.metadata["signature_def"].CopyFrom(packed)
        return answer

    async def status(self, request: Any, request_id: str) -> Any:
        """Answers `GetModelStatus`."""
        found = self._state.host.status(request.model_spec.name, requested_version(request.model_spec))
        answer = get_model_status_pb2.GetModelStatusResponse()
        for each in found["model_version_status"]:
            status = answer.model_version_status.add(version=int(each["version"]))
            status.state = get_model_status_pb2.ModelVersionStatus.State.Value(each["state"])
            status.status.error_code = 0 if each["status"]["error_code"] == "OK" else 2
            status.status.error_message = each["status"]["error_message"]
        return answer


def requested_version(spec: Any) -> str:
    """Reads which version a call is for.

    Args:
        spec: `ModelSpec`.

    Returns:
        The number; empty for the one in production.

    Raises:
        HttpError: 400 for a label: versions have none here.
    """
    if spec.HasField("version_label"):
        raise HttpError(400, f"Unrecognized servable version label: {spec.version_label[:200]}")
    return str(spec.version.value) if spec.HasField("version") else ""


def read_texts(tensor: Any, limits: Limits) -> list[bytes]:
    """Reads the texts of a tensor.

    Args:
        tensor: `TensorProto` of strings, of any shape; one value may stand for all, as TensorFlow writes it.
        limits: Most texts, and longest text.

    Returns:
        The texts in row-major order.

    Raises:
        HttpError: 400 where it is none, 422 where a limit is exceeded.
    """
    if tensor.dtype != tf.string.as_datatype_enum:
        kind = tf.dtypes.as_dtype(tensor.dtype).name if tensor.dtype else "none"
        raise HttpError(400, f"The input is a tensor of strings, not of {kind}.")
    sizes = [int(dim.size) for dim in tensor.tensor_shape.dim]
    if tensor.tensor_shape.unknown_rank or any(size < 0 for size in sizes) or not sizes:
        raise HttpError(400, f"The input must have a shape of known sizes with at least one dimension, not {sizes}.")
    count, values = math.prod(sizes), tensor.string_val
    check_count(count, limits)
    if not count:
        raise HttpError(400, "There is no text in the request.")
    if len(values) not in (1, count):
        raise HttpError(400, f"The input has {len(values):,} texts, and its shape is for {count:,}.")
    texts = [check_length(value, number, limits) for number, value in enumerate(values)]
    return texts if len(texts) == count else texts * count


def _wanted(given: tuple[str, ...], outputs: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := [name for name in given if name not in outputs]:
        raise HttpError(400, f"output tensor alias not found in signature: {unknown[0][:200]}")
    if len(set(given)) < len(given):
        raise HttpError(400, "duplicate output tensor alias in output_filter")
    return given or outputs


def write_answer(name: str, version: str, signature: str, wanted: tuple[str, ...], outputs: Outputs) -> Any:
    """Writes `PredictResponse`.

    Args:
        name: Of the model.
        version: That answered.
        signature: Its function.
        wanted: Names of outputs.
        outputs: Arrays by name, one row a text.
    """
    answer = predict_pb2.PredictResponse()
    answer.model_spec.name = name
    answer.model_spec.version.value = int(version)
    answer.model_spec.signature_name = signature
    for each in wanted:
        values = outputs[each]
        if values.dtype == object:
            tensor = answer.outputs[each]
            tensor.dtype = tf.string.as_datatype_enum
            for size in values.shape:
                tensor.tensor_shape.dim.add(size=size)
            tensor.string_val.extend(values.reshape(-1).tolist())
        else:
            answer.outputs[each].CopyFrom(tf.make_tensor_proto(np.ascontiguousarray(values)))
    return answer
