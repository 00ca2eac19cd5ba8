"""Rows that no figure can tell apart, counted instead of kept."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agnews.schemas.predictions import NO_CLASS

CALIBRATION_BINS = 15

MANY_CLASSES = 100
"""Of more than so many, nothing that grows with their square, or with rows times classes, is kept: cells have no
probabilities, the evaluation has no matrix, and no result of TFMA lies beside it."""


def calibration_bin(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """Returns the bin `(i/15, (i+1)/15]` of each confidence; 0 belongs to the first bin."""
    return np.clip(np.ceil(confidence * CALIBRATION_BINS).astype(np.int64) - 1, 0, CALIBRATION_BINS - 1)


@dataclass(frozen=True)
class Cell:
    """Rows with the same true class, answer, confidence bin, length bucket and markup.

    Attributes:
        label: Position of the true class.
        answer: Position of the predicted class, or `NO_CLASS`.
        length: Position in `LENGTH_BUCKETS`.
        has_markup: `yes` or `no`.
        count: Rows.
        probabilities: (classes,) mean over the rows; zeros where the answer is `NO_CLASS`. Empty where there are more
            than `MANY_CLASSES`.
    """

    label: int
    answer: int
    length: int
    has_markup: str
    count: int
    probabilities: NDArray[np.float64]


class Tally:
    """Counts of rows by all that figures depend on.

    Accuracy, precision, recall and F1 depend on pairs of true class and answer; the calibration error depends on the
    mean confidence in each bin; slices depend on their features. So a few hundred weighted cells give the very
    figures of a million rows, and TFMA, which handles its input row by row in Python, needs two seconds for either.
    """

    def __init__(self) -> None:
        self._counts: defaultdict[tuple[int, int, int, int, bool], int] = defaultdict(int)
        self._sums: dict[tuple[int, int, int, int, bool], NDArray[np.float64]] = {}

    def add(
        self,
        *,
        label: NDArray[np.int64],
        answer: NDArray[np.int64],
        probabilities: NDArray[np.float32],
        length: NDArray[np.int64],
        has_markup: NDArray[np.bool_],
    ) -> None:
        """Counts rows.

        Args:
            label: (rows,) positions of the true classes.
            answer: (rows,) positions of the predicted classes, or `NO_CLASS`.
            probabilities: (rows, classes).
            length: (rows,) positions in `LENGTH_BUCKETS`.
            has_markup: (rows,).
        """
        confidence = np.where(answer != NO_CLASS, probabilities.max(axis=1), 0.0).astype(np.float64)
        bins = calibration_bin(confidence)
        keys, cell_of_row = np.unique(
            np.stack([label, answer, bins, length, has_markup.astype(np.int64)], axis=1), axis=0, return_inverse=True
        )
        counts = np.bincount(cell_of_row, minlength=len(keys))
        classes = probabilities.shape[1]
        sums = np.zeros((len(keys), classes if classes <= MANY_CLASSES else 0))
        if sums.size:
            usable = np.where((answer != NO_CLASS)[:, None], probabilities, 0.0).astype(np.float64)
            np.add.at(sums, cell_of_row, usable)
        for key_row, count, total in zip(keys.tolist(), counts.tolist(), sums, strict=True):
            key = (key_row[0], key_row[1], key_row[2], key_row[3], bool(key_row[4]))
            self._counts[key] += count
            self._sums[key] = self._sums.get(key, 0.0) + total

    def cells(self) -> list[Cell]:
        """Returns the cells that have rows, in a fixed order."""
        return [
            Cell(
                label=key[0],
                answer=key[1],
                length=key[3],
                has_markup="yes" if key[4] else "no",
                count=self._counts[key],
                probabilities=self._sums[key] / self._counts[key],
            )
            for key in sorted(self._counts)
        ]


_TOLERANCE = 1e-3


def answers(probabilities: NDArray[np.float32], *, one_class: bool = True) -> NDArray[np.int64]:
    """Takes the top class of each row that is a distribution.

    Args:
        probabilities: (rows, classes).
        one_class: Whether a text has one class; otherwise each probability is one of its own.

    Returns:
        (rows,) positions of the largest probability; `NO_CLASS` where the row holds NaN, infinity or a negative
        number, or does not sum to one; of several classes, more than one.
    """
    with np.errstate(invalid="ignore"):
        whole = probabilities.sum(axis=1, dtype=np.float64) if one_class else probabilities.max(axis=1, initial=0.0)
        usable = (
            np.isfinite(probabilities).all(axis=1)
            & (probabilities >= -_TOLERANCE).all(axis=1)
            & (np.abs(whole - 1.0) <= _TOLERANCE if one_class else whole <= 1.0 + _TOLERANCE)
        )
    top = np.where(usable[:, None], probabilities, 0.0).argmax(axis=1)
    return np.where(usable, top, NO_CLASS).astype(np.int64)
