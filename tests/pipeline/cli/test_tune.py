from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

AGNEWS = Path(sys.executable).with_name("agnews")


def agnews(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(AGNEWS), *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)


def test_help_loads_nothing_heavy_and_says_which_split_is_not_read() -> None:
    code = (
        "import sys; from agnews.pipeline.cli.main import app\n"
        "try: app(['tune', '--help'])\n"
        "except SystemExit: print('LOADED', [name for name in ('tensorflow', 'optuna', 'matplotlib', 'sqlalchemy')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in done.stdout
    assert "test split is never read" in " ".join(done.stdout.split())


def test_the_space_that_is_shown_is_that_of_the_model() -> None:
    done = agnews("tune", "--show-space", "--model", "bert_frozen")
    assert done.returncode == 0, done.stderr
    assert "model.head_dim" in yaml.safe_load(done.stdout)
    assert done.stderr == "", "no library talks in between"


def test_a_wrong_space_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("model.dropuot: {low: 0, high: 0.5}")
    done = agnews("tune", "--space", tmp_path / "space.yaml", "--root", tmp_path / "root", "--show-space")
    assert done.returncode == 2
    assert "model.dropout" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "root").exists()
