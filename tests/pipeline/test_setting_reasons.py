"""Which setting wins, and who is told to have chosen it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from agnews.pipeline.cli.main import app
from agnews.pipeline.load_config import load_config
from agnews.pipeline.setting_reasons import setting_reasons
from agnews.schemas.errors import AgnewsError
from agnews.schemas.learning_config import BertFrozenConfig, EnsembleConfig, TransformerConfig

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


MEMBERS = (
    DESCRIPTION
    + """\
  model.bigram_buckets: a weight for each of many classes
  model.char_ngrams: measured on rows kept from train
"""
).replace(
    """    training: {epochs: 21, batch_size: 32}
""",
    """    training: {epochs: 21, batch_size: 32}
    text: {max_length: 96}
    model: {bigram_buckets: 4096}
  linear:
    model: {char_ngrams: 1-4}
    text: {max_length: 512}
  ensemble:
    training: {batch_size: 64}
""",
)


def test_members_of_an_ensemble_have_what_is_said_for_their_kinds(corpus: str) -> None:
    Path(corpus).write_text(MEMBERS)
    tree = load_config("ensemble", (), corpus)
    assert isinstance(tree.model, EnsembleConfig)
    assert isinstance(tree.model.network, TransformerConfig)
    assert (tree.model.network.bigram_buckets, tree.model.linear.char_ngrams) == (4096, "1-4")
    # All else is that of the network, but for what is said of the kind itself.
    assert (tree.training.epochs, tree.training.batch_size, tree.text.max_length) == (21, 64, 96)
    assert setting_reasons(tree) == {
        "model.network.bigram_buckets": "a weight for each of many classes",
        "model.linear.char_ngrams": "measured on rows kept from train",
        "text.max_length": "texts are short",
        "training.batch_size": "so says the description of moods",
        "training.epochs": "3,000 steps",
        "evaluation.min_accuracy": "so says the description of moods",
    }


@pytest.mark.parametrize(
    ("name", "settings"), [("ensemble", ["model.network.kind=bert_frozen"]), ("bert_ensemble", [])]
)
def test_another_network_in_an_ensemble_has_what_is_said_for_it(corpus: str, name: str, settings: list[str]) -> None:
    Path(corpus).write_text(MEMBERS)
    tree = load_config(name, settings, corpus)
    assert isinstance(tree.model, EnsembleConfig)
    assert isinstance(tree.model.network, BertFrozenConfig)
    assert (tree.model.network.dropout, tree.training.epochs, tree.text.max_length) == (0.2, 11, 48)
    assert tree.model.linear.char_ngrams == "1-4"
    assert "model.network.kind" not in setting_reasons(tree)


def test_an_ensemble_that_a_description_asks_for_says_more_than_its_members(corpus: str) -> None:
    asked = "model: {kind: ensemble, network: {kind: bert_frozen, dropout: 0.3}, linear: {min_count: 1}}"
    Path(corpus).write_text(MEMBERS.replace("model: {kind: bert_frozen, dropout: 0.2}", asked))
    frozen, transformer = load_config(None, (), corpus), load_config(None, ["model.network.kind=transformer"], corpus)
    assert isinstance(frozen.model, EnsembleConfig)
    assert isinstance(transformer.model, EnsembleConfig)
    assert (frozen.model.network.kind, frozen.model.network.dropout) == ("bert_frozen", 0.3)
    assert (transformer.model.network.kind, transformer.model.network.dropout) == ("transformer", 0.1)
    assert transformer.model.network == TransformerConfig(bigram_buckets=4096)
    for tree in (frozen, transformer):
        assert isinstance(tree.model, EnsembleConfig)
        assert (tree.model.linear.char_ngrams, tree.model.linear.min_count, tree.training.epochs) == ("1-4", 1, 11)


@pytest.mark.parametrize("network", ["{kind: ensemble}", "{kind: []}", "5", "{kind: none}"])
@pytest.mark.parametrize("by_hand", [False, True])
def test_a_network_that_is_none_is_an_error_with_its_key(corpus: str, network: str, by_hand: bool) -> None:
    if not by_hand:
        text = MEMBERS.replace("  ensemble:\n", f"  ensemble:\n    model: {{network: {network}}}\n")
        Path(corpus).write_text(text)
    with pytest.raises(AgnewsError, match=r"model\.network"):
        load_config("ensemble", [f"model.network={network}"] if by_hand else [], corpus)


@pytest.mark.parametrize(("kind", "section"), [("transformer", "model"), ("ensemble", "model.network")])
def test_a_table_too_large_is_refused_by_the_name_that_the_user_writes(corpus: str, kind: str, section: str) -> None:
    classes = ", ".join(f"c{number}" for number in range(300))
    Path(corpus).write_text(DESCRIPTION.replace("[good, bad]", f"[{classes}]"))
    setting = f"{section}.bigram_buckets=1048576"
    with pytest.raises(AgnewsError, match="too large to be trained") as caught:
        load_config(kind, [setting], corpus)
    assert setting in str(caught.value.found)
    assert f"--set {section}.bigram_buckets=" in str(caught.value.fix)


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
