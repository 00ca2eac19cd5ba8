"""Runs the application until it is told to stop, and cuts nobody off."""

from __future__ import annotations

import signal
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from agnews.components.model_server.serving_state import ServingState

_BACKLOG = 2048
_KEEP_ALIVE_SECONDS = 75


class GracefulServer(uvicorn.Server):
    """Serves until SIGINT or SIGTERM, and then answers what was begun.

    On SIGTERM, which orchestrators send while they still send clients, `/readyz` says no at once and everything is
    answered for `drain_seconds` more. Then no connection is taken, and requests under way are answered. A second
    signal makes it hurry.

    Args:
        app: The application.
        state: Its parts.
        drain_seconds: Between SIGTERM and the end of taking connections.
        access_log: Whether each request is logged.
    """

    def __init__(
        self, app: FastAPI, state: ServingState, *, drain_seconds: float = 0.0, access_log: bool = False
    ) -> None:
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            lifespan="on",
            ws="none",
            log_level="info" if access_log else "warning",
            access_log=access_log,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            # Longer than load balancers keep theirs: none shall send a request into a connection that is being closed.
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(2 * state.limits.deadline_seconds) + 1,
        )
        super().__init__(config)
        self._state = state
        self._drain_seconds = drain_seconds
        self._stop_at = float("inf")

    @override
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to stop; called on a signal."""
        if self._state.is_draining:
            self.force_exit = self.should_exit
            self.should_exit = True
            return
        self._state.is_draining = True
        self._stop_at = time.monotonic() + (self._drain_seconds if sig == signal.SIGTERM else 0.0)

    @override
    async def on_tick(self, counter: int) -> bool:
        """Tells whether to stop taking connections; called ten times a second."""
        return await super().on_tick(counter) or time.monotonic() >= self._stop_at
