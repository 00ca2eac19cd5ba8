"""A model that was judged and not pushed goes into production later, without being trained again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agnews.components.model_store import ModelStore

pytestmark = pytest.mark.e2e


def agnews(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from agnews.pipeline.cli.main import main; sys.argv[0] = 'agnews'; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def newest_report(root: Path) -> dict[str, dict[str, dict[str, str]]]:
    newest = sorted((root / "runs").iterdir())[-1]
    report: dict[str, dict[str, dict[str, str]]] = json.loads((newest / "report.json").read_text())
    return report


def test_promote_goes_on_behind_the_training_and_copy_takes_it_on(root: Path, quick: tuple[str, ...]) -> None:
    settings = [word for setting in quick for word in ("--set", setting)]
    done = agnews("run", "--root", str(root), "--no-push", *settings)
    assert done.returncode == 0, done.stderr
    store = ModelStore(str(root / "models"), "agnews")
    assert store.production() is None
    assert newest_report(root)["pushed_model"] is None

    # Data, configuration and code are the same; a run of another configuration is another model.
    done = agnews("models", "promote", "latest", "--reason", "it is Monday", "--root", str(root))
    assert done.returncode == 0, done.stderr
    states = {name: node["state"] for name, node in newest_report(root)["nodes"].items()}
    assert states["Trainer"] == states["Evaluator"] == "cached"
    assert states["Pusher"] == "done"
    current = store.production()
    assert current is not None
    assert "it is Monday" in store.moves()[-1].why

    # Another seed is pushed, or held back; then the first one is asked to come back.
    done = agnews("run", "--root", str(root), *settings, "--set", "training.seed=8", "--set", "evaluation.alpha=0.001")
    assert done.returncode == 0, done.stderr
    newest = store.production()
    assert newest is not None
    assert newest.version != current.version
    done = agnews("models", "promote", current.version, "--root", str(root))
    assert done.returncode in (0, 3), done.stderr
    assert "the smoke test passes" in done.stdout
    assert "against the baseline" in done.stdout
    done = agnews("models", "promote", current.version, "--force", "--reason", "as it was", "--root", str(root))
    assert done.returncode == 0, done.stderr
    assert store.production() == current

    done = agnews("models", "copy", current.version, "--to", str(root / "elsewhere"), "--root", str(root))
    assert done.returncode == 0, done.stderr
    copied = ModelStore(str(root / "elsewhere"), "agnews").production()
    assert copied is not None
    assert copied.model_digest == current.model_digest
