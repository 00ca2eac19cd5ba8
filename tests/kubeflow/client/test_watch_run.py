"""Following a run over a restart of the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.server_error import ServerError
from agnews.kubeflow.client.submit_pipeline import submit_pipeline
from agnews.kubeflow.client.watch_run import watch_run


@pytest.fixture
def run_id(connect: Callable[..., KfpApi], pipeline_text: str) -> str:
    parameters = {"data_uri": "s3://news"}
    return submit_pipeline(connect(), pipeline_text, commit="c0ffee", parameters=parameters).run.run_id


def test_a_restart_of_the_server_does_not_end_the_watch(
    server: Any, connect: Callable[..., KfpApi], fault: Any, run_id: str
) -> None:
    server.runs[run_id]["state"] = "SUCCEEDED"
    server.faults = [fault("status", path=f"/runs/{run_id}", times=10)]
    waits: list[float] = []
    assert watch_run(connect(), run_id, lambda run: None, sleep=waits.append, clock=lambda: 5.0 * len(waits)).finished
    assert waits == [5.0, 5.0]  # four attempts each, then the answer


def test_patience_ends(server: Any, connect: Callable[..., KfpApi], fault: Any, run_id: str) -> None:
    server.faults = [fault("drop before", path=f"/runs/{run_id}")]
    waits: list[float] = []
    with pytest.raises(ServerError, match="did not answer"):
        watch_run(connect(), run_id, lambda run: None, patience=20, sleep=waits.append, clock=lambda: 5.0 * len(waits))
    assert len(waits) == 5


def test_a_run_that_is_gone_is_not_waited_for(connect: Callable[..., KfpApi]) -> None:
    with pytest.raises(ServerError, match="nothing of that name"):
        watch_run(connect(), "gone", lambda run: None, sleep=lambda _: pytest.fail("it waited"))
