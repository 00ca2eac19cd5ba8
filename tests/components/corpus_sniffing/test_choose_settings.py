"""Settings that follow the texts, against the pieces that the tokenizer makes of them."""

from __future__ import annotations

import numpy as np
import pytest

from agnews.components.corpus_sniffing.choose_settings import choose_settings
from agnews.schemas.run_config import RunConfig

SENTENCE = "the bank raised rates again and the shares fell in London on Friday "


def test_short_english_texts_get_a_frozen_encoder_of_their_length() -> None:
    texts = ["the bank raised rates"] * 95 + [SENTENCE * 3] * 5
    chosen = choose_settings(texts, rows=10_000, language="en-GB")
    assert chosen.settings["model"]["kind"] == "bert_frozen"
    # [CLS] the bank raised rates [SEP] is six pieces, and 32 is the least.
    assert chosen.settings["text"]["max_length"] == 32
    assert "at most 6 word pieces" in chosen.reasons["text.max_length"]
    assert chosen.unsure == []


def test_texts_that_are_cut_are_told() -> None:
    chosen = choose_settings([SENTENCE * 60] * 20, rows=10_000, language="en")
    assert chosen.settings["text"]["max_length"] == 512
    assert any("100% of the texts are longer than 512" in each for each in chosen.unsure)


def test_a_language_that_the_vocabulary_does_not_know_is_told() -> None:
    chosen = choose_settings(
        ["\u6211\u4eec\u7684\u56fd\u5bb6\u5f88\u5927\u5f88\u7f8e\u4e3d"] * 20, rows=500, language="zh"
    )
    assert chosen.settings["model"]["kind"] == "linear"
    assert chosen.kinds["linear"]["text"] == chosen.kinds["transformer"]["text"] == {"vocabulary": "learn"}
    assert "are unknown to the vocabulary" in chosen.reasons["text.vocabulary"]


def test_a_transformer_learns_its_words_in_any_language_but_english() -> None:
    german = choose_settings(["der Preis der Aktie ist gestern gefallen"] * 20, rows=500, language="de")
    assert german.kinds["transformer"]["text"] == {"vocabulary": "learn"}
    assert "linear" not in german.kinds
    assert "text" not in choose_settings([SENTENCE], rows=500, language="en").kinds["transformer"]


def test_classes_of_very_different_sizes_are_weighed_and_the_reason_is_said() -> None:
    uneven = choose_settings([SENTENCE], rows=1030, language="en", class_rows=[1000, 30])
    for kind in ("linear", "transformer", "bert_frozen", "bert_finetune"):
        training = uneven.kinds[kind]["training"]
        assert training["class_weights"] == "sqrt"
        assert RunConfig.model_validate({"model": {"kind": kind}, "training": training})
    assert "1,000 rows to learn from, the smallest 30" in uneven.reasons["training.class_weights"]
    even = choose_settings([SENTENCE], rows=1030, language="en", class_rows=[1000, 60])
    assert "class_weights" not in even.kinds["transformer"]["training"]


@pytest.mark.parametrize("rows", [100, 222, 1500, 9532, 30_000, 2_000_000])
def test_few_rows_get_the_steps_that_they_need_and_many_no_more_than_before(rows: int) -> None:
    chosen = choose_settings([SENTENCE], rows=rows, language="en")
    training = chosen.kinds["transformer"]["training"]
    steps = training["epochs"] * np.ceil(rows / training["batch_size"])
    assert steps >= 3000 or training["epochs"] == 60
    assert training["epochs"] == 4 if rows > 10**6 else training["epochs"] > 4
    assert set(chosen.reasons) >= {f"training.{key}" for key in training}
    # What is written is what the configuration takes.
    tree = {**chosen.settings, "model": {"kind": "transformer"}, "training": training}
    assert RunConfig.model_validate(tree).training.epochs == training["epochs"]


def test_a_transformer_is_as_wide_as_its_classes_need_and_its_table_of_pairs_can_be_trained() -> None:
    few, some, many = (
        choose_settings([SENTENCE], rows=500, language="en", class_rows=[5] * classes) for classes in (20, 77, 10_000)
    )
    assert "model" not in few.kinds["transformer"]
    assert some.kinds["transformer"]["model"] == {"head_dim": 256, "word_dropout": 0.2}
    assert "77 classes" in some.reasons["model.head_dim"]
    assert "77 classes" in some.reasons["model.word_dropout"]
    long = choose_settings([3 * f"{SENTENCE} "], rows=500, language="en", class_rows=[5] * 77)
    assert long.kinds["transformer"]["model"] == {"head_dim": 256}
    assert many.kinds["transformer"]["model"] == {"head_dim": 512, "word_dropout": 0.2, "bigram_buckets": 4096}
    assert "10,000 classes" in many.reasons["model.bigram_buckets"]


def test_of_very_many_classes_no_linear_model_is_chosen_in_any_language() -> None:
    few, many = (
        choose_settings(["der Preis der Aktie"] * 20, rows=500, language="de", class_rows=[5] * classes)
        for classes in (2000, 2001)
    )
    assert few.settings["model"]["kind"] == "linear"
    assert many.settings["model"]["kind"] == "transformer"
    assert "2,001 classes" in many.reasons["model.kind"]
