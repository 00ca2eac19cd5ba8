"""What strangers name things does not steer a terminal, nor end a command."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from agnews.components.model_store import ModelStore
from agnews.components.model_store.publish import publish
from agnews.components.model_store.rollback import rollback
from agnews.pipeline.cli.main import _complain
from agnews.pipeline.cli.models import app
from agnews.pipeline.literal_text import literal, printable
from agnews.schemas.errors import AgnewsError

HOSTILE = "[/b][red]\x1b[2J\x07Sports\u202e\\"


@given(st.text(max_size=40))
def test_a_literal_is_printed_as_it_stands(name: str) -> None:
    console = Console(file=io.StringIO(), width=10_000, force_terminal=False, highlight=False)
    console.print(f"[bold]{literal(name)}[/bold]|", soft_wrap=True, emoji=False)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b" not in said
    assert said.rstrip("\n").replace("\t", " ").split() == f"{printable(name)}|".replace("\t", " ").split()


def test_an_error_does_not_carry_escapes_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    _complain(AgnewsError(f"A key {HOSTILE}.", found=HOSTILE, fix=HOSTILE))
    said = capsys.readouterr().err
    assert said.count("[/b][red]") == 3
    assert "\x1b[2J" not in said
    assert "\\x1b" in said


def test_models_show_names_as_they_are(tmp_path: Path) -> None:
    store = ModelStore(str(tmp_path / "models"), "agnews")
    for number in range(2):
        (tmp_path / "model" / "assets.extra").mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / "saved_model.pb").write_text(str(number))
        (tmp_path / "model" / "assets.extra" / "model_card.md").write_text(f"card {HOSTILE}")
        publish(
            store,
            model=str(tmp_path / "model"),
            extra_files={},
            judged_against=store.look().version,
            fingerprint="",
            run_id=HOSTILE,
            accuracy=0.9,
            classes=(HOSTILE, "World"),
        )
    rollback(store, why=HOSTILE)
    for command in (("list",), ("show",), ("prune", "--keep", "1", "--dry-run")):
        said = CliRunner().invoke(app, [*command, "--root", str(tmp_path)], catch_exceptions=False).stdout
        assert "\x1b[2J" not in said
        assert "\x07" not in said
    assert "[/b][red]" in CliRunner().invoke(app, ["list", "--root", str(tmp_path)], catch_exceptions=False).stdout
    rows = json.loads(CliRunner().invoke(app, ["list", "--json", "--root", str(tmp_path)]).stdout)
    assert rows[1]["moves"][-1]["why"] == HOSTILE
