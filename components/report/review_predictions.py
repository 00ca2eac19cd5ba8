"""What a file of predictions shows beyond the figures of the evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agnews.components.evaluator.tally import CALIBRATION_BINS, calibration_bin
from agnews.schemas import predictions as columns
from agnews.schemas.prediction_review import CalibrationBin, CoveragePoint, DoubtfulRow, PredictionReview


def find_doubtful_labels(labels: NDArray[np.int64], probabilities: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Finds rows that the model places in another class than their label, as surely as it places that class's own rows.

    A class counts for a row if its probability reaches the class's threshold: its mean over the rows that are labelled
    so. Thresholds by class make up for a model that is less sure of some classes than of others. Among the classes that
    count, the likeliest is taken for the true one; where that is not the label, the label is doubtful.

    Args:
        labels: (rows,) positions of the given classes.
        probabilities: (rows, classes), from a model that has not learnt from these rows.

    Returns:
        Positions of the doubtful rows, the most doubtful first: by the probability of the label minus the largest of
        the others.

    References:
        Northcutt, Jiang, Chuang (2021), Confident learning: estimating uncertainty in dataset labels,
        https://arxiv.org/abs/1911.00068: the off-diagonal of the confident joint (equation 1), ranked by normalised
        margin. We do not prune by estimated noise rates: people look at the rows.
    """
    rows, classes = probabilities.shape
    given = probabilities[np.arange(rows), labels].astype(np.float64)
    count = np.bincount(labels, minlength=classes)
    # A class without rows has no threshold to reach.
    thresholds = np.full(classes, np.inf)
    np.divide(np.bincount(labels, given, minlength=classes), count, out=thresholds, where=count > 0)
    confident, margins = np.empty(rows, np.int64), np.empty(rows)
    step = max(1, _CELLS // classes)
    for start in range(0, rows, step):
        part = slice(start, start + step)
        confident[part], best_other = _place(labels[part], probabilities[part], thresholds)
        margins[part] = given[part] - best_other
    doubtful = np.flatnonzero(confident != labels)
    return doubtful[np.argsort(margins[doubtful], kind="stable")]


_CELLS = 1 << 22
"""Rows times classes at once."""


def _place(
    labels: NDArray[np.int64], probabilities: NDArray[np.floating[Any]], thresholds: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Finds the class that each row is placed in, and the largest probability of any other than its label."""
    shares = probabilities.astype(np.float64)
    counting = np.where(shares >= thresholds, shares, -np.inf)
    confident = np.where(np.isfinite(counting).any(axis=1), counting.argmax(axis=1), labels)
    shares[np.arange(len(labels)), labels] = -np.inf
    return confident, shares.max(axis=1)


_SHOWN, _LOST_SHOWN = 20, 10
_MOST_CHARACTERS = 500


def review_predictions(table: pa.Table, class_names: Sequence[str]) -> PredictionReview:
    """Reviews predictions.

    Args:
        table: With the columns of `agnews.schemas.predictions`; at least one row.
        class_names: Names of the classes.

    Returns:
        The review. Rows without an answer count for calibration as answers without any confidence, as they do in the
        evaluation, and are not listed: no model that gives such answers is of use.
    """
    labels = table[columns.LABEL].to_numpy()
    answers = table[columns.CLASS_ID].to_numpy()
    probabilities = table[columns.PROBABILITIES].combine_chunks().flatten().to_numpy().reshape(len(labels), -1)
    answered = answers != columns.NO_CLASS
    confidence = np.where(answered, np.nan_to_num(probabilities.max(axis=1)), 0.0).astype(np.float64)
    right = answers == labels
    mistakes = _surest_first(np.flatnonzero(answered & ~right), confidence)
    usable = np.flatnonzero(answered)
    doubtful = usable[find_doubtful_labels(labels[usable], probabilities[usable])] if len(usable) else usable
    baseline = table[columns.BASELINE_CLASS_ID].to_numpy(zero_copy_only=False)
    lost = mistakes[baseline[mistakes] == labels[mistakes]]

    def rows(positions: NDArray[np.int64]) -> tuple[DoubtfulRow, ...]:
        return tuple(_rows(table, positions.tolist(), probabilities, class_names))

    return PredictionReview(
        rows=len(labels),
        calibration=tuple(_calibration(confidence, right)),
        coverage=tuple(_coverage(confidence, right)),
        mistakes=rows(mistakes[:_SHOWN]),
        mistakes_in_all=len(mistakes),
        doubtful_labels=rows(doubtful[:_SHOWN]),
        doubtful_labels_in_all=len(doubtful),
        lost=rows(lost[:_LOST_SHOWN]),
    )


def _surest_first(positions: NDArray[np.int64], confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    return positions[np.argsort(-confidence[positions], kind="stable")]


def _calibration(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Iterable[CalibrationBin]:
    bins = calibration_bin(confidence)
    for number in np.unique(bins).tolist():
        inside = bins == number
        yield CalibrationBin(
            low=number / CALIBRATION_BINS,
            high=(number + 1) / CALIBRATION_BINS,
            count=int(inside.sum()),
            confidence=float(confidence[inside].mean()),
            accuracy=float(right[inside].mean()),
        )


def _coverage(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Iterable[CoveragePoint]:
    order = np.argsort(-confidence, kind="stable")
    sorted_, hits = confidence[order], np.cumsum(right[order])
    # Rows of one probability are answered together: a point for each, or as many as can be told apart.
    ends = np.flatnonzero(np.append(sorted_[1:] != sorted_[:-1], True))
    if len(ends) > _POINTS:
        wanted = np.linspace(0, len(sorted_) - 1, _POINTS)
        ends = ends[np.unique(np.minimum(np.searchsorted(ends, wanted), len(ends) - 1))]
    for end in ends.tolist():
        yield CoveragePoint(
            threshold=float(sorted_[end]),
            coverage=(end + 1) / len(sorted_),
            precision=float(hits[end] / (end + 1)),
        )


_POINTS = 60
"""Of the curve."""


def _rows(
    table: pa.Table, positions: Sequence[int], probabilities: NDArray[np.floating[Any]], class_names: Sequence[str]
) -> Iterable[DoubtfulRow]:
    for position, row in zip(positions, table.take(pa.array(positions, pa.int64())).to_pylist(), strict=True):
        label, text = row[columns.LABEL], row[columns.TEXT]
        # What the model says instead of the label: where it agrees, the likeliest of the others.
        others = probabilities[position].copy()
        others[label] = -1.0
        answer = row[columns.CLASS_ID] if row[columns.CLASS_ID] != label else int(others.argmax())
        yield DoubtfulRow(
            row=row[columns.ROW],
            text=text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1].rstrip() + "…",
            label=class_names[label],
            answer=class_names[answer],
            label_probability=float(probabilities[position, label]),
            answer_probability=float(probabilities[position, answer]),
        )
