from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

SCRIPT = textwrap.dedent(
    """
    import os, subprocess, sys
    from pathlib import Path
    from agnews.pipeline.local.quiet_output import quiet_output
    print("before")
    with quiet_output(Path(sys.argv[1])) as terminal:
        print("python chatter")
        os.write(2, b"library chatter\\n")
        subprocess.run(["echo", "child chatter"], check=True)
        print("for people ✓", file=terminal)
    print("after")
    """
)


def test_only_what_is_meant_for_people_reaches_the_terminal(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "run.log"
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", SCRIPT, str(log)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["before", "for people ✓", "after"]
    assert done.stderr == ""
    assert sorted(log.read_text().splitlines()) == ["child chatter", "library chatter", "python chatter"]


def test_a_reader_that_goes_away_does_not_end_the_work(tmp_path: Path) -> None:
    """`agnews run | head` goes on, and ends with the exit code of the run."""
    script = SCRIPT.replace('print("after")', "sys.exit(3)").replace('print("before")', "")
    script = script.replace("for people", 'for people" * 100_000 + "')
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-X", "utf8", "-c", script, str(tmp_path / "run.log")]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (3, "")
