from __future__ import annotations

import re
from pathlib import Path

import pytest

from agnews.components.carried_corpus import read_carried_corpus
from agnews.pipeline.load_config import load_config
from agnews.pipeline.node_settings import carried_corpora, resolve_text, transform_settings
from agnews.schemas.corpus_document import parse_corpus
from agnews.schemas.errors import AgnewsError


@pytest.fixture(scope="module")
def checkpoints(repository: Path) -> Path:
    return repository / "tests" / "golden" / "hugging_face_bert"


def test_a_model_without_an_encoder_takes_the_embedded_vocabulary() -> None:
    text = resolve_text(load_config("transformer"))
    assert (text.vocabulary, text.lowercase) == ("minilm", True)


@pytest.mark.parametrize(("name", "lowercase"), [("cased", False), ("uncased", True)])
def test_texts_follow_the_encoder(checkpoints: Path, name: str, lowercase: bool) -> None:
    text = resolve_text(load_config("bert_frozen", [f"model.encoder={checkpoints / name}"]))
    assert (text.vocabulary, text.lowercase) == (str(checkpoints / name), lowercase)


def test_a_vocabulary_of_ones_own_drops_case_if_it_has_no_capitals(checkpoints: Path) -> None:
    for name, lowercase in {"cased": False, "uncased": True}.items():
        file = checkpoints / name / "vocab.txt"
        assert resolve_text(load_config("transformer", [f"text.vocabulary={file}"])).lowercase is lowercase


def test_a_vocabulary_that_is_not_the_encoders_is_refused_and_both_are_named(checkpoints: Path) -> None:
    with pytest.raises(AgnewsError) as caught:
        resolve_text(load_config("bert_frozen", [f"text.vocabulary={checkpoints / 'uncased' / 'vocab.txt'}"]))
    assert "minilm" in str(caught.value)
    assert "vocab.txt" in str(caught.value)
    assert str(caught.value).count("digest") == 1
    assert len(re.findall(r"\b[0-9a-f]{64}\b", str(caught.value))) == 2


def test_case_that_the_encoder_does_not_expect_is_refused(checkpoints: Path) -> None:
    with pytest.raises(AgnewsError, match="keep their case"):
        resolve_text(load_config("bert_frozen", ["text.lowercase=false"]))


def test_an_encoder_that_is_not_there_is_an_error_that_says_how_to_get_it() -> None:
    with pytest.raises(AgnewsError) as caught:
        resolve_text(load_config("bert_finetune", ["model.encoder=google-bert/bert-base-uncased"]))
    assert "agnews encoder fetch google-bert/bert-base-uncased" in caught.value.fix


@pytest.mark.parametrize("kind", ["transformer", "linear"])
def test_pieces_that_are_learnt_have_no_digest_before_the_rows_were_read(kind: str) -> None:
    text = resolve_text(load_config(kind, ["text.vocabulary=learn"]))
    assert (text.vocabulary, text.lowercase) == ("learn", True)
    assert transform_settings(text, "")["vocabulary_digest"] == ""
    assert resolve_text(load_config(kind, ["text.vocabulary=learn", "text.lowercase=false"])).lowercase is False


@pytest.mark.parametrize("kind", ["bert_frozen", "bert_finetune"])
def test_a_model_with_an_encoder_cannot_learn_its_pieces(kind: str) -> None:
    with pytest.raises(AgnewsError, match=f"{kind} cannot learn its own word pieces"):
        resolve_text(load_config(kind, ["text.vocabulary=learn"]))
    with pytest.raises(AgnewsError, match="ensemble cannot learn its own") as caught:
        resolve_text(load_config("ensemble", ["text.vocabulary=learn", f"model.network.kind={kind}"]))
    assert "model.network.encoder minilm" in str(caught.value.found)


@pytest.mark.parametrize("more", ["", "files: {root: parts}\n", "floors: {min_class_examples: 0}\n"])
def test_what_is_too_large_to_travel_is_read_back_by_every_node(tmp_path: Path, more: str) -> None:
    names = "".join(f"  {i}: class number {i}\n" for i in range(5_000))
    corpus = parse_corpus(f"format: 1\nname: large\nclasses:\n{names}{more}", "corpus.yaml")
    for value in carried_corpora(corpus, str(tmp_path)).values():
        assert "corpus_digest" in value
        assert read_carried_corpus(value).class_names == corpus.class_names
