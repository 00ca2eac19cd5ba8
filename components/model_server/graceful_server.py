"""Runs the application until it is told to stop, and cuts nobody off."""

from __future__ import annotations

import ipaddress
import logging
import resource
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn
from fastapi import FastAPI
from typing_extensions import override
from uvicorn.logging import AccessFormatter, DefaultFormatter

from agnews.components.model_server.collected_seldom import collected_seldom
from agnews.components.model_server.event_log import EventLogHandler
from agnews.components.model_server.limited_protocol import Connections, LimitedProtocol
from agnews.schemas.errors import AgnewsError

if TYPE_CHECKING:
    # It imports TensorFlow, which a command that looks at the port first need not wait for.
    from agnews.components.model_server.serving_state import ServingState

_BACKLOG = 2048
_MOST_FILES = 16384
_MOST_CONNECTIONS = 10_000
_KEPT_FILES = 128
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
        log: Receives uvicorn's lines.
    """

    def __init__(
        self,
        app: FastAPI,
        state: ServingState,
        *,
        drain_seconds: float = 0.0,
        access_log: bool = False,
        log: Callable[[str], None] | None = None,
    ) -> None:
        config = uvicorn.Config(
            app,
            loop="uvloop",
            # A function is called as a class would be.
            http=partial(LimitedProtocol, Connections(state.limits, state.metrics)),  # type: ignore[arg-type]
            lifespan="on",
            ws="none",
            log_level="info" if access_log else "warning",
            access_log=access_log,
            server_header=False,
            proxy_headers=False,
            backlog=backlog(),
            # Longer than load balancers keep theirs: none shall send a request into a connection that is being closed.
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(2 * state.limits.deadline_seconds) + 1,
        )
        if log is not None:
            _lead_logs_to(log)
        super().__init__(config)
        self._state = state
        self._drain_seconds = drain_seconds
        self._stop_at = float("inf")

    @override
    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serves; see the class."""
        with collected_seldom():
            await super().serve(sockets)

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


def _lead_logs_to(log: Callable[[str], None]) -> None:
    for name, formatter in {
        "uvicorn": DefaultFormatter("%(levelprefix)s %(message)s", use_colors=False),
        "uvicorn.access": AccessFormatter('%(client_addr)s - "%(request_line)s" %(status_code)s', use_colors=False),
    }.items():
        if logging.getLogger(name).handlers:
            handler = EventLogHandler(log)
            handler.setFormatter(formatter)
            logging.getLogger(name).handlers[:] = [handler]


def raise_file_limit() -> int:
    """Lets this process open as many files as it is allowed to.

    Returns:
        How many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, _MOST_FILES) if hard != resource.RLIM_INFINITY else _MOST_FILES
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft


def backlog() -> int:
    """Connections that the system accepts before this process looks; all at once they must not use up its files."""
    return min(_BACKLOG, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)


def most_connections() -> int:
    """Counts the connections for which there are file descriptors, with some kept free for the pointer and the lease.

    Returns:
        At least 1.
    """
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(1, min(_MOST_CONNECTIONS, files - backlog() - _KEPT_FILES))


def listening_socket(host: str, port: int) -> socket.socket:
    """Binds an address.

    Args:
        host: Name or address of this machine; `0.0.0.0` or `::` takes all its addresses.
        port: Port; 0 takes a free one.

    Returns:
        The socket, bound and not listening yet.

    Raises:
        AgnewsError: The address is taken, is not this machine's, or is not ours to take.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise AgnewsError(
            "This host cannot be found.",
            found=f"{host} ({error.strerror})",
            fix="Take an address of this machine, 127.0.0.1 for example.",
        ) from error
    found = socket.socket(family, kind, protocol)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind(address)
        # Two sockets may be bound to one address for as long as none of them listens.
        found.listen(1)
    except OSError as error:
        found.close()
        raise AgnewsError(
            f"Port {port} on {host} cannot be used.",
            found=error.strerror,
            fix="Choose another one with --port (0 takes a free one), or end what uses it: "
            f"`lsof -i :{port}` shows what. --host takes an address of this machine only.",
        ) from error
    found.setblocking(False)
    return found


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    Args:
        host: Name or address.

    Returns:
        True for addresses such as 127.0.0.1, ::1 and localhost.
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
