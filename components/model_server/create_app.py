"""Puts the server together."""

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi import Path as PathParameter
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from agnews.components.model_server.access_token import AccessToken
from agnews.components.model_server.allowed_origins import AllowedOrigins
from agnews.components.model_server.api_description import (
    CARD,
    DESCRIPTION,
    EXPLAIN,
    HEALTH,
    METADATA,
    METRICS,
    PREDICT,
    READY,
    STATUS,
    api_page,
    describe_token,
)
from agnews.components.model_server.describe_corpus import describe_corpus
from agnews.components.model_server.explain_texts import explain_texts
from agnews.components.model_server.feedback_routes import feedback_routes
from agnews.components.model_server.gate import SHOWED_TOKEN, Gate
from agnews.components.model_server.json_response import HttpError, error_response, json_response
from agnews.components.model_server.model_host import model_metadata
from agnews.components.model_server.open_inference_routes import LIVE, open_inference_routes
from agnews.components.model_server.open_inference_routes import READY as INFERENCE_READY
from agnews.components.model_server.predict_endpoint import MODEL_VERSION, PredictEndpoint, read_body
from agnews.components.model_server.serving_state import HeldBytes, ServingState

if TYPE_CHECKING:
    from agnews.components.model_server.grpc_server import GrpcServer

Name = Annotated[str, PathParameter(pattern=r"^[^/:]+$", description="Name of the model.")]
Version = Annotated[str, PathParameter(pattern=r"^[0-9]+$", description="Number of a version.")]
_LARGEST = (1 << 63) - 1
_SHOWN = 200
_METRICS = "/metrics"
_OPEN_PATHS = {"/healthz", "/readyz", LIVE, INFERENCE_READY}


def version_number(version: str) -> str:
    """Reads the number of a version.

    Args:
        version: Digits, or nothing.

    Returns:
        The number without leading zeros, or nothing.

    Raises:
        HttpError: 400 in TensorFlow Serving's words where 64 bits do not hold it.
    """
    if not version:
        return ""
    digits = version.lstrip("0") or "0"
    if len(digits) > len(str(_LARGEST)) or int(digits) > _LARGEST:
        raise HttpError(400, f"Failed to convert version: {version[:_SHOWN]} to numeric.")
    return digits


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
        with HeldBytes(state) as held:
            body = await read_body(request.scope, request.receive, state.limits, held)
            with state.host.borrow(name) as model:
                headers = {MODEL_VERSION: model.record.version}
                return json_response(await explain_texts(body, model, state), headers=headers)

    return router


_NOTHING_KEPT = "Nothing of a request is kept."
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
        return json_response(orjson.dumps(state.host.status(name)))

    @router.get("/{name}/versions/{version}", summary="State of one version", **STATUS)
    async def version_status(name: Name, version: Version) -> Response:
        """Tells whether a version is loaded."""
        return json_response(orjson.dumps(state.host.status(name, version_number(version))))

    def metadata(name: str, version: str = "") -> Response:
        with state.host.borrow(name, version_number(version)) as model:
            return json_response(orjson.dumps(model_metadata(name, model.record.version, model.describe_signatures())))

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
        """Tells version, accuracy, classes, when it was pushed, what its texts are, and what is kept of requests."""
        with state.host.borrow(name) as model:
            kept = state.request_log.settings.describe() if state.request_log is not None else _NOTHING_KEPT
            known = model.record.model_dump(mode="json", include=_CARD) | describe_corpus(model.corpus)
            return json_response(orjson.dumps({**known, "kept": kept}))

    return router


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
        """Answers 200 as long as the process does its work; restart it if it does not."""
        if problems := state.problems():
            return json_response(orjson.dumps({"status": "broken", "problems": problems}), 503)
        return json_response(b'{"status":"alive"}')

    @router.get("/readyz", summary="Whether to send requests here", **READY)
    async def ready(request: Request) -> Response:
        """Answers 503 from the moment the server is told to stop. Tells what is wrong with a new version, if any."""
        body = {
            "status": "stopping" if state.is_draining else "ready",
            **state.host.detail(tells_why=request.scope.get(SHOWED_TOKEN, False)),
            "waiting": state.batcher.waiting,
        }
        status = 503 if state.is_draining else 200
        return json_response(orjson.dumps(body), status)

    @router.get(_METRICS, summary="Counters for Prometheus", **METRICS)
    async def metrics() -> Response:
        """Latency, batches, queue, version and errors, in the text format."""
        state.metrics.queue.set(state.batcher.waiting)
        return Response(state.metrics.page(), media_type=CONTENT_TYPE_LATEST)

    return router


def _answer_head(router: APIRouter) -> None:
    """Lets what answers GET answer HEAD, which leaves out the body (RFC 9110, 9.1)."""
    for route in list(router.routes):
        if isinstance(route, APIRoute) and route.methods == {"GET"}:
            path = route.path.removeprefix(router.prefix)
            router.add_api_route(path, route.endpoint, methods=["HEAD"], include_in_schema=False)


_FOLDER = Path(__file__).parent / "page"
_ADDRESSES = {"index.html": "/", "label.html": "/label"}
_DOCS_STYLE = Path(__file__).parent / "api_page.css"


def page_routes(state: ServingState) -> APIRouter:
    """Makes the routes of the page and of the description of the interface.

    The few files of the page are kept in memory: no path of a client ever meets the disk.

    Args:
        state: The server.

    Returns:
        The routes `/` and `/label`, one for each file of the page, and `/docs`.
    """
    router = APIRouter(include_in_schema=False)
    for name, content in {path.name: path.read_bytes() for path in sorted(_FOLDER.iterdir())}.items():
        address = _ADDRESSES.get(name, f"/{name}")
        router.add_api_route(address, _sender(name, content), methods=["GET", "HEAD"])

    @router.get("/docs")
    async def docs(request: Request) -> Response:
        values = {"name": state.host.name, "version": state.host.version}
        address = str(request.base_url).rstrip("/")
        return Response(api_page(request.app.openapi(), address, values), media_type="text/html")

    router.add_api_route("/docs.css", _sender("docs.css", _DOCS_STYLE.read_bytes()), methods=["GET"])
    return router


def _sender(name: str, content: bytes) -> Callable[[], Coroutine[Any, Any, Response]]:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"

    async def send() -> Response:
        return Response(content, media_type=kind)

    return send


@asynccontextmanager
async def _at_work(state: ServingState, poll_seconds: float, grpc: GrpcServer | None) -> AsyncIterator[None]:
    """Keeps all that works behind the routes going, and ends it in an order in which nothing is lost."""
    state.batcher.start()
    for helper in (state.request_log, state.shadow):
        if helper is not None:
            helper.start()
    tasks = [asyncio.create_task(state.host.watch(poll_seconds), name="follow the pointer")]
    if state.drift_watch is not None:
        tasks.append(asyncio.create_task(state.drift_watch.watch(), name="watch for drift"))
    for task in tasks:
        state.watch_task(task)
    if grpc is not None:
        await grpc.start()
    try:
        yield
    finally:
        if grpc is not None:
            await grpc.stop()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await state.batcher.stop()
        for helper in (state.shadow, state.request_log):
            if helper is not None:
                await asyncio.to_thread(helper.close)


def create_app(
    state: ServingState,
    *,
    token: AccessToken | None = None,
    open_metrics: bool = False,
    cors_origins: Sequence[str] = (),
    hosts: Collection[str] | None = None,
    poll_seconds: float = 2.0,
    grpc_address: tuple[str, int] | None = None,
    log: Callable[[str], None] = lambda line: None,
) -> FastAPI:
    """Builds the application.

    Args:
        state: The parts that its routes share.
        token: What clients have to show; None lets everybody in.
        open_metrics: Whether the counters need no token.
        cors_origins: Other sites whose pages may call this server from a browser.
        hosts: Names that this server may be asked by; None takes all.
        poll_seconds: Between two looks at the pointer to the version in production.
        grpc_address: Host and port to answer at over gRPC; None for nowhere.
        log: Receives a line when a call over gRPC failed for a reason of ours.

    Returns:
        The application.
    """
    endpoint = PredictEndpoint(state)
    grpc = None if grpc_address is None else _grpc_server(state, endpoint, grpc_address, token, log)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _at_work(state, poll_seconds, grpc):
            yield

    app = FastAPI(
        title=f"{state.host.name}: classes of texts",
        version=state.host.version,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            HttpError: _answer_problem,
            HTTPException: _answer_unknown,
            RequestValidationError: _answer_unknown,
        },
    )
    pages = page_routes(state)
    labels = feedback_routes(state, has_token=token is not None)
    inference = open_inference_routes(state, endpoint)
    models, operations = model_routes(state), operation_routes(state)
    # Not below /v1: TensorFlow Serving answers HEAD with 400 there.
    for router in (inference, operations, pages):
        _answer_head(router)
    for router in (predict_routes(state, endpoint), labels, models, inference, operations, pages):
        app.include_router(router)
    if token is not None:
        describe_token(app, _OPEN_PATHS | ({_METRICS} if open_metrics else set()))
    express = {f"/v1/models/{state.host.name}:predict": endpoint}
    # What holds no data, by name; a route that is added is closed.
    open_paths = _OPEN_PATHS | ({_METRICS} if open_metrics else set())
    open_paths |= {route.path for route in pages.routes if isinstance(route, Route)}
    app.add_middleware(
        Gate,
        metrics=state.metrics,
        token=token,
        origins=AllowedOrigins(hosts, cors_origins),
        open_paths=frozenset(open_paths),
        express=express,
    )
    # Around the gate: a browser asks whether it may ask, and shows no token then.
    if cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-Request-Id"],
            expose_headers=["X-Request-Id", MODEL_VERSION],
        )
    return app


def _grpc_server(
    state: ServingState,
    endpoint: PredictEndpoint,
    address: tuple[str, int],
    token: AccessToken | None,
    log: Callable[[str], None],
) -> GrpcServer:
    # It brings gRPC, and needs packages of an extra.
    from agnews.components.model_server.grpc_server import GrpcServer

    return GrpcServer(state, endpoint, address=address, token=token, log=log)


async def _answer_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HttpError)  # noqa: S101 - registered for it
    return error_response(error.status, error.message, error.headers)


async def _answer_unknown(request: Request, error: Exception) -> Response:
    """Answers paths and methods that are not there; below `/v1/` with 400, as TensorFlow Serving does."""
    shown = f"{request.method} {request.url.path[:_SHOWN]}"
    if request.url.path[:4].lower() == "/v1/" or not isinstance(error, HTTPException):
        return error_response(400, f"Malformed request: {shown}")
    return error_response(error.status_code, f"{error.detail}: {shown}", error.headers)
