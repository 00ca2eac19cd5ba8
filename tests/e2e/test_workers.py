"""`agnews run --set devices.workers=2`: one command, one view, a log each, and nothing left behind by Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.long]

SECONDS = 600


@pytest.fixture(autouse=True)
def _ctrl_c_is_not_ignored() -> Iterator[None]:
    """A shell without job control starts background jobs with SIGINT ignored, and their children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_two_processes_train_in_one_run_and_ctrl_c_leaves_what_the_next_run_goes_on_with(
    quick: Sequence[str], tmp_path: Path
) -> None:
    root, log = tmp_path / "root", tmp_path / "log"
    settings = [*quick, "devices.workers=2", "devices.accelerator=cpu", "training.epochs=25", "training.patience=25"]
    agnews = str(Path(sys.executable).with_name("agnews"))
    command = [agnews, "run", "--root", str(root), *(part for each in settings for part in ("--set", each))]

    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            deadline = time.monotonic() + SECONDS
            while not any("steps  epoch" in path.read_text() for path in root.glob("runs/*/workers/worker-0.log")):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            time.sleep(3)
            started = psutil.Process(process.pid).children(recursive=True)
            assert len([each for each in started if "agnews.components.trainer_task.take_part" in each.cmdline()]) == 2
            os.kill(process.pid, signal.SIGINT)
            asked = time.monotonic()
            assert process.wait(SECONDS) == 130
            assert time.monotonic() - asked < 60
        finally:
            if process.poll() is None:
                process.kill()
    assert not psutil.wait_procs(started, timeout=5)[1], "none of them outlives the command"
    assert "Interrupted" in log.read_text()
    assert "Traceback" not in log.read_text()
    logs = sorted(root.glob("runs/*/workers/worker-*.log"))
    assert [path.name for path in logs] == ["worker-0.log", "worker-1.log"]
    assert all("Ends as it was asked to" in path.read_text() for path in logs)
    (interrupted,) = root.glob("runs/*/report.json")
    assert json.loads(interrupted.read_text())["error"] == "interrupted"

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    (newest,) = set(root.glob("runs/*/report.json")) - {interrupted}
    report = json.loads(newest.read_text())
    assert report["nodes"]["Trainer"]["state"] == report["nodes"]["Pusher"]["state"] == "done"
    assert [entry["epoch"] for entry in report["training_curve"]] == list(range(1, 26))
    assert "Training goes on from" in (newest.parent / "workers" / "worker-0.log").read_text()
    assert "Trainer" in done.stdout + done.stderr
    assert "workers/worker-" not in done.stdout, "the view is that of one run"
