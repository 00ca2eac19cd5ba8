"""Looking after pushed versions from a terminal and from scripts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agnews.components.model_store import ModelStore
from agnews.components.model_store.publish import publish
from agnews.components.model_store.rollback import rollback
from agnews.components.model_store.serving_leases import ServingLease
from agnews.pipeline.cli.models import app
from agnews.schemas.errors import AgnewsError

runner = CliRunner()


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """Three versions in the place where runs push to."""
    store = ModelStore(str(tmp_path / "models"), "agnews")
    for number in range(3):
        model = tmp_path / f"model{number}"
        (model / "assets.extra").mkdir(parents=True)
        (model / "saved_model.pb").write_bytes(b"graph %d" % number)
        (model / "assets.extra" / "model_card.md").write_text(f"# Card {number}\n\nMade of *news*.\n")
        current = store.production()
        publish(
            store,
            model=str(model),
            extra_files={},
            judged_against=current.version if current else "",
            fingerprint=str(number),
            run_id=f"run-{number}",
            accuracy=0.90 + number / 100,
            classes=("World", "Sports"),
        )
    return store


def text(tmp_path: Path, *arguments: str) -> str:
    return runner.invoke(app, [*arguments, "--root", str(tmp_path)], catch_exceptions=False).stdout


def data(tmp_path: Path, *arguments: str) -> Any:
    return json.loads(text(tmp_path, *arguments, "--json"))


def test_importing_the_command_loads_nothing_heavy() -> None:
    code = (
        "import sys, agnews.pipeline.cli.models;"
        "print([m for m in ('tensorflow', 'numpy', 'pydantic', 'rich.table') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_versions_are_listed_with_what_matters(store: ModelStore, tmp_path: Path) -> None:
    oldest, middle, newest = store.versions()
    lease = ServingLease(store.uri, oldest)
    rollback(store)

    rows = data(tmp_path, "list")

    assert [(row["version"], row["state"], row["accuracy"]) for row in rows] == [
        (newest, "withdrawn", 0.92),
        (middle, "in production", 0.91),
        (oldest, "", 0.90),
    ]
    assert [len(row["served_by"]) for row in rows] == [0, 0, 1]
    assert all(row["bytes"] > 300 for row in rows)
    table = text(tmp_path, "list")
    assert [line.split()[0] for line in table.splitlines()[1:4]] == [newest, middle, oldest]
    assert "91.00 %" in table.splitlines()[2]
    assert "in production" in table.splitlines()[2]
    assert rows[2]["served_by"][0] in table.splitlines()[3]
    assert str(tmp_path / "models" / "agnews") in table
    lease.release()


def test_a_damaged_version_is_listed_and_hides_no_other(store: ModelStore, tmp_path: Path) -> None:
    oldest = store.versions()[0]
    (tmp_path / "models" / "agnews" / oldest / "assets.extra" / "record.json").write_text("{")

    rows = data(tmp_path, "list")

    assert [row["state"] for row in rows] == ["in production", "", "damaged"]
    assert "is not a model record" in rows[2]["problem"]
    assert "damaged" in text(tmp_path, "list")


def test_an_empty_store_says_what_to_do(tmp_path: Path) -> None:
    assert data(tmp_path, "list") == []
    assert "agnews run" in text(tmp_path, "list")
    with pytest.raises(AgnewsError, match="No model was pushed yet"):
        data(tmp_path, "show")


def test_a_version_is_shown_with_its_card(store: ModelStore, tmp_path: Path) -> None:
    newest = store.versions()[-1]

    document = data(tmp_path, "show")

    assert document["version"] == newest
    assert document["card"].startswith("# Card 2")
    assert document["folder"] == store.folder(newest)
    assert document["judged_against"] == store.versions()[1]
    shown = text(tmp_path, "show", store.versions()[0])
    assert "90.00 % on the test split" in shown
    assert "nothing: it was the first" in shown
    assert "Card 0" in shown
    assert "*news*" not in shown, "the card is rendered"


def test_a_rollback_says_what_servers_will_do(store: ModelStore, tmp_path: Path) -> None:
    _, middle, newest = store.versions()

    said = text(tmp_path, "rollback")

    production = store.production()
    assert production is not None
    assert production.version == middle
    assert f"version {middle} is in production, in place of {newest}" in said
    assert "agnews serve" in said
    assert f"specific {{ versions: {middle} }}" in said
    assert f"rollback --to {newest}" in said
    assert "already" in text(tmp_path, "rollback", "--to", middle)
    assert data(tmp_path, "rollback", "--to", newest) == {"before": middle, "after": newest}


def test_pruning_tells_its_reasons_and_removes_only_when_asked_to(store: ModelStore, tmp_path: Path) -> None:
    oldest, middle, newest = store.versions()

    planned = data(tmp_path, "prune", "--keep", "1", "--dry-run")

    assert [(row["version"], row["removed"], row["would_be_removed"]) for row in planned] == [
        (oldest, False, True),
        (middle, False, True),
        (newest, False, False),
    ]
    assert len(store.versions()) == 3
    said = text(tmp_path, "prune", "--keep", "2")
    assert store.versions() == (middle, newest)
    assert "kept: in production" in said
    assert "1 version removed" in said


def test_a_store_is_named_by_its_uri_too(store: ModelStore, tmp_path: Path) -> None:
    uri = f"file://{tmp_path}/models"

    result = runner.invoke(app, ["list", "--store", uri, "--json"], catch_exceptions=False)

    assert len(json.loads(result.stdout)) == 3


def test_keeping_nothing_is_not_offered(store: ModelStore, tmp_path: Path) -> None:
    result = runner.invoke(app, ["prune", "--keep", "0", "--root", str(tmp_path)])

    assert result.exit_code == 2
    assert len(store.versions()) == 3
