"""The units for systemd, judged by systemd."""

from __future__ import annotations

import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agnews.schemas.errors import ExitCode

HOME = "/srv/agnews"


@pytest.fixture
def units(repository: Path, tmp_path: Path) -> list[Path]:
    """The units, moved to a place where the command that they start exists."""
    command = tmp_path / "srv" / ".venv" / "bin" / "agnews"
    command.parent.mkdir(parents=True)
    command.touch(mode=0o755)
    moved = []
    for unit in sorted((repository / "docs" / "systemd").iterdir()):
        moved.append(tmp_path / unit.name)
        moved[-1].write_text(unit.read_text().replace(HOME, str(tmp_path / "srv")))
    return moved


def test_systemd_finds_nothing_wrong(units: list[Path]) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    ended = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    # Unknown keys are warnings, with the exit status 0.
    assert (ended.returncode, ended.stdout + ended.stderr) == (0, "")


def test_the_commands_that_they_start_are_commands_of_ours(units: list[Path]) -> None:
    from agnews.pipeline.cli.main import app

    for unit in units:
        parser = ConfigParser(strict=False, interpolation=None)
        parser.read(unit)
        if "Service" in parser:
            _, *arguments = parser["Service"]["ExecStart"].split()
            # --help is eager, but only once all that stands before it was understood.
            shown = CliRunner().invoke(app, [*arguments, "--help"])
            assert shown.exit_code == 0, shown.output
            assert f"Usage: agnews {arguments[0]}" in shown.output


def test_a_model_that_was_not_better_is_no_failure(repository: Path) -> None:
    unit = (repository / "docs" / "systemd" / "agnews-retrain.service").read_text()
    assert f"SuccessExitStatus={ExitCode.NOT_BLESSED:d}\n" in unit
