"""What follows from counted rows alone: figures by class and by part, and which classes are taken for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from agnews.components.evaluator.tally import Cell
from agnews.schemas.evaluation import MOST_CONFUSIONS, ClassMetrics, Confusion, SliceMetrics
from agnews.schemas.predictions import NO_CLASS


def class_metrics(cells: Iterable[Cell], class_names: Sequence[str]) -> tuple[ClassMetrics, ...]:
    """Computes the figures of each class against the rest, with the definitions of scikit-learn.

    Args:
        cells: The predictions, counted.
        class_names: Names of the classes.

    Returns:
        One for each class; a ratio without rows is 0.
    """
    right, labels, answers = (np.zeros(len(class_names), np.int64) for _ in range(3))
    for cell in cells:
        labels[cell.label] += cell.count
        if cell.answer != NO_CLASS:
            answers[cell.answer] += cell.count
        if cell.answer == cell.label:
            right[cell.label] += cell.count
    return class_figures(right, labels, answers, class_names)


def class_figures(
    right: NDArray[np.int64], labels: NDArray[np.int64], answers: NDArray[np.int64], class_names: Sequence[str]
) -> tuple[ClassMetrics, ...]:
    """Computes the figures of each class from its rows.

    Args:
        right: (classes,) rows of a class that were given it.
        labels: (classes,) rows of a class.
        answers: (classes,) rows that were given a class.
        class_names: Names of the classes.

    Returns:
        One for each class; a ratio without rows is 0.
    """
    figures = _ratio(right, answers), _ratio(right, labels), _ratio(2 * right, labels + answers)
    return tuple(
        ClassMetrics(name=name, precision=precision, recall=recall, f1=f1, count=count, answers=given)
        for name, precision, recall, f1, count, given in zip(
            class_names, *(each.tolist() for each in (*figures, labels, answers)), strict=True
        )
    )


def confusions(cells: Iterable[Cell], class_names: Sequence[str]) -> tuple[Confusion, ...]:
    """Finds the classes that are taken for each other most often.

    Args:
        cells: The predictions, counted.
        class_names: Names of the classes.

    Returns:
        Pairs of class and wrong answer with their rows, those with most first.
    """
    counted: Counter[tuple[int, int]] = Counter()
    for cell in cells:
        if cell.answer not in (NO_CLASS, cell.label):
            counted[cell.label, cell.answer] += cell.count
    ordered = sorted(counted.items(), key=lambda each: (-each[1], each[0]))
    return tuple(
        Confusion(label=class_names[label], answer=class_names[answer], count=count)
        for (label, answer), count in ordered[:MOST_CONFUSIONS]
    )


def slice_metrics(
    cells: Iterable[Cell], parts: Sequence[tuple[str, Sequence[str], Callable[[Cell], int]]]
) -> tuple[SliceMetrics, ...]:
    """Computes the accuracy on parts of the rows.

    Args:
        cells: The predictions, counted.
        parts: Name of the feature, its values in the order that is wanted, and the position of a cell's value in them.

    Returns:
        One for each value that has rows.
    """
    rows = {feature: np.zeros((len(values), 2), np.int64) for feature, values, _ in parts}
    for cell in cells:
        for feature, _, position in parts:
            rows[feature][position(cell)] += (cell.count, cell.count * (cell.answer == cell.label))
    return tuple(
        SliceMetrics(feature=feature, value=value, count=int(count), accuracy=right / count)
        for feature, values, _ in parts
        for value, (count, right) in zip(values, rows[feature].tolist(), strict=True)
        if count
    )


def _ratio(numerator: NDArray[np.int64], denominator: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator > 0)
