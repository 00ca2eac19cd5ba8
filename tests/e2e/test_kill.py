"""A run that is killed, interrupted, or started twice: real processes, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

SECONDS = 300
ENDLESS = ("training.epochs=2000", "training.patience=2000")


@pytest.fixture
def command(quick: Sequence[str], tmp_path: Path) -> Callable[..., list[str]]:
    """The command line of a run with a small model, as a user types it."""

    def command(*settings: str) -> list[str]:
        options = [part for setting in (*quick, *settings) for part in ("--set", setting)]
        agnews = Path(sys.executable).with_name("agnews")
        return [str(agnews), "run", "--root", str(tmp_path / "root"), *options]

    return command


@pytest.fixture(autouse=True)
def _ctrl_c_is_not_ignored() -> Iterator[None]:
    """A shell without job control starts background jobs with SIGINT ignored, and their children inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextmanager
def _started(command: list[str], log: Path, until: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run that has just printed `until`; ended at the latest when the test is."""
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            deadline = time.monotonic() + SECONDS
            while until not in log.read_text(errors="replace"):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, f"{until!r} was not printed:\n{log.read_text()}"
                time.sleep(0.05)
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _states(root: Path) -> dict[str, str]:
    newest = max(root.glob("runs/*/report.json"))
    return {name: node["state"] for name, node in json.loads(newest.read_text())["nodes"].items()}


def test_a_killed_run_goes_on_where_it_was_cut_and_ctrl_c_is_told(
    command: Callable[..., list[str]], tmp_path: Path
) -> None:
    root, log = tmp_path / "root", tmp_path / "log"

    # SIGKILL in the middle of training: no report, no chance to clean up.
    with _started(command(*ENDLESS), log, "TokenGate") as process:
        second = subprocess.run(command(), capture_output=True, text=True, check=False, timeout=SECONDS)
        assert second.returncode == 4
        assert f"process {process.pid}" in second.stderr
        time.sleep(3)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(SECONDS) == -signal.SIGKILL
    assert not list(root.glob("models/*/latest.json"))

    # Ctrl-C in the middle of training: exit code 130, and a report that says so.
    with _started(command(*ENDLESS), log, "TokenGate") as process:
        time.sleep(3)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(SECONDS) == 130
    assert "Interrupted" in log.read_text()
    (report,) = root.glob("runs/*/report.json")
    assert json.loads(report.read_text())["error"] == "interrupted"
    assert _states(root)["Transform"] == "cached"

    # The next run finishes; what was done before the cut is not done again.
    done = subprocess.run(command(), capture_output=True, text=True, check=False, timeout=SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    states = _states(root)
    assert states["NewsExampleGen"] == states["Transform"] == states["TokenGate"] == "cached"
    assert states["Trainer"] == states["Pusher"] == "done"
    assert "pushed" in done.stdout or "models/agnews" in done.stdout
