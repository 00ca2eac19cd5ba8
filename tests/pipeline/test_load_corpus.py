from __future__ import annotations

from pathlib import Path

import pytest

from agnews.pipeline.load_config import choose_config, load_config
from agnews.pipeline.load_corpus import load_corpus
from agnews.schemas.errors import AgnewsError

TEXT = """format: 1
name: mails
classes: [ham, spam]
files: {root: rows}
floors: {min_accuracy: 0.5, min_class_examples: 7}
settings:
  model: {kind: bert_frozen, head_dim: 9}
  training: {epochs: 33}
  text: {max_length: 48}
"""


@pytest.fixture
def described(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.yaml"
    path.write_text(TEXT)
    return path


def test_the_description_fills_what_nobody_said(described: Path) -> None:
    config = load_config(None, corpus=str(described))
    assert config.model.kind == "bert_frozen"
    assert (config.model.head_dim, config.model.dropout) == (9, 0.4)  # the description, then the packaged configuration
    assert (config.training.epochs, config.training.learning_rate) == (33, 2e-3)
    assert config.evaluation.min_accuracy == 0.5
    assert config.evaluation.min_class_examples == 7
    assert config.data.source == str(described.parent / "rows")
    assert config.data.corpus == str(described)


def test_what_is_said_by_hand_wins(described: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("training: {epochs: 2}\nmodel: {kind: bert_frozen}\n")
    config = load_config(str(own), ["text.max_length=64"], corpus=str(described))
    assert (config.training.epochs, config.text.max_length, config.model.head_dim) == (2, 64, 9)
    assert choose_config(data="x", model=None, config=None, settings=[], corpus=str(described)).data.source.endswith(
        "/x"
    )


def test_another_kind_of_model_leaves_out_what_was_said_for_its_own(described: Path) -> None:
    config = choose_config(data=None, model="transformer", config=None, settings=[], corpus=str(described))
    assert config.model.kind == "transformer"
    assert config.training.epochs == 4
    assert config.text.max_length == 48


def test_a_wrong_setting_of_the_description_names_it(described: Path) -> None:
    described.write_text(TEXT.replace("epochs: 33", "epoch: 33"))
    with pytest.raises(AgnewsError) as caught:
        load_config(None, corpus=str(described))
    assert "training.epoch" in caught.value.problem
    assert "description of the corpus" in str(caught.value.found)


def test_a_schema_beside_it_travels_with_it(described: Path) -> None:
    before = load_corpus(str(described)).corpus
    (described.parent / "schema.pbtxt").write_text('feature { name: "text" }')
    after = load_corpus(str(described)).corpus
    assert after.schema_pbtxt == 'feature { name: "text" }'
    assert after.digest != before.digest


def test_a_description_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="no such description") as caught:
        load_corpus(str(tmp_path / "corpus.yaml"))
    assert "corpus init" in caught.value.fix


def test_a_description_in_another_encoding_names_the_line(described: Path) -> None:
    described.write_bytes(TEXT.encode() + "title: Zoë\n".encode("latin-1"))
    with pytest.raises(AgnewsError, match=f"line {len(TEXT.splitlines()) + 1}, is no UTF-8"):
        load_corpus(str(described))


def test_a_kind_of_model_that_there_is_none_of_is_refused_wherever_the_description_is_read(described: Path) -> None:
    described.write_text(f"{TEXT}kinds: {{linaer: {{training: {{epochs: 3}}}}}}\n")
    for read in (load_corpus, lambda path: load_config(None, corpus=path)):
        with pytest.raises(AgnewsError) as caught:
            read(str(described))
        assert caught.value.found == "kinds.linaer"
        assert "Did you mean linear?" in caught.value.fix
