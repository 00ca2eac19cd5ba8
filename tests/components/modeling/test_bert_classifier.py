"""Models with a pre-trained encoder, as the factory makes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras

from agnews.components.encoders.resolve_encoder import Encoder, resolve_encoder
from agnews.components.modeling.bert_classifier import ClassifierHead
from agnews.components.modeling.classifier import Classifier
from agnews.components.modeling.factory import build_model
from agnews.schemas.features import PADDING_MASK, TOKEN_IDS
from agnews.schemas.learning_config import parse_model_config

IDS = tf.constant([[2, 7, 8, 9, 3], [2, 20, 3, 0, 0]])
INPUTS = {TOKEN_IDS: IDS, PADDING_MASK: IDS != 0}


def build(encoder: Encoder, **config: object) -> Classifier:
    keras.utils.set_random_seed(1)
    return build_model(
        parse_model_config(config),
        token_counts=np.ones(96, np.int64),
        unknown_id=1,
        special_ids=(0, 2, 3),
        max_length=16,
        num_classes=4,
        encoder=encoder,
    )


def names(weights: list[tf.Variable]) -> set[str]:
    return {weight.name for weight in weights}


@pytest.mark.parametrize("pooling", ["mean", "layers", "pooled"])
def test_a_frozen_model_is_its_extractor_and_its_head(tiny_encoder: Encoder, pooling: str) -> None:
    found = build(tiny_encoder, kind="bert_frozen", pooling=pooling, head_dim=8)

    assert found.backbone is not None
    assert found.head is not None
    np.testing.assert_allclose(found.head(found.backbone(INPUTS)), found.network(INPUTS), atol=1e-6)
    assert names(found.network.trainable_weights) == names(found.head.trainable_weights)
    assert found.backbone(INPUTS).shape == (2, 32 if pooling == "layers" else 16)


def test_the_mean_is_that_of_hugging_faces_vectors(repository: Path, tmp_path: Path) -> None:
    recorded = np.load(repository / "tests" / "golden" / "hugging_face_bert" / "minilm.npz")
    mask = recorded["input_mask"]
    inputs = {TOKEN_IDS: tf.constant(recorded["input_word_ids"]), PADDING_MASK: tf.constant(mask > 0)}
    second_layer = recorded["encoder_outputs"][1]  # (3, 18, 24): each sixteenth value
    encoder = resolve_encoder("minilm", num_layers=2, cache_dir=tmp_path)

    backbone = build(encoder, kind="bert_frozen").backbone

    assert backbone is not None
    expected = (second_layer * mask[..., np.newaxis]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(backbone(inputs)[:, ::16], expected, atol=1e-4)


def test_means_of_layers_are_those_of_hugging_faces_vectors(repository: Path, tmp_path: Path) -> None:
    recorded = np.load(repository / "tests" / "golden" / "hugging_face_bert" / "minilm.npz")
    mask = recorded["input_mask"]
    inputs = {TOKEN_IDS: tf.constant(recorded["input_word_ids"]), PADDING_MASK: tf.constant(mask > 0)}

    backbone = build(resolve_encoder("minilm", cache_dir=tmp_path), kind="bert_frozen", pooling="layers").backbone

    assert backbone is not None
    last = recorded["encoder_outputs"][3:]  # (3, 3, 18, 24): each sixteenth value
    means = (last * mask[..., np.newaxis]).sum(axis=2) / mask.sum(axis=1, keepdims=True)
    expected = np.concatenate(list(means), axis=-1)
    np.testing.assert_allclose(backbone(inputs)[:, ::16], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("settings", "learning"),
    [
        ({}, {"layer_0", "layer_1", "embeddings", "head"}),
        ({"pooling": "layers"}, {"layer_0", "layer_1", "embeddings", "head"}),
        ({"pooling": "pooled"}, {"layer_0", "layer_1", "embeddings", "head", "pooler"}),
        ({"frozen_layers": 1}, {"layer_1", "head"}),
        ({"frozen_layers": 1, "pooling": "pooled"}, {"layer_1", "head", "pooler"}),
        ({"frozen_layers": 2}, {"head"}),
    ],
)
def test_what_learns_is_what_was_asked_for_and_all_of_it_has_a_gradient(
    tiny_encoder: Encoder, settings: dict[str, Any], learning: set[str]
) -> None:
    network = build(tiny_encoder, kind="bert_finetune", **settings).network

    def part(name: str) -> str:
        for known in ("layer_0", "layer_1", "pooler", "embedding"):
            if known in name:
                return "embeddings" if known == "embedding" else known
        return "head"

    assert {part(name) for name in names(network.trainable_weights)} == learning
    everything = build(tiny_encoder, kind="bert_finetune", pooling="pooled").network
    assert len(network.weights) == len(everything.weights)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network(INPUTS, training=True) ** 2)
    gradients = tape.gradient(loss, network.trainable_weights)
    assert all(gradient is not None for gradient in gradients)


def test_a_step_changes_what_learns_and_nothing_else(tiny_encoder: Encoder) -> None:
    classifier = build(tiny_encoder, kind="bert_finetune", frozen_layers=1)
    network = classifier.network
    optimizer = classifier.create_optimizer(
        learning_rate=0.1, warmup_steps=0, total_steps=10, weight_decay=0.01, clip_norm=1.0
    )
    network.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    trained = names(network.trainable_weights)
    before = {weight.name: weight.numpy() for weight in network.weights}

    network.train_on_batch(INPUTS, np.array([0, 1]))

    changed = {weight.name for weight in network.weights if not np.array_equal(weight, before[weight.name])}
    # Attention does not change when one number is added to all its scores, so keys' biases have no gradient.
    assert {name for name in trained if not name.endswith("key/bias:0")} <= changed
    assert all(name in trained or "dropout" in name for name in changed)


def test_on_a_frozen_bert_base_a_bare_head_trains_3076_parameters() -> None:
    head = ClassifierHead(num_classes=4, dropout=0.1)

    head(tf.zeros((1, 768)))

    assert sum(weight.shape.num_elements() for weight in head.trainable_weights) == 3_076


def test_a_model_with_an_encoder_cannot_be_built_without_one() -> None:
    with pytest.raises(ValueError, match="bert_frozen needs its encoder"):
        build(None, kind="bert_frozen")  # type: ignore[arg-type]
