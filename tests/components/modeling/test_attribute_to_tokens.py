"""Contributions against the network itself, entered through its front door."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from numpy.typing import NDArray

from agnews.components.encoders.resolve_encoder import Encoder
from agnews.components.modeling.attribute_to_tokens import attribute_to_tokens
from agnews.components.modeling.factory import build_model
from agnews.components.modeling.transformer_classifier import TransformerClassifier
from agnews.schemas.features import PADDING_MASK, TOKEN_IDS
from agnews.schemas.learning_config import parse_model_config

PAD, UNKNOWN, CLS, SEP = 0, 1, 2, 3
SPECIAL = (PAD, CLS, SEP)
IDS = np.array([[2, 7, 8, 9, 10, 3], [2, 20, 8, 3, 0, 0], [2, 3, 0, 0, 0, 0]], np.int32)
CLASS_IDS = np.array([1, 3, 0])
_STEPS = 200  # A ReLU's gradient jumps, so the sum over the way comes close slowly.


@pytest.fixture(scope="module", params=["transformer", "without_pairs", "mean", "pooled", "frozen", "layers"])
def network(request: pytest.FixtureRequest, tiny_encoder: Encoder) -> keras.Model:
    """Each kind of network, as the factory makes it, with weights that make every piece count."""
    settings: dict[str, object] = {
        "transformer": {"hidden_dim": 8, "num_heads": 2, "min_token_count": 0, "bigram_buckets": 100},
        "without_pairs": {"hidden_dim": 8, "num_heads": 2, "min_token_count": 0, "bigram_buckets": 0},
        "mean": {"kind": "bert_finetune", "pooling": "mean"},
        "pooled": {"kind": "bert_finetune", "pooling": "pooled"},
        "frozen": {"kind": "bert_frozen", "pooling": "mean", "head_dim": 8},
        "layers": {"kind": "bert_frozen", "pooling": "layers", "head_dim": 8},
    }[request.param]
    keras.utils.set_random_seed(4)
    network = build_model(
        parse_model_config(settings),
        token_counts=np.ones(96, np.int64),
        unknown_id=UNKNOWN,
        special_ids=SPECIAL,
        max_length=16,
        num_classes=4,
        encoder=tiny_encoder if "kind" in settings else None,
    ).network
    random = np.random.default_rng(0)
    for weight in network.weights:
        if "token_embedding" in weight.name or "logits/kernel" in weight.name:
            weight.assign(random.normal(size=weight.shape))
        if "pair_table" in weight.name:
            weight.assign(random.normal(size=weight.shape, scale=0.05))
    return network


def attribute(network: keras.Model, ids: NDArray[np.int32] = IDS, steps: int = _STEPS) -> NDArray[np.float32]:
    contributions: NDArray[np.float32] = attribute_to_tokens(
        network,
        tf.constant(ids),
        tf.constant(ids != PAD),
        tf.constant(CLASS_IDS[: len(ids)]),
        unknown_id=UNKNOWN,
        special_ids=SPECIAL,
        steps=steps,
    ).numpy()
    return contributions


def log_odds(network: keras.Model, ids: NDArray[np.int32], temperature: float = 1.0) -> NDArray[np.float64]:
    """From the probabilities that are served."""
    logits = network({TOKEN_IDS: tf.constant(ids), PADDING_MASK: tf.constant(ids != PAD)}, training=False)
    own = tf.nn.softmax(tf.cast(logits, tf.float64) / temperature).numpy()[np.arange(len(ids)), CLASS_IDS[: len(ids)]]
    return np.log(own / (1 - own))


def unreadable(ids: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.where(np.isin(ids, SPECIAL), ids, UNKNOWN).astype(np.int32)


def test_both_halves_together_are_the_network(network: keras.Model) -> None:
    ids, mask = tf.constant(IDS), tf.constant(IDS != PAD)

    halves = network.classify(network.embed(ids), mask)

    np.testing.assert_allclose(halves, network({TOKEN_IDS: ids, PADDING_MASK: mask}, training=False), atol=1e-5)


def test_a_row_adds_up_to_what_reading_it_changes(network: keras.Model) -> None:
    expected = log_odds(network, IDS) - log_odds(network, unreadable(IDS))

    assert np.ptp(expected) > 0.1, "the toy says the same of every text"
    np.testing.assert_allclose(attribute(network).sum(axis=1), expected, rtol=5e-3, atol=2e-3)


def test_contributions_are_those_to_the_probabilities_that_are_served(
    make_classifier: Callable[..., TransformerClassifier],
) -> None:
    """Which are calibrated: logits are divided by a temperature."""
    network = make_classifier()
    sharp, soft = (log_odds(network, ids, temperature=2.5) for ids in (IDS, unreadable(IDS)))

    found = attribute_to_tokens(
        network,
        tf.constant(IDS),
        tf.constant(IDS != PAD),
        tf.constant(CLASS_IDS),
        unknown_id=UNKNOWN,
        special_ids=SPECIAL,
        temperature=2.5,
        steps=_STEPS,
    )

    np.testing.assert_allclose(found.numpy().sum(axis=1), sharp - soft, rtol=5e-3, atol=1e-3)


def test_special_pieces_and_padding_contribute_nothing(network: keras.Model) -> None:
    contributions = attribute(network)

    assert np.all(contributions[np.isin(IDS, SPECIAL)] == 0.0)
    assert np.all(contributions[~np.isin(IDS, SPECIAL)] != 0.0)


def test_a_row_does_not_depend_on_its_padding(network: keras.Model) -> None:
    np.testing.assert_allclose(attribute(network)[1:2, :4], attribute_one(network, IDS[1:2, :4]), atol=1e-5)


def attribute_one(network: keras.Model, ids: NDArray[np.int32]) -> NDArray[np.float32]:
    contributions: NDArray[np.float32] = attribute_to_tokens(
        network,
        tf.constant(ids),
        tf.constant(ids != PAD),
        tf.constant([CLASS_IDS[1]]),
        unknown_id=UNKNOWN,
        special_ids=SPECIAL,
        steps=_STEPS,
    ).numpy()
    return contributions


def test_agrees_with_the_tape_on_the_table_of_vectors(
    make_classifier: Callable[..., TransformerClassifier],
) -> None:
    """The reference never sees the halves: on each step of the way the table itself holds the vectors of that place."""
    network = make_classifier(bigram_buckets=0)
    ids = IDS[:1]
    log_odds(network, ids)  # makes the weights
    (table,) = network.token_embedding.weights
    table.assign(np.random.default_rng(1).normal(size=table.shape))
    whole = table.numpy()
    found = attribute(network, ids)

    inputs = {TOKEN_IDS: tf.constant(ids), PADDING_MASK: tf.constant(ids != PAD)}

    @tf.function
    def gradient() -> tf.Tensor:
        with tf.GradientTape() as tape:
            own = tf.nn.softmax(network(inputs, training=False))[0, CLASS_IDS[0]]
            target = tf.math.log(own / (1.0 - own))
        return tf.convert_to_tensor(tape.gradient(target, table))

    way = whole - whole[UNKNOWN]
    way[list(SPECIAL)] = 0.0
    total = np.zeros_like(whole)
    for place in (np.arange(_STEPS) + 0.5) / _STEPS:
        table.assign(whole - (1 - place) * way)
        total += gradient().numpy() / _STEPS

    np.testing.assert_allclose(found[0], np.sum(total * way, axis=1)[ids[0]], rtol=2e-2, atol=2e-3)


def test_linear_networks_are_exact_with_a_single_step(
    make_classifier: Callable[..., TransformerClassifier],
) -> None:
    """Two classes and nothing but pairs: the log-odds are a sum over pairs, and each piece gets half of its own."""
    network = make_classifier(bigram_buckets=97, num_classes=2)
    ids = np.array([[2, 7, 8, 9, 3]], np.int32)
    log_odds(network, ids)
    for weight in network.weights:
        if "logits" in weight.name:
            weight.assign(tf.zeros_like(weight))
    network.bigrams.table.assign(np.random.default_rng(2).normal(size=(97, 2)))

    found = attribute(network, ids, steps=1)

    table = network.bigrams.table.numpy()
    difference = table[:, 1] - table[:, 0]

    def pair(first: int, second: int) -> float:
        weight = difference[(first * 1_000_003 + second) % 97] - difference[(1_000_003 + 1) % 97]
        return float(20 * weight / np.sqrt(2))

    np.testing.assert_allclose(
        found[0], [0, pair(7, 8) / 2, (pair(7, 8) + pair(8, 9)) / 2, pair(8, 9) / 2, 0], rtol=1e-4, atol=1e-5
    )


def test_a_network_that_is_as_sure_as_can_be_is_explained_all_the_same(
    make_classifier: Callable[..., TransformerClassifier],
) -> None:
    network = make_classifier()
    log_odds(network, IDS)
    for weight in network.weights:
        if "logits/kernel" in weight.name:
            weight.assign(tf.random.normal(weight.shape, stddev=1e4))

    found = attribute(network)

    assert np.all(np.isfinite(found))
    assert np.any(found != 0.0)


def test_no_rows_have_no_contributions(make_classifier: Callable[..., TransformerClassifier]) -> None:
    network = make_classifier()
    log_odds(network, IDS)

    assert attribute(network, np.zeros((0, 4), np.int32)).shape == (0, 4)
