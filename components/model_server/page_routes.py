"""The routes that people open in a browser."""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response

from agnews.components.model_server.api_page import api_page
from agnews.components.model_server.serving_state import ServingState

_FOLDER = Path(__file__).parent / "page"
_START = "index.html"
_DOCS_STYLE = Path(__file__).parent / "api_page.css"


def page_routes(state: ServingState) -> APIRouter:
    """Makes the routes of the page and of the description of the interface.

    The few files of the page are kept in memory: no path of a client ever meets the disk.

    Args:
        state: The server.

    Returns:
        The routes `/`, one for each file of the page, and `/docs`.
    """
    router = APIRouter(include_in_schema=False)
    for name, content in {path.name: path.read_bytes() for path in sorted(_FOLDER.iterdir())}.items():
        router.add_api_route("/" if name == _START else f"/{name}", _sender(name, content), methods=["GET", "HEAD"])

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
