"""What a file of predictions shows beyond the figures of the evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from agnews.components.evaluator.answered_rows import AnsweredRows
from agnews.components.evaluator.tally import CALIBRATION_BINS, calibration_bin
from agnews.components.linear.find_doubtful_labels import find_doubtful_in
from agnews.schemas import predictions as columns
from agnews.schemas.prediction_review import CalibrationBin, CoveragePoint, DoubtfulRow, PredictionReview

_SHOWN, _LOST_SHOWN = 20, 10
_MOST_CHARACTERS = 500


def review_predictions(source: pa.Table | pq.ParquetFile, class_names: Sequence[str]) -> PredictionReview:
    """Reviews predictions.

    Args:
        source: With the columns of `agnews.schemas.predictions`; at least one row. Of a file, few probabilities are in
            memory at once.
        class_names: Names of the classes.

    Returns:
        The review. Rows without an answer count for calibration as answers without any confidence, as they do in the
        evaluation, and are not listed: no model that gives such answers is of use.
    """
    all_rows = AnsweredRows(source, len(class_names))
    table = all_rows.table
    labels, answers = (table[name].to_numpy() for name in (columns.LABEL, columns.CLASS_ID))
    answered = answers != columns.NO_CLASS
    confidence = np.zeros(len(labels))
    for block, shares in all_rows.blocks():
        confidence[block] = np.where(answered[block], np.nan_to_num(shares.max(axis=1)), 0.0)
    right = answers == labels
    mistakes = _surest_first(np.flatnonzero(answered & ~right), confidence)
    usable = np.flatnonzero(answered)

    def of_usable() -> Iterator[tuple[slice, NDArray[np.float32]]]:
        start = 0
        for block, shares in all_rows.blocks():
            kept = shares[answered[block]]
            yield slice(start, start + len(kept)), kept
            start += len(kept)

    doubtful = usable[find_doubtful_in(of_usable, labels[usable], classes=len(class_names))] if len(usable) else usable
    # The surest mistakes are the most doubtful labels as well: nobody has to read them twice.
    others = doubtful[~np.isin(doubtful, mistakes[:_SHOWN])]
    baseline = table[columns.BASELINE_CLASS_ID].to_numpy(zero_copy_only=False)
    lost = mistakes[baseline[mistakes] == labels[mistakes]]
    parts = mistakes[:_SHOWN], others[:_SHOWN], lost[:_LOST_SHOWN]
    probabilities = all_rows.at(np.concatenate(parts).tolist())
    shown = [tuple(_rows(table, part.tolist(), probabilities, class_names)) for part in parts]

    return PredictionReview(
        rows=len(labels),
        calibration=tuple(calibration_bins(confidence, right)),
        coverage=tuple(_coverage(confidence, right)),
        mistakes=shown[0],
        mistakes_in_all=len(mistakes),
        doubtful_labels=shown[1],
        doubtful_labels_in_all=len(doubtful),
        lost=shown[2],
    )


def _surest_first(positions: NDArray[np.int64], confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    return positions[np.argsort(-confidence[positions], kind="stable")]


def calibration_bins(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> Iterable[CalibrationBin]:
    """Sorts answers by their probability.

    Args:
        confidence: (answers,) what each was given.
        right: (answers,) whether it is true.

    Yields:
        Bins that have answers, by rising probability.
    """
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
    table: pa.Table,
    positions: Sequence[int],
    probabilities: Mapping[int, NDArray[np.float32]],
    class_names: Sequence[str],
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
            label_probability=float(probabilities[position][label]),
            answer_probability=float(probabilities[position][answer]),
        )
