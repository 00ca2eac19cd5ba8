"""What a linear model makes of labelled texts, as a measure of how hard they are to tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from agnews.components.linear.counted_texts import CountedTexts
from agnews.components.linear.fit_linear import fit_linear
from agnews.components.optimization.find_thresholds import find_thresholds


@dataclass(frozen=True)
class LabelledSets:
    """Texts of several classes.

    Attributes:
        texts: They.
        marks: int64 (texts, classes), 1 for each class that a text has.
    """

    texts: Sequence[str]
    marks: NDArray[np.int64]


@dataclass(frozen=True)
class LinearMeasure:
    """What a linear model answered.

    Attributes:
        accuracy: Share of the test texts that it was right on.
        answers: int64 (test texts,), classes that it gave.
    """

    accuracy: float
    answers: NDArray[np.integer[Any]]


def measure_linear(
    train: CountedTexts,
    train_labels: Sequence[int] | NDArray[np.int64],
    test_texts: Sequence[str],
    test_labels: Sequence[int] | NDArray[np.int64],
    *,
    num_classes: int,
) -> LinearMeasure:
    """Trains a linear model on some texts and measures it on others.

    It is what `--model linear` trains, but for the vocabulary. With `count_texts`, 30,000 news take about 20 seconds of
    a processor and 3 GiB, 10,000 questions of 77 classes about as long; time grows with the characters and, above ten
    classes, with the classes. Take a part of the rows for a quick look: with 3,000 it takes a second or two, and
    TensorFlow's import.

    Args:
        train: Texts to learn from; the same in the same order give the same answers. Of the settings that they were
            counted with, `char_ngrams` is what decides most, and what suits a corpus is found by measuring some on rows
            kept from train.
        train_labels: Their classes, 0-based.
        test_texts: Texts to be measured on.
        test_labels: Their classes.
        num_classes: Classes to tell apart.

    Returns:
        The measure.

    Example:
        >>> rows = count_texts(["the match", "a goal and a match", "the war", "war and peace"])
        >>> measure_linear(rows, [0, 0, 1, 1], ["what a match"], [0], num_classes=2).accuracy
        1.0
    """
    fitted = fit_linear(
        train.ngrams,
        train.families,
        np.asarray(train_labels, np.int64),
        num_classes=num_classes,
        min_count=train.settings.min_count,
        cost=train.settings.cost,
        rarity_power=train.settings.rarity_power,
    )
    answers = fitted.score(*train.cut(test_texts)).argmax(axis=1)
    return LinearMeasure(float(np.mean(answers == np.asarray(test_labels))), answers)


def measure_linear_sets(
    train: CountedTexts, train_marks: NDArray[np.int64], held: LabelledSets, test: LabelledSets
) -> LinearMeasure:
    """Does the same for texts of several classes.

    Args:
        train: Texts to learn from.
        train_marks: Their classes, (texts, classes), 1 for each that a text has.
        held: Rows that thresholds are fitted on, as those of a trained model are.
        test: Rows to be measured on.

    Returns:
        The measure: rows are right that are given exactly their classes. Answers are marks int8 (test texts, classes).
    """
    fitted = fit_linear(
        train.ngrams,
        train.families,
        train_marks,
        num_classes=train_marks.shape[1],
        min_count=train.settings.min_count,
        cost=train.settings.cost,
        rarity_power=train.settings.rarity_power,
    )
    shares, asked = (special.expit(fitted.score(*train.cut(each.texts))) for each in (held, test))
    answers = (asked >= find_thresholds(shares, held.marks)).astype(np.int8)
    return LinearMeasure(float((answers == test.marks).all(axis=1).mean()), answers)
