"""The routes that ask the model."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Request, Response

from agnews.components.model_server.api_description import EXPLAIN, PREDICT
from agnews.components.model_server.explain_texts import explain_texts
from agnews.components.model_server.http_error import HttpError
from agnews.components.model_server.path_parameters import Name, Version, version_number
from agnews.components.model_server.predict_answer import write_predict_answer
from agnews.components.model_server.predict_request import read_predict_request
from agnews.components.model_server.read_body import read_body
from agnews.components.model_server.served_version import ServedVersion
from agnews.components.model_server.serving_state import ServingState


def predict_routes(state: ServingState) -> APIRouter:
    """Makes the routes that ask the model.

    Args:
        state: The server.

    Returns:
        The routes: TensorFlow Serving's `:predict`, with and without `/versions/N`, and our own `:explain`.

    References:
        https://www.tensorflow.org/tfx/serving/api_rest
    """
    router = APIRouter(prefix="/v1/models")

    async def predict(request: Request, name: str, version: str = "") -> Response:
        body = await read_body(request, state.limits)
        with state.host.borrow(name, version_number(version)) as model:
            asked = read_predict_request(body, lambda signature: _argument(model, signature), state.limits)
            outputs = await state.batcher.run(model, asked.signature, asked.values)
        return _json(write_predict_answer(outputs, is_row_form=asked.is_row_form))

    @router.post("/{name}:predict", summary="Classify texts", **PREDICT)
    async def predict_latest(request: Request, name: Name) -> Response:
        """Asks the version in production."""
        return await predict(request, name)

    @router.post("/{name}/versions/{version}:predict", summary="Classify texts with one version", **PREDICT)
    async def predict_version(request: Request, name: Name, version: Version) -> Response:
        """Asks a version by its number; only the one in production is there, and for a moment the one before it."""
        return await predict(request, name, version)

    @router.post("/{name}:explain", summary="Classify texts, and say which words mattered", **EXPLAIN)
    async def explain(request: Request, name: Name) -> Response:
        """Computes how much each word speaks for the predicted class, or against it."""
        body = await read_body(request, state.limits)
        with state.host.borrow(name) as model:
            return _json(orjson.dumps(await explain_texts(body, model, state)))

    return router


def _argument(model: ServedVersion, signature: str) -> str:
    if signature in model.signatures:
        return model.signatures[signature].argument
    if signature in model.signature_defs:
        raise HttpError(400, f"Failed to get input map for signature: {signature}")
    raise HttpError(400, f'Serving signature name: "{signature}" not found in signature def')


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
