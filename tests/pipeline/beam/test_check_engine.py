"""An engine is looked at within seconds, and what is wrong is said with its address; never a hang."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agnews.pipeline.beam import check_engine, worker_pool
from agnews.pipeline.beam.check_engine import Finding, examine_engine, require_engine
from agnews.pipeline.cli.main import app
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.execution_config import BeamConfig

GOOD = {"taskmanagers": 2, "slots-total": 4, "slots-available": 4, "flink-version": "1.19.0"}
SETTINGS = {"taskmanager.network.sort-shuffle.min-buffers": "16", "restart-strategy.type": "fixed-delay"}


@pytest.fixture
def flink() -> Iterator[Callable[..., str]]:
    """Starts what answers like Flink's REST interface; returns its address."""
    servers: list[HTTPServer] = []

    def start(overview: dict[str, Any], settings: dict[str, str]) -> str:
        answers = {
            "/overview": overview,
            "/jobmanager/config": [{"key": key, "value": value} for key, value in settings.items()],
            "/taskmanagers": {"taskmanagers": [{"memoryConfiguration": {"networkMemory": 64 << 20}}]},
        }

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(answers[self.path]).encode())

            def log_message(self, *args: object) -> None:
                pass

        server = HTTPServer(("localhost", 0), Answer)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"localhost:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[str]:
    """A worker pool in this process; its address."""
    told: list[str] = []
    stop = threading.Event()
    thread = threading.Thread(
        target=worker_pool.serve_workers, args=("localhost:0", tmp_path / "logs", told.append, stop), daemon=True
    )
    thread.start()
    while not told:
        time.sleep(0.01)
    yield told[0].removeprefix("listening at ").partition(",")[0]
    stop.set()
    thread.join(10)


@pytest.fixture
def deaf() -> Iterator[str]:
    """An address where somebody listens and says nothing."""
    with closing(socket.socket()) as listener:
        listener.bind(("localhost", 0))
        listener.listen(8)
        yield f"localhost:{listener.getsockname()[1]}"


def nobody() -> str:
    """An address where nobody listens."""
    with closing(socket.socket()) as listener:
        listener.bind(("localhost", 0))
        return f"localhost:{listener.getsockname()[1]}"


def fatal(config: BeamConfig, *shared: str) -> list[Finding]:
    return [finding for finding in examine_engine(config, shared) if finding.is_fatal]


def test_a_whole_engine_has_nothing_to_mend(flink: Callable[..., str], pool: str, tmp_path: Path) -> None:
    config = BeamConfig(
        runner="flink", flink_master=flink(GOOD, SETTINGS), environment=f"external:{pool}", parallelism=4
    )
    found = examine_engine(config, [str(tmp_path)])
    assert [finding.fix for finding in found] == [""] * 3
    assert "written and read from both sides" in found[-1].found
    assert not list(tmp_path.glob(".agnews*"))


@pytest.mark.parametrize("key", ["job_endpoint", "flink_master"])
@pytest.mark.parametrize("is_deaf", [True, False])
def test_what_does_not_answer_is_named_within_seconds(
    key: str, is_deaf: bool, deaf: str, pool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_engine, "SECONDS", 0.4)
    address = deaf if is_deaf else nobody()
    config = BeamConfig(runner="flink", environment=f"external:{pool}", **{key: address})
    start = time.monotonic()

    with pytest.raises(AgnewsError) as raised:
        require_engine(config)

    assert time.monotonic() - start < 5.0
    assert address in str(raised.value)
    assert f"beam.{key}" in raised.value.fix
    assert raised.value.exit_code == ExitCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("overview", "settings", "parallelism", "said"),
    [
        ({**GOOD, "slots-available": 1}, SETTINGS, 2, "1 of 4 slots free, 2 wanted"),
        ({**GOOD, "taskmanagers": 0, "slots-total": 0, "slots-available": 0}, SETTINGS, 1, "0 TaskManagers"),
        (GOOD, {"restart-strategy.type": "fixed-delay"}, 2, "512 for each result partition"),
    ],
)
def test_what_a_cluster_lacks_is_said(
    flink: Callable[..., str],
    pool: str,
    overview: dict[str, Any],
    settings: dict[str, str],
    parallelism: int,
    said: str,
) -> None:
    config = BeamConfig(
        runner="flink",
        flink_master=flink(overview, settings),
        environment=f"external:{pool}",
        parallelism=parallelism,
    )
    (finding,) = fatal(config)
    assert said in finding.found
    assert finding.fix


def test_a_cluster_that_does_not_restart_jobs_is_told_of_and_taken(flink: Callable[..., str], pool: str) -> None:
    master = flink(GOOD, {"taskmanager.network.sort-shuffle.min-buffers": "16"})
    config = BeamConfig(runner="flink", flink_master=master, environment=f"external:{pool}")
    assert not fatal(config)
    assert any("restart-strategy" in finding.fix for finding in examine_engine(config))


def test_a_pool_with_other_packages_is_refused(pool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = check_engine.describe_installation()
    monkeypatch.setattr(check_engine, "_here", lambda: {**here, "tfx": "1.0.0", "code": "0" * 16})
    (finding,) = fatal(BeamConfig(runner="portable", job_endpoint=nobody(), environment=f"external:{pool}"))[1:]
    assert "tfx 1.0.0 here" in finding.found
    assert "code 0000" in finding.found


def test_a_folder_that_only_one_side_has_is_refused(pool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_pool, "check_folder", lambda folder, witness: {"missing": f"{folder} is another folder"})
    config = BeamConfig(runner="portable", job_endpoint=nobody(), environment=f"external:{pool}")
    assert "is another folder" in fatal(config, str(tmp_path))[-1].found


def test_beams_own_pool_is_refused_where_it_would_mix_up_workers(flink: Callable[..., str]) -> None:
    from apache_beam.runners.worker.worker_pool_main import BeamFnExternalWorkerPoolServicer

    address, server = BeamFnExternalWorkerPoolServicer.start()
    try:
        two = BeamConfig(runner="flink", flink_master=flink(GOOD, SETTINGS), environment=f"external:{address}")
        assert "Beam's own" in fatal(two)[0].found
        one = BeamConfig(
            runner="flink", flink_master=flink({**GOOD, "taskmanagers": 1}, SETTINGS), environment=f"external:{address}"
        )
        assert not fatal(one)
    finally:
        server.stop(0)


def test_loopback_is_for_one_machine(flink: Callable[..., str]) -> None:
    config = BeamConfig(runner="flink", flink_master=flink(GOOD, SETTINGS), environment="loopback")
    assert "2 TaskManagers" in fatal(config)[0].found


def test_a_runner_of_this_machine_has_nothing_to_look_at() -> None:
    """One file serves all runners: what it says of an engine is none of the others' business."""
    for runner in ("local", "multiprocess"):
        config = BeamConfig(runner=runner, job_endpoint=nobody(), flink_master=nobody())  # type: ignore[arg-type]
        assert examine_engine(config) == []


def test_doctor_says_all_of_it_and_ends_with_5() -> None:
    first, second = nobody(), nobody()
    settings = ("runner=portable", f"job_endpoint={first}", f"environment=external:{second}")
    words = [word for setting in settings for word in ("--beam", setting)]
    done = CliRunner().invoke(app, ["beam", "doctor", *words])
    assert done.exit_code == ExitCode.UNAVAILABLE
    assert first in done.output
    assert second in done.output
    assert "agnews beam worker-pool" in done.output


def start_pool(folder: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    code = "from agnews.pipeline.cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "beam", "worker-pool", "--logs", str(folder), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    return process, process.stdout.readline()


@pytest.mark.integration
def test_a_pool_starts_its_own_python_keeps_output_and_stops_the_worker_that_is_meant(tmp_path: Path) -> None:
    import grpc
    import psutil
    from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc

    process, said = start_pool(tmp_path, "--port", "0")
    address = said.removeprefix("listening at ").partition(",")[0]
    control = nobody()
    # Two machines of an engine, each a connection of its own, give their workers the same name.
    channels = [grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) for _ in range(2)]
    try:
        stubs = [beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(channel) for channel in channels]
        request = beam_fn_api_pb2.StartWorkerRequest(worker_id="1-1")
        request.control_endpoint.url = control
        for stub in stubs:
            assert not stub.StartWorker(request, timeout=10).error
        children = psutil.Process(process.pid).children()
        assert len(children) == 2
        assert all(child.exe() == os.path.realpath(sys.executable) for child in children)

        stubs[0].StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id="1-1"), timeout=10)
        gone, left = psutil.wait_procs(children, timeout=8)
        assert [child.pid for child in gone] == [children[0].pid]
        assert [child.pid for child in left] == [children[1].pid]

        # Whoever kills a worker finds its end told, and another in its place: the engine has seen neither, and waits.
        os.kill(children[1].pid, signal.SIGKILL)
        assert process.stdout is not None
        lines = [next(process.stdout) for _ in range(5)]
        assert any(f"process {children[1].pid} ended, killed by signal 9" in line for line in lines), lines
        assert "started again" in lines[-1]
        assert len(psutil.Process(process.pid).children()) == 1
        assert len(list(tmp_path.glob("worker-*.log"))) == 3
    finally:
        for channel in channels:
            channel.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.integration
def test_a_second_pool_at_the_same_address_says_so(tmp_path: Path) -> None:
    process, said = start_pool(tmp_path, "--port", "0")
    port = said.partition(",")[0].rpartition(":")[2]
    try:
        other, _ = start_pool(tmp_path, "--port", port)
        assert other.wait(60) == ExitCode.LOCKED
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
