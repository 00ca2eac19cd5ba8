"""Which setting wins, and who is told to have chosen it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from agnews.pipeline.cli.main import app
from agnews.pipeline.load_config import load_config
from agnews.pipeline.setting_reasons import setting_reasons
from agnews.schemas.errors import AgnewsError

DESCRIPTION = """\
format: 1
name: moods
label: mood
classes: [good, bad]
floors: {min_accuracy: 0.6}
settings:
  model: {kind: bert_frozen, dropout: 0.2}
  text: {max_length: 48}
  training: {epochs: 11}
kinds:
  transformer:
    training: {epochs: 21, batch_size: 32}
reasons:
  text.max_length: texts are short
  training.epochs: 3,000 steps
"""


@pytest.fixture
def corpus(tmp_path: Path) -> str:
    path = tmp_path / "corpus.yaml"
    path.write_text(DESCRIPTION)
    return str(path)


def test_the_kind_that_is_run_decides_which_settings_hold(corpus: str) -> None:
    asked_for, other = load_config(None, (), corpus), load_config("transformer", (), corpus)
    assert (asked_for.model.kind, asked_for.training.epochs, asked_for.text.max_length) == ("bert_frozen", 11, 48)
    # What is not said is that of the packaged configuration of the kind.
    assert asked_for.training.learning_rate == load_config("bert_frozen").training.learning_rate
    assert (other.model.kind, other.training.epochs, other.training.batch_size) == ("transformer", 21, 32)
    assert (other.text.max_length, other.evaluation.min_accuracy) == (48, 0.6)


def test_what_is_said_by_hand_wins_and_gives_no_reason(corpus: str) -> None:
    tree = load_config("transformer", ["training.epochs=3"], corpus)
    assert (tree.training.epochs, tree.training.batch_size) == (3, 32)
    assert setting_reasons(tree) == {
        "text.max_length": "texts are short",
        "training.batch_size": "so says the description of moods",
        "evaluation.min_accuracy": "so says the description of moods",
    }
    assert setting_reasons(load_config(None)) == {}


def test_reasons_are_shown_with_the_settings(corpus: str) -> None:
    shown = CliRunner().invoke(app, ["config", "show", "--corpus", corpus], catch_exceptions=False).output
    lines = shown.splitlines()
    assert lines[lines.index("text.max_length = 48") + 1].strip() == "texts are short"
    assert "training.epochs = 11" in lines


def test_a_section_that_is_none_is_an_error_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "corpus.yaml"
    path.write_text(DESCRIPTION.replace("    training: {epochs: 21", "    trianing: {epochs: 21"))
    with pytest.raises(AgnewsError, match="kinds"):
        load_config(None, (), str(path))
