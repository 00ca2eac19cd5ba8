"""The network that is served against the matrix that was learnt from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from agnews.components.linear.count_ngrams import count_ngrams
from agnews.components.linear.fit_linear import LinearFit, fit_linear
from agnews.components.linear.linear_classifier import LinearClassifier
from agnews.components.linear.ngram_hash import NgramHash
from agnews.components.modeling.attribute_to_tokens import attribute_to_tokens
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import PADDING_MASK, TOKEN_IDS

Cut = Callable[[Sequence[str]], tuple[NDArray[np.int32], NDArray[np.int64]]]
HashOf = Callable[..., NgramHash]


@pytest.fixture(scope="module")
def fitted(texts: list[str], cut: Cut, hash_of: HashOf) -> LinearFit:
    """The class is told by a letter."""
    labels = np.array([2 if "g" in text else int("a" in text) for text in texts])
    return fit_linear(hash_of(), count_ngrams(hash_of(), *cut(texts)), labels, num_classes=3, min_count=2, cost=1.0)


@pytest.fixture(scope="module")
def network(fitted: LinearFit) -> LinearClassifier:
    return LinearClassifier(fitted.ngrams, fitted.columns, fitted.weights, name="linear")


def inputs_of(texts: list[str], cut: Cut) -> dict[str, tf.Tensor]:
    ids = tf.RaggedTensor.from_row_splits(*cut(texts))
    return {TOKEN_IDS: ids.to_tensor(), PADDING_MASK: tf.sequence_mask(ids.row_lengths())}


def test_what_is_served_is_what_was_learnt(
    fitted: LinearFit, network: LinearClassifier, texts: list[str], cut: Cut
) -> None:
    others = ["h g f hhh", *reversed(texts)]
    ids, splits = cut(others)

    served = tf.function(network)(inputs_of(others, cut)).numpy()

    np.testing.assert_allclose(served, fitted.score(ids, splits), atol=1e-5)
    np.testing.assert_allclose(network(inputs_of(texts, cut)), fitted.scores, atol=1e-5)
    assert np.ptp(served) > 0.5


def test_a_text_gets_the_same_answer_whatever_it_is_batched_with(network: LinearClassifier, cut: Cut) -> None:
    together = network(inputs_of(["a b", "", "cab bad cab bad cab"], cut)).numpy()

    for number, text in enumerate(["a b", "", "cab bad cab bad cab"]):
        np.testing.assert_allclose(network(inputs_of([text], cut))[0], together[number], atol=1e-6)
    nothing = network({TOKEN_IDS: tf.zeros([0, 0], tf.int32), PADDING_MASK: tf.zeros([0, 0], tf.bool)})
    assert nothing.shape == (0, 3)


def test_shares_of_word_pieces_add_up_to_the_logits(network: LinearClassifier, texts: list[str], cut: Cut) -> None:
    inputs = inputs_of(texts, cut)

    halves = network.classify(network.embed(inputs[TOKEN_IDS]), inputs[PADDING_MASK])

    np.testing.assert_allclose(halves, network(inputs), atol=1e-5)


def test_a_word_speaks_with_the_very_weights_of_its_ngrams(network: LinearClassifier, cut: Cut) -> None:
    """Of a text of one word, every n-gram within it is its own."""
    inputs = inputs_of(["bad"], cut)
    (shares,) = network.embed(inputs[TOKEN_IDS])

    np.testing.assert_allclose(tf.reduce_sum(shares[0, 1:4], axis=0), network(inputs)[0] - network.bias, atol=1e-6)
    np.testing.assert_array_equal(shares[0, 0], 0.0)
    np.testing.assert_array_equal(shares[0, -1], 0.0)


def test_contributions_are_towards_the_class_and_name_the_letter(
    network: LinearClassifier, cut: Cut, tokens: tuple[str, ...]
) -> None:
    inputs = inputs_of(["b c g d"], cut)
    class_ids = tf.argmax(network(inputs), axis=1)

    found = attribute_to_tokens(
        network, inputs[TOKEN_IDS], inputs[PADDING_MASK], class_ids, unknown_id=1, special_ids=(0, 2, 3)
    ).numpy()

    assert class_ids.numpy().tolist() == [2]
    assert tokens[inputs[TOKEN_IDS].numpy()[0, found[0].argmax()]] == "g"


def test_more_weights_than_memory_holds_are_refused_before_they_are_made(
    texts: list[str], cut: Cut, hash_of: HashOf
) -> None:
    labels = np.zeros(len(texts), np.int64)

    counts = count_ngrams(hash_of(), *cut(texts))
    with pytest.raises(AgnewsError, match="does not fit into memory") as caught:
        fit_linear(hash_of(), counts, labels, num_classes=2**24, min_count=1, cost=1.0, section="model.linear")
    assert "--set model.linear.min_count=5" in str(caught.value.fix)
