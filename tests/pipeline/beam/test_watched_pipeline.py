"""An engine whose addresses go silent while a job runs."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from types import SimpleNamespace

import pytest

from agnews.pipeline.beam import watched_pipeline
from agnews.pipeline.beam.named_flink_job import NamedFlinkJob
from agnews.pipeline.beam.watched_pipeline import GONE_SECONDS, _EngineGuard, _Job
from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import BeamConfig


class Door:
    """A port of this machine that listens, or does not."""

    def __init__(self) -> None:
        self._listener: socket.socket | None = None
        with closing(socket.create_server(("localhost", 0))) as listener:
            self.port: int = listener.getsockname()[1]

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    def open(self) -> None:
        self._listener = socket.create_server(("localhost", self.port))

    def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None


@pytest.fixture
def doors() -> Iterator[tuple[Door, Door]]:
    both = Door(), Door()
    yield both
    for door in both:
        door.close()


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clock."""
    return lambda seconds: monkeypatch.setattr(watched_pipeline, "time", SimpleNamespace(monotonic=lambda: seconds))


def test_an_engine_is_gone_after_a_minute_whichever_address_is_silent_besides(
    doors: tuple[Door, Door], at: Callable[[float], None]
) -> None:
    jobs, master = doors
    guard = _EngineGuard(BeamConfig(runner="flink", job_endpoint=jobs.address, flink_master=master.address))
    at(0.0)
    guard.look()
    jobs.open()
    at(GONE_SECONDS / 2)
    guard.look()
    at(GONE_SECONDS + 1)
    with pytest.raises(AgnewsError, match="JobManager has gone") as raised:
        guard.look()
    assert master.address in str(raised.value.found)


def test_an_address_that_has_answered_in_between_begins_anew(
    doors: tuple[Door, Door], at: Callable[[float], None]
) -> None:
    jobs, master = doors
    guard = _EngineGuard(BeamConfig(runner="flink", job_endpoint=jobs.address, flink_master=master.address))
    master.open()
    at(0.0)
    guard.look()
    # The job server is back, and the master away.
    jobs.open()
    master.close()
    at(GONE_SECONDS - 1)
    guard.look()
    # And away again: for a moment, and not for two minutes.
    jobs.close()
    master.open()
    at(2 * GONE_SECONDS)
    guard.look()


class _Named(NamedFlinkJob):
    """Notes when it is cancelled."""

    def cancel(self) -> None:
        CANCELLED.append(self.name)


CANCELLED: list[str] = []


def test_a_job_whose_job_server_breaks_off_is_cancelled_by_its_name() -> None:
    """The job server cannot do it any more, and the job would keep its slots."""
    CANCELLED.clear()

    def start() -> object:
        raise RuntimeError("<_MultiThreadedRendezvous of RPC: StatusCode.UNAVAILABLE>")

    config = BeamConfig(runner="flink", flink_master="localhost:1", job_endpoint="localhost:1")
    job = _Job(config, "Transform", start, _Named("agnews-transform-1", "localhost:1"))
    with pytest.raises(AgnewsError, match="job server does not answer any more"):
        job.run()
    assert CANCELLED == ["agnews-transform-1"]
