from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

AGNEWS = Path(sys.executable).with_name("agnews")

HEAVY = ("tensorflow", "tfx", "apache_beam", "numpy", "yaml")


def agnews(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(AGNEWS), *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "300"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)


@pytest.mark.parametrize(
    "arguments", [[], ["run"], ["data"], ["data", "fetch"], ["config", "show"], ["doctor"], ["predict"], ["batch"]]
)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from agnews.pipeline.cli.main import app\n"
        f"try: app({[*arguments, '--help']!r})\n"
        f"except SystemExit: print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stdout
    assert "Usage" in done.stdout


def test_help_names_the_commands_and_the_exit_codes() -> None:
    done = agnews("--help")
    assert done.returncode == 0
    for word in ("run", "data", "config", "doctor", "Exit codes"):
        assert word in done.stdout


def test_an_error_says_problem_finding_and_fix_without_a_traceback(tmp_path: Path) -> None:
    done = agnews("run", "--root", tmp_path, "--set", "training.epochs=none")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "training.epochs" in done.stderr
    assert "'none'" in done.stderr
    assert "integer" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_the_configuration_does_not_have_is_refused(tmp_path: Path) -> None:
    done = agnews("run", "--root", tmp_path, "--model", "oracle")
    assert done.returncode == 2
    assert "oracle" in done.stderr
    assert "transformer" in done.stderr


def test_the_version_is_told() -> None:
    assert agnews("--version").stdout.startswith("agnews 0.")


def test_every_key_of_a_configuration_is_explained() -> None:
    done = agnews("config", "show", "notebook", "--set", "training.epochs=5")
    assert done.returncode == 0
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert "training.epochs = 5" in lines
    assert "model.hidden_dim = 32" in lines
    keys = [number for number, line in enumerate(lines) if not line.startswith(" ")]
    assert [lines[number] for number in keys if not lines[number + 1].strip()] == []
