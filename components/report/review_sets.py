"""What a file of predictions shows of a model that gives a text several classes, beyond the figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agnews.components.evaluator.answer_columns import exact, from_column, named
from agnews.components.linear.find_doubtful_sets import log_probability
from agnews.components.report.review_predictions import calibration_bins
from agnews.schemas import predictions as columns
from agnews.schemas.prediction_review import DoubtfulRow, PredictionReview

_SHOWN, _LOST_SHOWN = 20, 10
_MOST_CHARACTERS = 500


def review_sets(table: pa.Table, class_names: Sequence[str]) -> PredictionReview:
    """Reviews predictions.

    Args:
        table: With the columns of `agnews.schemas.predictions`; at least one row.
        class_names: Names of the classes.

    Returns:
        The review. The probability of a set of classes is that of all of them and of no other one, if they came
        independently. Calibration is that of each class of each row. Coverage is about the likeliest of classes that
        exclude each other: there is none here.
    """
    classes = len(class_names)
    labels, answers = (from_column(table[name], classes) for name in (columns.LABEL, columns.CLASS_ID))
    shares = table[columns.PROBABILITIES].combine_chunks().flatten().to_numpy().reshape(len(labels), -1)
    usable = answers[:, 0] != columns.NO_CLASS
    of_label, of_answer = (log_probability(shares, each) for each in (labels, answers))
    mistakes = np.flatnonzero(usable & ~exact(answers, labels))
    mistakes = mistakes[np.argsort((of_label - of_answer)[mistakes], kind="stable")]
    lost = mistakes[:0]
    if table[columns.BASELINE_CLASS_ID].null_count == 0:
        baseline = from_column(table[columns.BASELINE_CLASS_ID], classes)
        lost = mistakes[exact(baseline, labels)[mistakes]]

    def rows(positions: NDArray[np.int64]) -> tuple[DoubtfulRow, ...]:
        return tuple(_rows(table, positions.tolist(), np.exp(of_label), np.exp(of_answer), class_names))

    return PredictionReview(
        rows=len(labels),
        calibration=tuple(calibration_bins(np.nan_to_num(shares.astype(np.float64)).ravel(), (labels > 0).ravel())),
        mistakes=rows(mistakes[:_SHOWN]),
        mistakes_in_all=len(mistakes),
        doubtful_labels=(),
        doubtful_labels_in_all=0,
        lost=rows(lost[:_LOST_SHOWN]),
    )


def _rows(
    table: pa.Table,
    positions: Sequence[int],
    of_label: NDArray[np.float64],
    of_answer: NDArray[np.float64],
    class_names: Sequence[str],
) -> Iterable[DoubtfulRow]:
    for position, row in zip(positions, table.take(pa.array(positions, pa.int64())).to_pylist(), strict=True):
        text = row[columns.TEXT]
        yield DoubtfulRow(
            row=row[columns.ROW],
            text=text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1].rstrip() + "…",
            label=named(row[columns.LABEL], class_names) or "",
            answer=named(row[columns.CLASS_ID], class_names) or "",
            label_probability=float(of_label[position]),
            answer_probability=float(of_answer[position]),
        )
