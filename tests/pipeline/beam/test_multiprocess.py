"""The data path in several processes gives what it gives in one, and ends with words whatever happens to them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import BeamConfig
from agnews.schemas.run_report import RunReport

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

TWO = BeamConfig(runner="multiprocess", parallelism=2)


def workers() -> list[psutil.Process]:
    """Processes of Beam's workers below this one."""
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if process.status() != psutil.STATUS_ZOMBIE
        and "apache_beam.runners.worker.sdk_worker_main" in process.cmdline()
    ]


@pytest.fixture(scope="module")
def local(run_data_path: Callable[..., RunReport], tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    return run_data_path(tmp_path_factory.mktemp("local"), BeamConfig())


def test_the_data_is_that_of_one_process(
    run_data_path: Callable[..., RunReport],
    local: RunReport,
    assert_same_data: Callable[[RunReport, RunReport], None],
    tmp_path: Path,
) -> None:
    run = run_data_path(tmp_path, TWO)

    assert_same_data(run, local)
    assert not workers()

    # What runs it is none of what the cache asks after.
    again = run_data_path(tmp_path, BeamConfig())
    assert {node.state for node in again.nodes.values()} <= {"cached", "skipped"}


def test_an_error_of_a_worker_keeps_its_three_parts(run_data_path: Callable[..., RunReport], tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("train.csv", "test.csv"):
        (tmp_path / "data" / name).write_text('"1","a","b"\n' * 50, encoding="utf-8")
    (tmp_path / "data" / "train.csv").write_bytes(b'"1","a","b"\n' * 50 + b'"9","' + b"\x00" * 3 + b'","x"\n' * 90)

    with pytest.raises(AgnewsError) as here:
        run_data_path(tmp_path / "local", BeamConfig(), f"data.source={tmp_path / 'data'}", to_node="NewsExampleGen")
    with pytest.raises(AgnewsError) as there:
        run_data_path(tmp_path / "two", TWO, f"data.source={tmp_path / 'data'}", to_node="NewsExampleGen")

    assert (there.value.problem, there.value.found, there.value.fix) == (
        here.value.problem,
        here.value.found,
        here.value.fix,
    )


def test_a_worker_that_is_killed_ends_the_run_with_words(
    run_data_path: Callable[..., RunReport], tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill() -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not killed:
            for process in workers():
                os.kill(process.pid, signal.SIGKILL)
                killed.append(process.pid)
                return
            time.sleep(0.1)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(AgnewsError, match="A worker process ended while it worked") as raised:
        run_data_path(tmp_path, TWO)
    killer.join()

    assert killed
    assert "137" in str(raised.value.found)
    assert not workers()
