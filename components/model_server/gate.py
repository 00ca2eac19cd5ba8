"""What every request passes on its way in and out."""

from __future__ import annotations

import time
from collections.abc import Mapping

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agnews.components.model_server.access_token import AccessToken
from agnews.components.model_server.metrics import Metrics

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
_GUARDED = ("/v1/", "/openapi.json")
_METRICS = "/metrics"


class Gate:
    """Checks the token, adds security headers, and counts; plain ASGI, because it is on the path of every request.

    What holds no data is open also where there is a token: the page, which asks its reader for the token, and the
    health checks, which orchestrators call.

    Args:
        app: The application behind it.
        metrics: Where requests are counted.
        token: What clients have to show; None lets everybody in.
        open_metrics: Whether the counters are for everybody, whatever the token.
        express: Applications that answer a `POST` to a path in place of `app`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        token: AccessToken | None,
        open_metrics: bool,
        express: Mapping[str, ASGIApp],
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._token = token
        self._guarded = _GUARDED if open_metrics else (*_GUARDED, _METRICS)
        self._express = express

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        endpoint = _endpoint(scope["path"])
        status = 500

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(each for each in _HEADERS if each[0] not in present)]
            await send(message)

        try:
            if self._token is not None and scope["path"].startswith(self._guarded) and not self._may_pass(scope):
                await _turn_away(send_on)
            else:
                express = self._express.get(scope["path"]) if scope["method"] == "POST" else None
                await (express or self._app)(scope, receive, send_on)
        finally:
            self._metrics.requests.labels(endpoint, status).inc()
            self._metrics.seconds.labels(endpoint).observe(time.perf_counter() - started)

    def _may_pass(self, scope: Scope) -> bool:
        assert self._token is not None  # noqa: S101 - asked above
        shown = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        return self._token.matches(shown.decode("latin-1"))


async def _turn_away(send: Send) -> None:
    body = orjson.dumps({"error": "Send the header `Authorization: Bearer TOKEN` with the token of this server."})
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", b"Bearer"),
    ]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _endpoint(path: str) -> str:
    """A label with few values, whatever paths clients make up."""
    if path.startswith("/v1/"):
        verb = path.rpartition(":")[2] if ":" in path else path.rpartition("/")[2]
        return verb if verb in ("predict", "explain", "metadata", "card") else "status"
    return path if path in ("/", _METRICS, "/healthz", "/readyz", "/openapi.json") else "other"
