from __future__ import annotations

import re

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from pydantic import ValidationError

from agnews.components.modeling.classifier import Classifier
from agnews.components.modeling.factory import build_model
from agnews.schemas.errors import AgnewsError
from agnews.schemas.learning_config import parse_model_config


def build(
    config: dict[str, object], vocabulary_size: int = 50, max_length: int = 16, num_classes: int = 4
) -> Classifier:
    return build_model(
        parse_model_config(config),
        token_counts=np.ones(vocabulary_size, np.int64),
        unknown_id=1,
        special_ids=(0, 2, 3),
        max_length=max_length,
        num_classes=num_classes,
    )


def test_the_notebooks_model_is_a_matter_of_configuration() -> None:
    config = {
        "hidden_dim": 32,
        "num_heads": 2,
        "key_dim": 32,
        "num_layers": 1,
        "intermediate_dim": 32,
        "head_dim": 20,
        "bigram_buckets": 0,
    }

    network = build(config, vocabulary_size=20_000, max_length=256).network

    assert network.token_embedding.count_params() + network.position_embedding.count_params() == 648_192
    assert [block.count_params() for block in network.blocks] == [10_656]
    assert network.head.count_params() == 660
    assert network.logits.count_params() == 84
    trained = sum(np.prod(weight.shape) for weight in network.trainable_weights)
    assert trained == 648_192 + 10_656 + 660 + 84


def test_heads_share_the_width_unless_told_otherwise() -> None:
    attention = build({"hidden_dim": 12, "num_heads": 3}).network.blocks[0].attention

    assert (attention.num_heads, attention.key_dim) == (3, 4)


def test_depth_and_dropouts_come_from_the_configuration() -> None:
    network = build({"num_layers": 3, "dropout": 0.25, "word_dropout": 0.5}).network

    assert [block.dropout for block in network.blocks] == [0.25] * 3
    assert network.word_dropout.rate == 0.5


def test_the_seed_decides_about_the_weights() -> None:
    weights = []
    for seed in (5, 5, 6):
        keras.utils.set_random_seed(seed)
        weights.append(np.concatenate([weight.ravel() for weight in build({}).network.get_weights()]))

    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


def test_matrices_decay_and_offsets_gains_and_positions_do_not() -> None:
    classifier = build({})
    optimizer = classifier.create_optimizer(
        learning_rate=0.1, warmup_steps=1, total_steps=10, weight_decay=0.3, clip_norm=None
    )

    for weight in classifier.network.trainable_weights:
        found = [decay for name, decay in optimizer.weight_decays.items() if re.search(name, weight.name)]
        is_matrix = weight.shape.rank >= 2 and not re.search("position|pair_table", weight.name)
        assert found == ([] if is_matrix else [0.0]), weight.name


def test_rare_word_pieces_share_the_vector_of_the_unknown_one() -> None:
    counts = np.array([0, 0, 9, 9, 5, 1, 2, 0, 7])

    classifier = build_model(
        parse_model_config({"min_token_count": 2}),
        token_counts=counts,
        unknown_id=1,
        special_ids=(0, 2, 3),
        max_length=16,
        num_classes=4,
    )

    ids = tf.range(9)[tf.newaxis]
    assert classifier.network.frequent_tokens(ids).numpy().tolist() == [[0, 1, 2, 3, 4, 1, 5, 1, 6]]
    assert classifier.network.token_embedding.input_dim == 7


def test_an_unknown_key_is_an_error() -> None:
    with pytest.raises(ValidationError, match="hidden_size"):
        build({"hidden_size": 12})


def test_ten_thousand_classes_are_learnt_by_a_head_that_grows_with_them_and_not_with_their_square() -> None:
    config = {"bigram_buckets": 64, "dropout": 0.0, "word_dropout": 0.0}
    sizes = []
    for num_classes in (5_000, 10_000):
        network = build(config, num_classes=num_classes).network
        logits = network({"token_ids": np.full((8, 6), 7, np.int32), "padding_mask": np.ones((8, 6), bool)})
        assert logits.shape[-1] == num_classes
        sizes.append(sum(int(np.prod(weight.shape)) for weight in network.trainable_weights))
    # A column of the head and of the table of word pairs for each class, and their biases.
    assert sizes[1] - sizes[0] == 5_000 * (20 + 1 + 64 + 1)

    labels = np.arange(9_992, 10_000)
    rows = {
        "token_ids": np.repeat(np.arange(10, 18, dtype=np.int32)[:, None], 6, axis=1),
        "padding_mask": np.ones((8, 6), bool),
    }
    optimizer, losses = keras.optimizers.Adam(0.02), []
    for _ in range(15):
        with tf.GradientTape() as tape:
            scores = tf.reshape(network(rows, training=True), (8, -1, 10_000))[:, 0]
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, scores, from_logits=True))
        losses.append(float(loss))
        weights = network.trainable_weights
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
    assert losses[0] == pytest.approx(np.log(10_000), abs=0.5)
    assert losses[-1] < losses[0] / 2


def test_a_table_of_word_pairs_that_cannot_be_trained_is_refused_with_a_size_that_can() -> None:
    with pytest.raises(AgnewsError, match="too large to be trained") as caught:
        build({}, num_classes=10_000)
    assert "--set model.bigram_buckets=4096" in caught.value.fix
