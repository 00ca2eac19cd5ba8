"""Puts the server together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from agnews.components.model_server.access_token import AccessToken
from agnews.components.model_server.api_description import DESCRIPTION, describe_token
from agnews.components.model_server.gate import Gate
from agnews.components.model_server.http_error import HttpError
from agnews.components.model_server.json_answer import error_answer
from agnews.components.model_server.model_routes import model_routes
from agnews.components.model_server.operation_routes import operation_routes
from agnews.components.model_server.page_routes import page_routes
from agnews.components.model_server.predict_endpoint import PredictEndpoint
from agnews.components.model_server.predict_routes import predict_routes
from agnews.components.model_server.serving_state import ServingState


def create_app(
    state: ServingState,
    *,
    token: AccessToken | None = None,
    open_metrics: bool = False,
    cors_origins: Sequence[str] = (),
    poll_seconds: float = 2.0,
) -> FastAPI:
    """Builds the application.

    Args:
        state: The parts that its routes share.
        token: What clients have to show; None lets everybody in.
        open_metrics: Whether the counters need no token.
        cors_origins: Other sites whose pages may call this server from a browser.
        poll_seconds: Between two looks at the pointer to the version in production.

    Returns:
        The application.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        state.batcher.start()
        watching = asyncio.create_task(state.host.watch(poll_seconds))
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await state.batcher.stop()

    app = FastAPI(
        title=f"{state.host.name}: topics of texts",
        version=state.host.version,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        exception_handlers={
            HttpError: _answer_problem,
            HTTPException: _answer_unknown,
            RequestValidationError: _answer_unknown,
            Exception: _answer_bug,
        },
    )
    endpoint = PredictEndpoint(state)
    for router in (predict_routes(state, endpoint), model_routes(state), operation_routes(state), page_routes(state)):
        app.include_router(router)
    if token is not None:
        describe_token(app, open_metrics=open_metrics)
    express = {f"/v1/models/{state.host.name}:predict": endpoint}
    app.add_middleware(Gate, metrics=state.metrics, token=token, open_metrics=open_metrics, express=express)
    # Around the gate: a browser asks whether it may ask, and shows no token then.
    if cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    return app


async def _answer_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HttpError)  # noqa: S101 - registered for it
    return error_answer(error.status, error.message, error.headers)


async def _answer_unknown(request: Request, error: Exception) -> Response:
    """Answers paths and methods that are not there; below `/v1/` with 400, as TensorFlow Serving does."""
    if request.url.path.startswith("/v1/") or not isinstance(error, HTTPException):
        return error_answer(400, f"Malformed request: {request.method} {request.url.path}")
    return error_answer(error.status_code, f"{error.detail}: {request.method} {request.url.path}", error.headers)


async def _answer_bug(request: Request, error: Exception) -> Response:
    return error_answer(500, "This is a fault of the server; its log says more.")
