"""The routes that ask the model."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from agnews.components.model_server.api_description import EXPLAIN, PREDICT
from agnews.components.model_server.explain_texts import explain_texts
from agnews.components.model_server.json_answer import json_answer
from agnews.components.model_server.path_parameters import Name, Version, version_number
from agnews.components.model_server.predict_endpoint import PredictEndpoint
from agnews.components.model_server.read_body import read_body
from agnews.components.model_server.serving_state import ServingState


def predict_routes(state: ServingState, endpoint: PredictEndpoint) -> APIRouter:
    """Makes the routes that ask the model.

    Args:
        state: The server.
        endpoint: Answers predictions.

    Returns:
        The routes: TensorFlow Serving's `:predict`, with and without `/versions/N`, and our own `:explain`.

    References:
        https://www.tensorflow.org/tfx/serving/api_rest
    """
    router = APIRouter(prefix="/v1/models")

    @router.post("/{name}:predict", summary="Classify texts", **PREDICT)
    async def predict(request: Request, name: Name) -> Response:
        """Asks the version in production."""
        return await endpoint.answer(request.scope, request.receive, name)

    @router.post("/{name}/versions/{version}:predict", summary="Classify texts with one version", **PREDICT)
    async def predict_version(request: Request, name: Name, version: Version) -> Response:
        """Asks a version by its number; only the one in production is there, and for a moment the one before it."""
        return await endpoint.answer(request.scope, request.receive, name, version_number(version))

    @router.post("/{name}:explain", summary="Classify texts, and say which words mattered", **EXPLAIN)
    async def explain(request: Request, name: Name) -> Response:
        """Computes how much each word speaks for the predicted class, or against it."""
        body = await read_body(request.scope, request.receive, state.limits)
        with state.host.borrow(name) as model:
            return json_answer(await explain_texts(body, model, state))

    return router
