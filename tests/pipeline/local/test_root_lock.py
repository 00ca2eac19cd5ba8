from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from agnews.pipeline.local.paths import root_lock
from agnews.schemas.errors import AgnewsError, ExitCode

HOLDER = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from agnews.pipeline.local.paths import root_lock
    with root_lock(Path(sys.argv[1]), "run 42"):
        print("held", flush=True)
        time.sleep(60)
    """
)


def test_a_second_process_is_told_who_holds_the_root(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AgnewsError) as caught, root_lock(lock, "run 43"):
            pass
        assert caught.value.exit_code == ExitCode.LOCKED
        assert f"process {holder.pid} (run 42)" in str(caught.value)
        os.kill(holder.pid, signal.SIGKILL)
    with root_lock(lock, "run 44"):
        pass


def test_the_lock_can_be_taken_again_after_an_error(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with pytest.raises(ZeroDivisionError), root_lock(lock, "run 1"):
        _ = 1 / 0
    with root_lock(lock, "run 2"):
        pass
    assert not lock.with_suffix(".json").exists()
