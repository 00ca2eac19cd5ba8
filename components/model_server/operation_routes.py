"""The routes for those who run the server."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from agnews.components.model_server.api_description import HEALTH, METRICS, READY
from agnews.components.model_server.json_answer import json_answer
from agnews.components.model_server.serving_state import ServingState


def operation_routes(state: ServingState) -> APIRouter:
    """Makes the routes of health checks and counters.

    Args:
        state: The server.

    Returns:
        The routes `/healthz`, `/readyz` and `/metrics`.
    """
    router = APIRouter()

    @router.get("/healthz", summary="Whether the process lives", **HEALTH)
    async def health() -> Response:
        """Answers as long as the process can; restart it if it does not."""
        return json_answer(b'{"status":"alive"}')

    @router.get("/readyz", summary="Whether to send requests here", **READY)
    async def ready() -> Response:
        """Answers 503 from the moment the server is told to stop. Tells what is wrong with a new version, if any."""
        body = {
            "status": "stopping" if state.is_draining else "ready",
            **state.host.detail(),
            "waiting": state.batcher.waiting,
        }
        status = 503 if state.is_draining else 200
        return json_answer(orjson.dumps(body), status)

    @router.get("/metrics", summary="Counters for Prometheus", **METRICS)
    async def metrics() -> Response:
        """Latency, batches, queue, version and errors, in the text format."""
        state.metrics.queue.set(state.batcher.waiting)
        return Response(state.metrics.page(), media_type=CONTENT_TYPE_LATEST)

    return router
