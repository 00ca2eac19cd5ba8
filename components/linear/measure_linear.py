"""What a linear model makes of labelled texts, as a measure of how hard they are to tell apart."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from agnews.components.linear.fit_linear import fit_linear
from agnews.components.linear.ngram_hash import NgramHash
from agnews.components.text.clean import clean
from agnews.components.text.tokenizer import Tokenizer
from agnews.components.text.vocabulary import CLS, PAD, SEP, UNKNOWN, Vocabulary
from agnews.schemas.learning_config import LinearConfig

_LONGEST = 4096
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class LinearMeasure:
    """What a linear model answered.

    Attributes:
        accuracy: Share of the test texts that it was right on.
        answers: int64 (test texts,), classes that it gave.
    """

    accuracy: float
    answers: NDArray[np.int64]


def measure_linear(
    train_texts: Sequence[str],
    train_labels: Sequence[int] | NDArray[np.int64],
    test_texts: Sequence[str],
    test_labels: Sequence[int] | NDArray[np.int64],
    *,
    num_classes: int,
    settings: LinearConfig | None = None,
) -> LinearMeasure:
    """Trains a linear model on some texts and measures it on others.

    It is what `--model linear` trains, but for the vocabulary: texts are cut into characters here, in any language, and
    up to 4,096 of them are read. 30,000 news take about 20 seconds of a processor and 3 GiB, 10,000 questions of 77
    classes about as long; time grows with the characters and, above ten classes, with the classes. Take a part of the
    rows for a quick look: with 3,000 it takes a second or two, and TensorFlow's import.

    Args:
        train_texts: Texts to learn from, as they stand in the corpus; the same in the same order give the same answers.
        train_labels: Their classes, 0-based.
        test_texts: Texts to be measured on.
        test_labels: Their classes.
        num_classes: Classes to tell apart.
        settings: Of the model; None for those of `--model linear`. `char_ngrams` is what decides most, and what suits a
            corpus is found by measuring some on rows kept from train.

    Returns:
        The measure.

    Example:
        >>> rows = ["the match", "a goal and a match", "the war", "war and peace"]
        >>> measure_linear(rows, [0, 0, 1, 1], ["what a match"], [0], num_classes=2).accuracy
        1.0
    """
    settings = settings or LinearConfig()
    vocabulary = _characters(train_texts)
    ngrams = ngram_hash(vocabulary, settings)
    cut = _cutter(vocabulary)
    fitted = fit_linear(
        ngrams,
        *cut(train_texts),
        np.asarray(train_labels, np.int64),
        num_classes=num_classes,
        min_count=settings.min_count,
        cost=settings.cost,
    )
    answers = fitted.score(*cut(test_texts)).argmax(axis=1)
    return LinearMeasure(float(np.mean(answers == np.asarray(test_labels))), answers)


def ngram_hash(vocabulary: Vocabulary, settings: LinearConfig) -> NgramHash:
    """Returns what finds the n-grams that a configuration asks for.

    Args:
        vocabulary: What texts are cut into.
        settings: The section `model`.
    """
    return NgramHash(
        vocabulary.tokens,
        silent_ids=(vocabulary.tokens.index(PAD), vocabulary.cls_id),
        end_id=vocabulary.sep_id,
        unknown_id=vocabulary.unknown_id,
        buckets=settings.buckets,
        word_ngrams=settings.word_ngrams,
        char_ngrams=settings.char_range,
    )


def _characters(texts: Sequence[str]) -> Vocabulary:
    """A vocabulary that cuts texts into characters, and knows all of them."""
    found = set().union(*texts)
    found |= set(unicodedata.normalize("NFD", "".join(found)).lower())
    letters = sorted(each for each in found if not each.isspace() and each.isprintable())
    return Vocabulary("characters", (PAD, UNKNOWN, CLS, SEP, *letters, *(f"##{each}" for each in letters)))


_Cut = Callable[[Sequence[str]], tuple[NDArray[np.int32], NDArray[np.int64]]]


def _cutter(vocabulary: Vocabulary) -> _Cut:
    """Returns what cuts texts into word pieces: ids one behind the other, and where each text begins and ends."""
    tokenizer = Tokenizer(vocabulary, lowercase=True, max_length=_LONGEST)
    graph = tf.function(
        lambda texts: tokenizer(clean(texts)), input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
    )

    def cut(texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        ids, lengths = [np.zeros(0, np.int32)], [np.zeros(1, np.int64)]
        for first in range(0, len(texts), _ROWS_AT_ONCE):
            found = graph(tf.constant(texts[first : first + _ROWS_AT_ONCE], tf.string))
            ids.append(found.flat_values.numpy().astype(np.int32))
            lengths.append(found.row_lengths().numpy())
        return np.concatenate(ids), np.cumsum(np.concatenate(lengths))

    return cut
