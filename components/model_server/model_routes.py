"""The routes that tell about the model."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Response

from agnews.components.model_server.api_description import CARD, METADATA, STATUS
from agnews.components.model_server.json_answer import json_answer
from agnews.components.model_server.model_status import model_metadata
from agnews.components.model_server.path_parameters import Name, Version, version_number
from agnews.components.model_server.serving_state import ServingState

_CARD = {"name", "version", "accuracy", "classes", "pushed_at"}


def model_routes(state: ServingState) -> APIRouter:
    """Makes the routes that tell about the model.

    Args:
        state: The server.

    Returns:
        The routes: TensorFlow Serving's status and metadata, with and without `/versions/N`, and our own `/card`.

    References:
        https://www.tensorflow.org/tfx/serving/api_rest
    """
    router = APIRouter(prefix="/v1/models")

    @router.get("/{name}", summary="State of the versions", **STATUS)
    async def status(name: Name) -> Response:
        """Tells which versions are loaded, and why one could not be."""
        return json_answer(orjson.dumps(state.host.status(name)))

    @router.get("/{name}/versions/{version}", summary="State of one version", **STATUS)
    async def version_status(name: Name, version: Version) -> Response:
        """Tells whether a version is loaded."""
        return json_answer(orjson.dumps(state.host.status(name, version_number(version))))

    def metadata(name: str, version: str = "") -> Response:
        with state.host.borrow(name, version_number(version)) as model:
            return json_answer(orjson.dumps(model_metadata(name, model.record.version, model.signature_defs)))

    @router.get("/{name}/metadata", summary="Signatures of the model", **METADATA)
    async def latest_metadata(name: Name) -> Response:
        """Tells the names, types and shapes of what the model takes and gives."""
        return metadata(name)

    @router.get("/{name}/versions/{version}/metadata", summary="Signatures of one version", **METADATA)
    async def version_metadata(name: Name, version: Version) -> Response:
        """Tells the names, types and shapes of what a version takes and gives."""
        return metadata(name, version)

    @router.get("/{name}/card", summary="What is known about the model", **CARD)
    async def card(name: Name) -> Response:
        """Tells version, accuracy, classes, and when it was pushed."""
        with state.host.borrow(name) as model:
            return json_answer(orjson.dumps(model.record.model_dump(mode="json", include=_CARD)))

    return router
