from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from agnews.pipeline.paths import prepare_root, root_lock
from agnews.schemas.errors import AgnewsError, ExitCode


def test_the_root_is_made_and_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = prepare_root(Path("a/b"))
    assert paths.root == tmp_path / "a" / "b"
    assert not [path for path in paths.root.iterdir() if not path.is_dir()]


def test_a_file_in_the_way_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AgnewsError, match="cannot be written"):
        prepare_root(tmp_path / "file" / "root")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_a_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(AgnewsError, match="--root DIR"):
        prepare_root(tmp_path / "root")


HOLDER = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from agnews.pipeline.paths import root_lock
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


@pytest.mark.parametrize("sign", ["[", "]", "*", "?", "\\"])
def test_a_root_that_libraries_take_for_a_pattern_is_refused_at_once(tmp_path: Path, sign: str) -> None:
    with pytest.raises(AgnewsError) as caught:
        prepare_root(tmp_path / f"a{sign}b")
    assert f"`{sign}`" in caught.value.problem
    assert list(tmp_path.iterdir()) == []
    prepare_root(tmp_path / "a {b} c")


def test_rows_in_a_root_are_the_users_own_and_models_are_for_servers(tmp_path: Path) -> None:
    paths = prepare_root(tmp_path / "workspace")
    for folder in (paths.artifacts, paths.runs, paths.scratch):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(paths.root.iterdir()) == sorted([paths.artifacts, paths.runs, paths.scratch])
    shared = tmp_path / "shared"
    (shared / "runs").mkdir(parents=True)
    (shared / "runs").chmod(0o755)
    prepare_root(shared)
    assert stat.S_IMODE((shared / "runs").stat().st_mode) == 0o755, "what somebody has decided stays"


def test_an_address_is_no_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AgnewsError, match="a folder of this machine"):
        prepare_root(Path("s3://bucket/root"))
    assert not list(tmp_path.iterdir())
