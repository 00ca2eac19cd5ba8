from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from agnews.components.modeling.bigram_branch import BigramBranch

BUCKETS = 997
ROWS = tf.constant([[2, 7, 8, 9, 3], [2, 9, 3, 0, 0], [2, 8, 7, 3, 0]])


def filled_branch(dropout: float = 0.0) -> BigramBranch:
    branch = BigramBranch(num_classes=4, buckets=BUCKETS, special_ids=(0, 2, 3), dropout=dropout)
    branch(ROWS)
    random = np.random.default_rng(0)
    branch.set_weights([random.normal(size=weight.shape) for weight in branch.weights])
    return branch


def test_adds_up_the_weights_of_pairs_of_words() -> None:
    branch = filled_branch()

    logits = branch(ROWS).numpy()

    table, bias = branch.get_weights()

    def weights(first: int, second: int) -> np.ndarray:
        return table[(first * 1_000_003 + second) % BUCKETS]

    np.testing.assert_allclose(logits[0], 20 * (weights(7, 8) + weights(8, 9)) / np.sqrt(2) + bias, rtol=1e-4)
    np.testing.assert_allclose(logits[1], bias, rtol=1e-6)
    np.testing.assert_allclose(logits[2], 20 * weights(8, 7) + bias, rtol=1e-4)


def test_large_ids_do_not_overflow() -> None:
    branch = filled_branch()

    logits = branch(tf.constant([[2, 30_000, 30_001, 3]])).numpy()

    table, bias = branch.get_weights()
    expected = 20 * table[(30_000 * 1_000_003 + 30_001) % BUCKETS] + bias
    np.testing.assert_allclose(logits[0], expected, rtol=1e-4)


def test_leaves_pairs_out_in_training_and_keeps_their_mean() -> None:
    branch = filled_branch(dropout=0.3)
    words = tf.repeat(tf.constant([[2, 7, 8, 3]]), 4000, axis=0)

    dropped = branch(words, training=True, seed=tf.constant([7, 0], tf.int64)).numpy() - branch.get_weights()[1]

    calm = branch(words[:1]).numpy()[0] - branch.get_weights()[1]
    assert abs(np.mean(np.all(dropped == 0.0, axis=1)) - 0.3) < 0.03
    np.testing.assert_allclose(dropped.mean(axis=0), calm, rtol=0.05)


@pytest.mark.parametrize("buckets", [7, 50_000, 262_144, 1 << 21, (1 << 21) + 1, 5_000_011])
def test_pairs_fall_into_the_buckets_that_whole_numbers_give(buckets: int) -> None:
    branch = BigramBranch(num_classes=4, buckets=buckets, special_ids=(0,))
    ids = np.random.default_rng(0).integers(0, 130_000, (2, 20_000)).astype(np.int32)

    found = branch._bucket(tf.constant(ids[0]), tf.constant(ids[1])).numpy()

    np.testing.assert_array_equal(found, (ids[0].astype(np.int64) * 1_000_003 + ids[1]) % buckets)


@pytest.mark.integration
def test_openvino_finds_the_same_buckets() -> None:
    openvino = pytest.importorskip("openvino", reason="the extra openvino is not installed")
    branch = BigramBranch(num_classes=4, buckets=262_144, special_ids=(0,))
    ids = np.random.default_rng(0).integers(0, 130_000, (20, 1000)).astype(np.int32)
    spec = tf.TensorSpec([None, None], tf.int32)
    graph = tf.function(lambda x: branch._bucket(x[:, :-1], x[:, 1:]), input_signature=[spec]).get_concrete_function()

    found = openvino.Core().compile_model(openvino.convert_model(graph), "CPU")(ids)[0]

    np.testing.assert_array_equal(found, (ids[:, :-1].astype(np.int64) * 1_000_003 + ids[:, 1:]) % 262_144)
