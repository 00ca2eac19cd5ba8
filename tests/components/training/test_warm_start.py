from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.factory import build_model
from agnews.components.training.warm_start import WEIGHT_NAMES, warm_start
from agnews.schemas.learning_config import parse_model_config

MODEL = {"hidden_dim": 8, "num_heads": 2, "intermediate_dim": 16, "head_dim": 8, "bigram_buckets": 50}
FACTS = {"vocabulary_sha256": "abc"}


def build(seed: int, *, rare: tuple[int, ...] = (), **changes: object) -> keras.Model:
    counts = np.ones(30, np.int64)
    counts[list(rare)] = 0
    keras.utils.set_random_seed(seed)
    return build_model(
        parse_model_config({**MODEL, **changes}),
        token_counts=counts,
        unknown_id=1,
        special_ids=(0, 2, 3),
        max_length=16,
        num_classes=4,
    ).network


def export(network: keras.Model, folder: Path) -> str:
    module = tf.Module()
    module._weights = network.weights
    tf.saved_model.save(module, str(folder))
    (folder / "assets.extra").mkdir()
    facts = {**FACTS, WEIGHT_NAMES: [weight.name for weight in network.weights]}
    (folder / "assets.extra" / "model.json").write_text(json.dumps(facts))
    return str(folder)


def words(*ids: int) -> dict[str, tf.Tensor]:
    tokens = tf.constant([ids])
    return {"token_ids": tokens, "padding_mask": tf.ones_like(tokens, tf.bool)}


def test_starts_with_the_weights_of_the_model_in_production(tmp_path: Path) -> None:
    old, new = build(1), build(2)

    found = warm_start(new.weights, export(old, tmp_path / "old"), must_equal=FACTS)

    assert found.source
    np.testing.assert_array_equal(new(words(2, 7, 8, 3)), old(words(2, 7, 8, 3)))


def test_vectors_follow_their_word_pieces_where_other_ones_are_frequent_now(tmp_path: Path) -> None:
    old, new = build(1, rare=(5, 6)), build(2, rare=(6, 20))
    fresh = new.token_embedding.get_weights()[0].copy()

    found = warm_start(new.weights, export(old, tmp_path / "old"), must_equal=FACTS)

    assert found.source
    # Known to both, unknown to both, and known once but not now.
    for each in (words(2, 7, 29, 3), words(2, 6, 3)):
        np.testing.assert_array_equal(new(each), old(each))
    (now, *_), (unknown, *_) = (new.embed(words(2, word, 3)["token_ids"]) for word in (20, 1))
    np.testing.assert_array_equal(now, unknown)
    number = new.frequent_tokens.table.numpy()[5]
    np.testing.assert_array_equal(new.token_embedding.get_weights()[0][number], fresh[number])


@pytest.mark.parametrize(
    ("changes", "facts", "reason"),
    [
        ({"hidden_dim": 16}, FACTS, "has the shape"),
        ({"num_layers": 2}, FACTS, "no weight transformer/block_1"),
        ({}, {"vocabulary_sha256": "xyz"}, "vocabulary_sha256 differs"),
    ],
)
def test_a_model_that_differs_is_a_fresh_start_and_told(
    tmp_path: Path, changes: dict[str, object], facts: dict[str, str], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    new = build(2, **changes)
    before = new.get_weights()

    found = warm_start(new.weights, export(build(1), tmp_path / "old"), must_equal=facts)

    assert not found.source
    assert reason in found.note
    assert reason in caplog.text
    for now, then in zip(new.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("base_model", [None, "/nowhere/Format-Serving"])
def test_a_first_model_has_none_to_start_from(base_model: str | None) -> None:
    found = warm_start(build(1).weights, base_model, must_equal=FACTS)

    assert "no model in production yet" in found.note
