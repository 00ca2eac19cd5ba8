"""A run that is killed is told of all the same, and one that ends by itself is not told of twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

WRITE = "import os, sys; path = sys.argv[1]; open(path + '.new', 'wb').write(sys.stdin.buffer.read()); "
WRITE += "os.rename(path + '.new', path)"
RUN = """
import os, subprocess, sys, time
from agnews.pipeline.notification.message import Message
from agnews.pipeline.notification.witness import witnessed
from agnews.schemas.execution_config import NotifyConfig

command = [sys.executable, "-c", os.environ["WRITE"], os.environ["TOLD"]]
config = NotifyConfig.model_validate({"channels": [{"kind": "command", "command": command}]})
with witnessed(config, Message(event="failed", model="m", run_id="r", title="killed")) as told:
    # A child that has every file of the run, as forked workers have.
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    print(child.pid, flush=True)
    if sys.argv[1] == "ends":
        told()
    else:
        time.sleep(60)
child.kill()
"""


@pytest.mark.parametrize("end", ["killed", "ends"])
def test_a_killed_run_is_told_of(tmp_path: Path, end: str) -> None:
    told = tmp_path / "told"
    with subprocess.Popen(
        [sys.executable, "-c", RUN, end],
        stdout=subprocess.PIPE,
        env={**os.environ, "TOLD": str(told), "WRITE": WRITE},
    ) as run:
        assert run.stdout is not None
        child = int(run.stdout.readline())
        if end == "killed":
            time.sleep(0.5)
            run.send_signal(signal.SIGKILL)
        run.wait()
    until = time.monotonic() + 60.0
    while end == "killed" and not told.exists() and time.monotonic() < until:
        time.sleep(0.1)
    if end == "killed":
        os.kill(child, signal.SIGKILL)
        assert json.loads(told.read_bytes())["title"] == "killed"
    else:
        assert run.returncode == 0
        assert not told.exists()
