"""The routes of the Open Inference Protocol, version 2."""

from __future__ import annotations

from importlib.metadata import version as installed_version
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi import Path as PathParameter

from agnews.components.model_server.api_description import STRING, describe_operation
from agnews.components.model_server.gate import REQUEST_ID
from agnews.components.model_server.json_response import json_response
from agnews.components.model_server.open_inference import (
    InferRequest,
    model_description,
    read_infer_request,
    write_infer_response,
)
from agnews.components.model_server.predict_endpoint import PredictEndpoint, read_body
from agnews.components.model_server.served_version import ABSTAINED, ServedVersion
from agnews.components.model_server.serving_state import HeldBytes, ServingState
from agnews.schemas.features import CLASS_ID, CLASS_LABEL, PROBABILITIES, SERVE_TEXT

LIVE, READY = "/v2/health/live", "/v2/health/ready"

Name = Annotated[str, PathParameter(pattern=r"^[^/:]+$", description="Name of the model.")]
Version = Annotated[str, PathParameter(pattern=r"^[0-9]{1,18}$", description="Number of a version.")]

_SIZES = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "maxItems": 8}
_TENSOR = {
    "type": "object",
    "properties": {"name": STRING, "datatype": STRING, "shape": {"type": "array", "items": {"type": "integer"}}},
    "required": ["name", "datatype", "shape"],
}
_TENSORS = {"type": "array", "items": _TENSOR}
_TEXT_TENSOR = {
    "type": "object",
    "properties": {
        "name": {"const": "text"},
        "datatype": {"const": "BYTES"},
        "shape": _SIZES,
        "data": {"type": "array", "items": STRING, "description": "As many texts as the shape says."},
        "parameters": {"type": "object"},
    },
    "required": ["name", "datatype", "shape", "data"],
}
_INFER_BODY = {
    "type": "object",
    "properties": {
        "id": STRING,
        "inputs": {"type": "array", "items": _TEXT_TENSOR, "minItems": 1, "maxItems": 1},
        "outputs": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"enum": [CLASS_ID, CLASS_LABEL, PROBABILITIES, ABSTAINED]}},
                "required": ["name"],
            },
        },
        "parameters": {"type": "object"},
    },
    "required": ["inputs"],
}
_EXAMPLE = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["Oil prices soar"]}]}
_INFER_RESPONSE = {
    "type": "object",
    "properties": {"model_name": STRING, "model_version": STRING, "id": STRING, "outputs": _TENSORS},
    "required": ["model_name", "model_version", "outputs"],
}
_MODEL_RESPONSE = {
    "type": "object",
    "properties": {
        "name": STRING,
        "versions": {"type": "array", "items": STRING},
        "platform": STRING,
        "inputs": _TENSORS,
        "outputs": _TENSORS,
    },
    "required": ["name", "platform", "inputs", "outputs"],
}
_SERVER_RESPONSE = {
    "type": "object",
    "properties": {"name": STRING, "version": STRING, "extensions": {"type": "array", "items": STRING}},
    "required": ["name", "version", "extensions"],
}


def _states(key: str) -> dict[str, Any]:
    answer = {"type": "object", "properties": {key: {"type": "boolean"}, "name": STRING}, "required": [key]}
    found = describe_operation(answer, (404,) if key == "ready" else ())
    found["openapi_extra"]["responses"]["503"] = {
        "description": "Not so.",
        "content": {"application/json": {"schema": answer}},
    }
    return found


_INFER = describe_operation(_INFER_RESPONSE, (400, 404, 408, 413, 415, 422, 429, 503, 504), _INFER_BODY, _EXAMPLE)
_MODEL = describe_operation(_MODEL_RESPONSE, (400, 404))
_SERVER = describe_operation(_SERVER_RESPONSE)


def open_inference_routes(state: ServingState, endpoint: PredictEndpoint) -> APIRouter:
    """Makes the routes.

    Args:
        state: The server.
        endpoint: Asks the model, and hands answers on to whoever looks on.

    Returns:
        `/v2` and what is below it. The model has one function there, from texts to classes.

    References:
        https://github.com/kserve/open-inference-protocol
    """
    router = APIRouter(prefix="/v2")
    _add_server(router, state)
    _add_model(router, state)
    _add_infer(router, state, endpoint)
    return router


def _add_infer(router: APIRouter, state: ServingState, endpoint: PredictEndpoint) -> None:
    async def infer(request: Request, name: str, version: str = "") -> Response:
        with HeldBytes(state) as held:
            body = await read_body(request.scope, request.receive, state.limits, held)

            def read(model: ServedVersion) -> tuple[str, list[bytes], InferRequest]:
                argument = model.signatures[SERVE_TEXT].argument
                asked = read_infer_request(body, argument, model.returned(SERVE_TEXT), state.limits)
                return SERVE_TEXT, asked.values, asked

            answered, asked, outputs = await endpoint.ask(request.scope[REQUEST_ID], name, version, read)
        return json_response(write_infer_response(name, answered.version, asked, outputs))

    @router.post("/models/{name}/infer", summary="Classify texts (Open Inference Protocol)", **_INFER)
    async def infer_model(request: Request, name: Name) -> Response:
        """Asks the version in production."""
        return await infer(request, name)

    @router.post("/models/{name}/versions/{version}/infer", summary="The same with one version", **_INFER)
    async def infer_version(request: Request, name: Name, version: Version) -> Response:
        """Asks a version by its number."""
        return await infer(request, name, version)


def _add_server(router: APIRouter, state: ServingState) -> None:
    @router.get("", summary="What answers here", **_SERVER)
    async def server() -> Response:
        """Tells name and version of the server, and extensions of the protocol: none."""
        found = {"name": "agnews", "version": installed_version("agnews"), "extensions": []}
        return json_response(orjson.dumps(found))

    @router.get("/health/live", summary="Whether the process lives", **_states("live"))
    async def live() -> Response:
        """As /healthz, in the words of the Open Inference Protocol."""
        is_well = not state.problems()
        return json_response(orjson.dumps({"live": is_well}), 200 if is_well else 503)

    @router.get("/health/ready", summary="Whether to send requests here", **_states("ready"))
    async def server_ready() -> Response:
        """As /readyz, in the words of the Open Inference Protocol."""
        return json_response(orjson.dumps({"ready": not state.is_draining}), 503 if state.is_draining else 200)


def _add_model(router: APIRouter, state: ServingState) -> None:
    def describe(name: str, version: str = "") -> Response:
        with state.host.borrow(name, version) as model:
            versions = [version] if version else state.host.versions
            return json_response(
                orjson.dumps(model_description(name, versions, model.describe_signatures()[SERVE_TEXT]))
            )

    def ready(name: str, version: str = "") -> Response:
        with state.host.borrow(name, version):
            answer = orjson.dumps({"name": name, "ready": not state.is_draining})
            return json_response(answer, 503 if state.is_draining else 200)

    @router.get("/models/{name}", summary="What the model takes and gives", **_MODEL)
    async def model_metadata(name: Name) -> Response:
        """Tells names, types and shapes of the tensors, and which versions are served."""
        return describe(name)

    @router.get("/models/{name}/versions/{version}", summary="What a version takes and gives", **_MODEL)
    async def version_metadata(name: Name, version: Version) -> Response:
        """Tells names, types and shapes of the tensors of a version."""
        return describe(name, version)

    @router.get("/models/{name}/ready", summary="Whether the model answers", **_states("ready"))
    async def model_ready(name: Name) -> Response:
        """Tells whether a version of the model is loaded."""
        return ready(name)

    @router.get("/models/{name}/versions/{version}/ready", summary="Whether a version answers", **_states("ready"))
    async def version_ready(name: Name, version: Version) -> Response:
        """Tells whether a version is loaded."""
        return ready(name, version)
