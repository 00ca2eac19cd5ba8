"""docs/tutorial.md, as a reader would follow it: each block of commands, one after the other, in an empty folder."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]


def test_each_command_of_the_tutorial_does_what_it_says(repository: Path, tmp_path: Path) -> None:
    page = (repository / "docs" / "tutorial.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) > 8
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "200"}
    said = []
    for block in blocks:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-mc", block.replace("8501", port)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        said.append(done.stdout + done.stderr)
    everything = "\n".join(said)
    # What the prose around the blocks promises.
    assert "a linear model gets" in everything
    assert "blessed" in everything
    assert re.search(r"billing.*\n.*delivery", everything), "the two texts of `agnews predict`"
    assert re.search(r'"label":\s*"login"', everything), "the answer of the server"
    assert "2026-11-23" in everything
    assert "in production" in everything
    assert (tmp_path / "workspace" / "models" / "agnews" / "latest.json").exists()
