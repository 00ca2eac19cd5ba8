"""What `agnews models promote` and `copy` refuse, and what they move."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agnews.components.model_store import ModelStore
from agnews.components.model_store.publish import publish
from agnews.components.model_store.rollback import rollback
from agnews.pipeline.cli.models import app
from agnews.schemas.errors import AgnewsError


def invoke(root: Path, *arguments: str) -> str:
    return CliRunner().invoke(app, [*arguments, "--root", str(root)], catch_exceptions=False).output


@pytest.fixture
def store(root: Path, tmp_path: Path) -> ModelStore:
    """Two versions where runs push to."""
    store = ModelStore(str(root / "models"), "agnews")
    for number in range(2):
        model = tmp_path / f"model{number}"
        model.mkdir()
        (model / "saved_model.pb").write_bytes(b"graph %d" % number)
        current = store.production()
        publish(
            store,
            model=str(model),
            extra_files={},
            judged_against=current.version if current else "",
            fingerprint=str(number),
            run_id=f"run-{number}",
            accuracy=0.9,
            classes=("World", "Sports"),
        )
    return store


def test_a_rule_is_overruled_with_a_reason_or_not_at_all(root: Path, tmp_path: Path) -> None:
    for arguments in (("promote", "latest"), ("copy", "1", "--to", str(tmp_path / "there"))):
        with pytest.raises(AgnewsError, match="says why"):
            invoke(root, *arguments, "--force")
    assert not (tmp_path / "there").exists()


def test_a_run_that_left_no_model_is_refused(root: Path, make_run: Any) -> None:
    make_run("20261129T080000-0001", error="Trainer: memory ran out")
    with pytest.raises(AgnewsError, match="no model") as caught:
        invoke(root, "promote", "latest")
    assert "memory ran out" in str(caught.value.found)


def test_a_version_in_production_stays_there_and_one_without_rows_is_not_judged(root: Path, store: ModelStore) -> None:
    newest = store.versions()[-1]
    assert "nothing was changed" in invoke(root, "promote", newest)
    rollback(store, why="bad")
    with pytest.raises(AgnewsError, match="its test rows are not here") as caught:
        invoke(root, "promote", newest)
    assert "--test FILE" in str(caught.value.fix)
    with pytest.raises(AgnewsError, match="test rows of its own"):
        invoke(root, "promote", "latest", "--test", "test.csv")


def test_a_copy_is_in_production_there(root: Path, store: ModelStore, tmp_path: Path) -> None:
    version = store.versions()[0]
    assert "is in production in" in invoke(root, "copy", version, "--to", str(tmp_path / "there"))
    assert "already" in invoke(root, "copy", version, "--to", str(tmp_path / "there"))
    there = ModelStore(str(tmp_path / "there"), "agnews").production()
    assert there is not None
    assert there.model_digest == store.record(version).model_digest
