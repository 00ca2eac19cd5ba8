"""What the routes of one server share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from agnews.components.model_server.batcher import Batcher
from agnews.components.model_server.canary import Canary
from agnews.components.model_server.json_response import HttpError, Limits
from agnews.components.model_server.metrics import Metrics
from agnews.components.model_server.model_host import ModelHost
from agnews.components.model_server.shadow import Shadow

if TYPE_CHECKING:
    # It brings Arrow, which a server that keeps nothing does not need.
    from agnews.components.model_server.drift_watch import DriftWatch
    from agnews.components.request_log.request_log import RequestLog


@dataclass
class ServingState:
    """The parts of a server.

    Attributes:
        host: The version that answers.
        batcher: The way to the model.
        metrics: The counters.
        limits: What is refused.
        is_draining: Whether the server is about to stop: it still answers, and asks for no new clients.
        bytes_in_flight: Of the bodies of all requests that are not answered yet.
        request_log: Takes what was answered; None where nothing is kept.
        shadow: Answers what was answered once more, with another version; None where none is tried.
        canary: Which requests go to another version; None where all go to the one in production.
        drift_watch: Judges what was logged; None where nothing is.
        grpc_port: Where the same is answered over gRPC, once that has begun; 0 for nowhere.
        ended_tasks: Background tasks that ended though they should not, and why.
    """

    host: ModelHost
    batcher: Batcher
    metrics: Metrics
    limits: Limits
    is_draining: bool = False
    bytes_in_flight: int = 0
    request_log: RequestLog | None = None
    shadow: Shadow | None = None
    canary: Canary | None = None
    drift_watch: DriftWatch | None = None
    grpc_port: int = 0
    ended_tasks: dict[str, str] = field(default_factory=dict)

    @property
    def is_watching(self) -> bool:
        """Whether anybody looks at what is answered."""
        return self.request_log is not None or self.shadow is not None or self.canary is not None

    def watch_task(self, task: asyncio.Task[None]) -> None:
        """Notes when a background task ends by itself; the server is not healthy from then on.

        Args:
            task: With a name.
        """
        task.add_done_callback(self._note_end)

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self.ended_tasks[task.get_name()] = repr(task.exception())

    def problems(self) -> list[str]:
        """Says in words without paths why the process should be started anew; empty where all is well."""
        found = [f"the task {name!r} ended" for name in self.ended_tasks]
        if not self.batcher.is_working:
            found.append("no thread comes back from the model")
        return found


class HeldBytes:
    """The bytes that one request holds until it is answered; used with `with`.

    Args:
        state: The server, which counts those of all requests.
    """

    __slots__ = ("_count", "_state")

    def __init__(self, state: ServingState) -> None:
        self._state = state
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._state.bytes_in_flight -= self._count

    def add(self, count: int) -> None:
        """Takes bytes into the common budget.

        Args:
            count: Bytes.

        Raises:
            HttpError: 503 where the budget is used up.
        """
        state = self._state
        if state.bytes_in_flight + count > state.limits.inflight_bytes:
            state.metrics.refused.labels("bytes").inc()
            raise HttpError(
                503,
                f"Requests of {state.bytes_in_flight:,} bytes are under way; this server takes up to "
                f"{state.limits.inflight_bytes:,}.",
                {"Retry-After": "1", "Connection": "close"},
            )
        state.bytes_in_flight += count
        self._count += count
