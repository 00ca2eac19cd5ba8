from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from agnews.pipeline.load_config import CONFIGS, config_names, load_config
from agnews.schemas.errors import AgnewsError


@pytest.mark.parametrize("name", config_names())
def test_every_packaged_configuration_is_valid_and_opens_with_command_cost_and_expectation(name: str) -> None:
    load_config(name)
    header = (CONFIGS / f"{name}.yaml").read_text()
    assert header.startswith("# agnews run ")
    assert "# Cost:" in header
    assert "# Expect:" in header


def test_a_setting_wins_over_the_file_and_keeps_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("training: {epochs: 4, batch_size: 16}\n")
    config = load_config(str(file), ["training.epochs=9", "training.learning_rate=1e-3", "data.limit=null"])
    assert config.training.epochs == 9
    assert config.training.batch_size == 16
    assert config.training.learning_rate == pytest.approx(0.001)
    assert config.data.limit is None


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("training.epoch=3", ["training.epoch", "3", "'epochs'", "--set training.epoch=3"]),
        ("training.epochs=0", ["training.epochs", "0", "greater than or equal to 1"]),
        ("training.epochs=many", ["training.epochs", "'many'", "integer"]),
        ("data.eval_share=0.9", ["data.eval_share", "0.9", "0.5"]),
        ("model.kind=lstm", ["model.kind", "'lstm'", "transformer, linear, bert_frozen, bert_finetune, ensemble"]),
        ("model.hidden_dimm=3", ["model.hidden_dimm", "3", "'hidden_dim'"]),
        ("trainer.epochs=1", ["trainer", "'training'"]),
        ("training.epochs.x=1", ["epochs", "single value"]),
        ("training", ["KEY=VALUE", "training"]),
    ],
)
def test_a_wrong_setting_names_key_value_and_what_is_allowed(setting: str, words: list[str]) -> None:
    settings = [setting] if setting != "training.epochs.x=1" else ["training.epochs=1", setting]
    with pytest.raises(AgnewsError) as caught:
        load_config("transformer", settings)
    for word in words:
        assert word in str(caught.value)


def test_another_kind_that_is_set_by_hand_comes_with_its_own_configuration(tmp_path: Path) -> None:
    (tmp_path / "corpus.yaml").write_text(
        "format: 1\nname: mails\nclasses: [a, b]\nsettings: {model: {kind: bert_frozen}}\n"
    )
    corpus = str(tmp_path / "corpus.yaml")
    assert load_config(None, ["model.kind=linear"], corpus) == load_config("linear", [], corpus)
    assert load_config(None, [], corpus).model.kind == "bert_frozen"


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(AgnewsError) as caught:
        load_config("transformer", ["training.epochs=0", "text.max_length=4"])
    assert "training.epochs" in str(caught.value)
    assert "text.max_length" in str(caught.value)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(AgnewsError, match="Did you mean 'transformer'"):
        load_config("transfomer")


def test_a_missing_or_broken_file_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="no such configuration file"):
        load_config(str(tmp_path / "absent.yaml"))
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1,")
    with pytest.raises(AgnewsError, match="not readable YAML"):
        load_config(str(broken))
    broken.write_text("- 1\n- 2\n")
    with pytest.raises(AgnewsError, match="not a mapping"):
        load_config(str(broken))


def test_the_tree_cannot_be_changed() -> None:
    config = load_config("transformer")
    with pytest.raises(ValidationError, match="frozen"):
        config.training.epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize("word", ["on", "off", "auto"])
def test_a_bare_word_is_that_word(word: str) -> None:
    assert load_config("transformer", [f"devices.xla={word}"]).devices.xla == word


def test_a_seed_that_a_compiled_pipeline_would_round_is_refused() -> None:
    assert load_config("transformer", [f"training.seed={2**53}"]).training.seed == 2**53
    with pytest.raises(AgnewsError, match=r"training\.seed is not allowed"):
        load_config("transformer", [f"training.seed={2**53 + 1}"])


def test_a_key_that_stands_twice_in_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("training:\n  epochs: 1\n  epochs: 2\n")
    with pytest.raises(AgnewsError, match="not readable YAML") as raised:
        load_config(str(tmp_path / "mine.yaml"))
    assert "epochs stands there twice" in str(raised.value.found)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "recall:Sports"])
def test_models_can_be_compared_by_a_figure_of_the_corpus(metric: str) -> None:
    assert load_config(None, [f"evaluation.metric={metric}"]).evaluation.metric == metric


def test_a_figure_of_no_class_of_the_corpus_is_refused_before_anything_runs() -> None:
    with pytest.raises(AgnewsError, match=r"names a class that the corpus does not have") as caught:
        load_config(None, ["evaluation.metric=recall:Sport"])
    assert "Did you mean recall:Sports?" in caught.value.fix
    with pytest.raises(AgnewsError, match=r"evaluation\.metric"):
        load_config(None, ["evaluation.metric=f2"])


SETS = """format: 1
name: topics
label: {column: topics, separator: "|"}
texts: text
classes: [a, b]
"""


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("model.kind=ensemble", "model.kind"),
        ("training.class_weights=sqrt", "training.class_weights"),
        ("evaluation.abstain_precision=0.9", "evaluation.abstain_precision"),
        ('export.formats=["onnx"]', "export.formats"),
    ],
)
def test_what_is_made_for_one_class_a_text_is_refused_for_several(setting: str, word: str, tmp_path: Path) -> None:
    description = tmp_path / "corpus.yaml"
    description.write_text(SETS)
    assert load_config(None, ["evaluation.metric=micro_f1"], corpus=str(description)).evaluation.metric == "micro_f1"
    with pytest.raises(AgnewsError, match="for texts of one class") as caught:
        load_config(None, [setting], corpus=str(description))
    assert caught.value.problem.startswith(word)
    assert "--set" in caught.value.fix


@pytest.mark.parametrize("key", ["training.epochs", "training.label_smoothing", "devices.workers", "model.num_layers"])
@pytest.mark.parametrize("word", ["true", "False"])
def test_truth_is_no_number(key: str, word: str) -> None:
    with pytest.raises(AgnewsError, match=key) as caught:
        load_config("transformer", [f"{key}={word}"])
    assert f"--set {key}={word}" in str(caught.value.found)
    assert load_config("transformer", [f"training.calibrate={word}"]).training.calibrate is (word == "true")
