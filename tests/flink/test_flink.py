"""The data path on a session cluster of Flink gives what it gives in one process, whatever happens to the cluster.

`make test-flink` runs it; it takes Java, Maven and a quarter of an hour on two slow cores.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from typer.testing import CliRunner

from agnews.pipeline.beam.check_engine import examine_engine
from agnews.pipeline.cli.main import app
from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import BeamConfig
from agnews.schemas.run_report import RunReport

pytestmark = [
    pytest.mark.long,
    pytest.mark.flink,
    pytest.mark.timeout(1800),
    # What is done to a cluster beside a test is a part of the test.
    pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning"),
]

Run = Callable[..., RunReport]
Same = Callable[[RunReport, RunReport], None]


def on(cluster: Any, **changes: Any) -> BeamConfig:
    """Jobs on the cluster."""
    said = {
        "runner": "flink",
        "flink_master": cluster.master,
        "job_endpoint": cluster.job_endpoint,
        "environment": cluster.environment,
        "parallelism": 2,
    }
    return BeamConfig(**{**said, **changes})


def jobs(cluster: Any) -> dict[str, str]:
    """States of the cluster's jobs by id."""
    with urllib.request.urlopen(f"http://{cluster.master}/jobs", timeout=5) as answer:
        return {job["id"]: job["status"] for job in yaml.safe_load(answer.read())["jobs"]}


def is_running(cluster: Any) -> bool:
    with suppress(OSError):
        return "RUNNING" in jobs(cluster).values()
    return False


def require_free_slots(cluster: Any) -> None:
    deadline = time.monotonic() + 60
    while (left := set(jobs(cluster).values()) - {"FINISHED", "CANCELED", "FAILED"}) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not left


def workers(cluster: Any) -> list[psutil.Process]:
    with suppress(psutil.Error):
        children = psutil.Process(cluster.pool.pid).children()
        return [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    return []


def is_at_work(cluster: Any) -> bool:
    """Whether a worker has found the engine, which sees its end from then on."""
    logs = sorted((cluster.folder / "workers").glob("*.log"))
    return bool(logs) and b"Data channel established" in logs[-1].read_bytes()


def meanwhile(what: Callable[[], bool]) -> threading.Thread:
    """Tries something until it was done, beside the test; what a busy cluster does not answer is asked again."""

    def act() -> None:
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            with suppress(OSError, psutil.Error):
                if what():
                    return
            time.sleep(0.05)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


@pytest.fixture(scope="module")
def local(run_data_path: Run, tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    return run_data_path(tmp_path_factory.mktemp("local"), BeamConfig())


def test_the_data_of_the_sample_is_that_of_one_process(
    cluster: Any, run_data_path: Run, local: RunReport, assert_same_data: Same, tmp_path: Path
) -> None:
    assert not [finding for finding in examine_engine(on(cluster), [str(tmp_path)]) if finding.is_fatal]
    run = run_data_path(tmp_path / "root", on(cluster))
    assert_same_data(run, local)
    assert set(jobs(cluster).values()) == {"FINISHED"}


def test_the_data_of_real_rows_is_that_of_one_process(
    cluster: Any, run_data_path: Run, assert_same_data: Same, real_data: Path, tmp_path: Path
) -> None:
    data = f"data.source={real_data}"
    local = run_data_path(tmp_path / "local", BeamConfig(), data)
    assert_same_data(run_data_path(tmp_path / "root", on(cluster), data), local)


@pytest.mark.parametrize(
    ("victim", "job"),
    [("young worker", 1), ("worker", 1), ("TaskManager", 1), ("worker", 2), ("worker", 3), ("TaskManager", 3)],
    ids=lambda part: ("", "NewsExampleGen", "StatisticsGen", "Transform")[part] if isinstance(part, int) else part,
)
def test_what_is_killed_is_started_again_without_holes_and_duplicates(
    cluster: Any, run_data_path: Run, local: RunReport, assert_same_data: Same, tmp_path: Path, victim: str, job: int
) -> None:
    killed: list[int] = []

    def kill() -> bool:
        if len(jobs(cluster)) < job or not is_running(cluster) or not workers(cluster):
            return False
        if victim == "worker" and not is_at_work(cluster):
            return False
        # A worker may have ended by now.
        pids = [manager.process.pid for manager in cluster.task_managers[:1]]
        if victim != "TaskManager":
            pids = [worker.pid for worker in workers(cluster)[-1:]]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
        if victim == "TaskManager":
            # As a Deployment does it.
            cluster.start_task_manager(0)
        return bool(killed)

    thread = meanwhile(kill)
    run = run_data_path(tmp_path / "root", on(cluster))
    thread.join()

    assert killed
    assert_same_data(run, local)


@pytest.mark.parametrize("is_killed", [False, True], ids=["undisturbed", "a worker killed"])
def test_batch_gives_the_parts_of_one_process(
    cluster: Any, push: Any, toy_classifier: Path, toy_texts: list[bytes], tmp_path: Path, is_killed: bool
) -> None:
    push(tmp_path / "models", toy_classifier)
    # Of one line each: texts of news may have several.
    lines = [b" ".join(text.split()) + b" %d\n" % copy for copy in range(20) for text in toy_texts if text.split()]
    (tmp_path / "news.txt").write_bytes(b"".join(lines))
    given = ("--input", tmp_path / "news.txt", "--models", tmp_path / "models", "--shard-rows", 100)
    section = on(cluster).model_dump(include={"runner", "flink_master", "job_endpoint", "environment", "parallelism"})
    engine = [word for key, value in section.items() for word in ("--beam", f"{key}={value}")]
    killed: list[int] = []

    def kill() -> bool:
        # Some parts are there, others are not.
        if len(list((tmp_path / "flink-out" / "predictions").glob("part-*"))) < 3:
            return False
        for worker in workers(cluster)[-1:]:
            os.kill(worker.pid, signal.SIGKILL)
            killed.append(worker.pid)
        return bool(killed)

    thread = meanwhile(kill) if is_killed else None
    parts = {}
    for name, options in {"flink-out": engine, "local-out": []}.items():
        done = CliRunner().invoke(app, ["batch", *map(str, given), "--output", str(tmp_path / name), *options])
        assert done.exit_code == 0, (done.output, done.exception)
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        assert manifest["answered"] == len(lines)
        parts[name] = manifest["parts"]
    if thread is not None:
        thread.join()
        assert killed
    assert parts["flink-out"] == parts["local-out"]
    for part in parts["flink-out"]:
        content = (tmp_path / "flink-out" / "predictions" / part["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == part["sha256"]


@pytest.mark.parametrize("victim", ["job_manager", "job_server", "pool"])
def test_what_goes_is_said_with_its_address_and_nothing_half_is_taken_for_whole(
    cluster: Any,
    run_data_path: Run,
    local: RunReport,
    assert_same_data: Same,
    tmp_path: Path,
    victim: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agnews.pipeline.beam.watched_pipeline.GONE_SECONDS", 10.0)

    def kill() -> bool:
        if not is_running(cluster):
            return False
        os.kill(getattr(cluster, victim).pid, signal.SIGKILL)
        return True

    thread = meanwhile(kill)
    with pytest.raises(AgnewsError) as raised:
        run_data_path(tmp_path / "root", on(cluster))
    thread.join()
    address = {
        "job_manager": cluster.master,
        "job_server": cluster.job_endpoint,
        "pool": cluster.environment.removeprefix("external:"),
    }[victim]
    assert address in str(raised.value)
    assert raised.value.fix
    if victim != "job_manager":
        require_free_slots(cluster)

    # The same command goes on in this process, with what was whole.
    assert_same_data(run_data_path(tmp_path / "root", BeamConfig()), local)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 32 MiB; mounting one takes rights that not every machine gives."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(disk)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no small disk: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_of_the_cluster_is_said_and_nothing_half_is_taken_for_whole(
    jars: Path,
    small_disk: Path,
    run_data_path: Run,
    local: RunReport,
    assert_same_data: Same,
    tmp_path: Path,
    flink_cluster: Any,
) -> None:
    settings = {"blob.storage.directory": str(small_disk)}
    with flink_cluster.Cluster(tmp_path / "flink", jars, settings=settings) as cluster:
        with pytest.raises(AgnewsError, match="disk") as raised:
            run_data_path(tmp_path / "root", on(cluster))
        assert cluster.job_endpoint in str(raised.value)
    assert_same_data(run_data_path(tmp_path / "root", BeamConfig()), local)


def test_a_job_that_takes_too_long_is_cancelled_and_its_slots_are_free(
    cluster: Any, run_data_path: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Minutes are the unit of the configuration; a test has none.
    monkeypatch.setattr("agnews.pipeline.beam.watched_pipeline.MINUTE", 1.0)
    with pytest.raises(AgnewsError, match="took longer"):
        run_data_path(tmp_path / "root", on(cluster, timeout_minutes=8))
    require_free_slots(cluster)


def test_an_error_of_a_worker_keeps_its_three_parts(cluster: Any, run_data_path: Run, tmp_path: Path) -> None:
    import apache_beam as beam

    from agnews.pipeline.beam.watched_pipeline import WatchedPipeline

    def fail(number: int) -> int:
        raise AgnewsError(f"Row {number} is bad.", found="this", fix="Mend it.")

    def run() -> None:
        with WatchedPipeline(on(cluster), "test") as pipeline:
            _ = pipeline | beam.Create([7]) | beam.Map(fail)

    with pytest.raises(AgnewsError) as raised:
        run()
    assert (raised.value.problem, raised.value.found, raised.value.fix) == ("Row 7 is bad.", "this", "Mend it.")
