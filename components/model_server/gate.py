"""What every request passes on its way in and out."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping

import orjson
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agnews.components.model_server.access_token import AccessToken
from agnews.components.model_server.allowed_origins import AllowedOrigins
from agnews.components.model_server.json_response import error_response
from agnews.components.model_server.metrics import Metrics
from agnews.components.model_server.request_id import RequestIds

# Everything that the page needs comes from this server, and nothing is written into it.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cache-control", b"no-store"),
]
_NAMES = frozenset(name for name, _ in _HEADERS)
_READ = frozenset((b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode", b"authorization", b"x-request-id"))
_MODEL_PATH = re.compile(
    r"/v1/models/([^/:]+)((?:/versions/[0-9]+)?(?:/metadata|/card|:[a-z]+)?)", re.IGNORECASE | re.ASCII
)
_METRICS = "/metrics"
_BUG = "This is a fault of the server; its log says more."
_LOG = logging.getLogger("uvicorn.error")
_LONGEST_SHOWN = 200
REQUEST_ID = "agnews.request_id"
"""Key of a request's scope, with the number that logs and answers know it by."""
SHOWED_TOKEN = "agnews.showed_token"  # noqa: S105 - its name
"""Key of a request's scope: whether it may be told what outsiders may not, which holds for all where no token is."""


class Gate:
    """Checks who asks, adds security headers, and counts; plain ASGI, because it is on the path of every request.

    Where there is a token, all is closed without it but what is named as open: the page, which asks its reader for the
    token, and the health checks, which orchestrators call.

    Args:
        app: The application behind it.
        metrics: Where requests are counted.
        token: What clients have to show; None lets everybody in.
        origins: From where browsers may ask, and by which names.
        open_paths: What needs no token.
        express: Applications that answer a `POST` to a path in place of `app`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        token: AccessToken | None,
        origins: AllowedOrigins,
        open_paths: frozenset[str],
        express: Mapping[str, ASGIApp],
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._token = token
        self._origins = origins
        self._open_paths = open_paths
        self._express = express
        self._ids = RequestIds()
        # To find a counter by its labels takes longer than to count.
        self._counters: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = {name: value for name, value in scope["headers"] if name in _READ}
        request_id = self._ids.accept(headers.get(b"x-request-id", b""))
        scope[REQUEST_ID] = request_id.decode()
        endpoint = _endpoint(scope["path"])
        status = 500
        is_answering = False

        async def send_on(message: Message) -> None:
            nonlocal status, is_answering
            if message["type"] == "http.response.start":
                is_answering = True
                status = message["status"]
                present = [name for name, _ in message["headers"]]
                added = (
                    _HEADERS if _NAMES.isdisjoint(present) else [each for each in _HEADERS if each[0] not in present]
                )
                message["headers"] = [*message["headers"], *added, (b"x-request-id", request_id)]
            await send(message)

        try:
            refusal = self._refusal(scope, headers)
            if refusal is not None:
                await _refuse(send_on, *refusal)
            else:
                express = self._express.get(scope["path"]) if scope["method"] == "POST" else None
                await (express or self._app)(scope, receive, send_on)
        except Exception:
            if is_answering:
                raise
            # Whoever stands around the gate would answer without its headers, and uvicorn close the connection, on
            # which the client may have sent its next request.
            _LOG.exception("request %s failed", scope[REQUEST_ID])
            await error_response(500, _BUG)(scope, receive, send_on)
        finally:
            self._count(endpoint, status, time.perf_counter() - started)

    def _count(self, endpoint: str, status: int, seconds: float) -> None:
        found = self._counters.get((endpoint, status))
        if found is None:
            found = self._metrics.requests.labels(endpoint, status), self._metrics.seconds.labels(endpoint)
            self._counters[endpoint, status] = found
        counter, histogram = found
        counter.inc()
        histogram.observe(seconds)

    def _refusal(self, scope: Scope, headers: Mapping[bytes, bytes]) -> tuple[int, str] | None:
        """Says with which code and words a request is sent away; None where it may pass."""
        problem = self._origins.problem(scope["method"], headers)
        if problem is not None:
            limit, status, message = problem
            self._metrics.refused.labels(limit).inc()
            return status, message
        scope[SHOWED_TOKEN] = self._token is None
        if self._token is not None:
            shown = headers.get(b"authorization")
            scope[SHOWED_TOKEN] = shown is not None and self._token.matches(shown.decode("latin-1"))
            if not scope[SHOWED_TOKEN] and scope["path"] not in self._open_paths:
                self._metrics.refused.labels("no token" if shown is None else "wrong token").inc()
                return 401, "Send the header `Authorization: Bearer TOKEN` with the token of this server."
        if scope["path"][:4].lower() != "/v1/":
            return None
        is_plain = scope["path"] in self._express and not scope["query_string"] and b"%" not in scope["raw_path"]
        return None if is_plain else _normalise(scope)


def _normalise(scope: Scope) -> tuple[int, str] | None:
    """Matches paths as TensorFlow Serving does: as they were sent, and in capitals too."""
    if scope["query_string"] or b"%" in scope["raw_path"]:
        shown = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        return 400, f"Malformed request: {scope['method']} {shown[:_LONGEST_SHOWN].decode('latin-1')}"
    if (found := _MODEL_PATH.fullmatch(scope["path"])) is not None:
        scope["path"] = f"/v1/models/{found[1]}{found[2].lower()}"
    return None


async def _refuse(send: Send, status: int, message: str) -> None:
    body = orjson.dumps({"error": message})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _endpoint(path: str) -> str:
    """A label with few values, whatever paths clients make up."""
    if path.startswith("/v1/"):
        verb = path.rpartition(":")[2] if ":" in path else path.rpartition("/")[2]
        return verb if verb in ("predict", "explain", "feedback", "queue", "metadata", "card") else "status"
    if path.startswith("/v2"):
        return "infer" if path.endswith("/infer") else "status"
    return path if path in ("/", _METRICS, "/healthz", "/readyz", "/openapi.json") else "other"
