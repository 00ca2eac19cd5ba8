from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from agnews.components.evaluator.answer_columns import as_column
from agnews.components.report.review_sets import review_sets
from agnews.schemas import predictions as columns

NAMES = ("sports", "money")
SHARES = np.array([[0.9, 0.8], [0.6, 0.1], [0.9, 0.1], [0.2, 0.3]], np.float32)
LABELS = np.array([[1, 1], [0, 0], [0, 1], [0, 0]])
ANSWERS = np.array([[1, 1], [1, 0], [1, 0], [0, 0]])


def table(baseline: np.ndarray | None) -> pa.Table:
    rows = len(LABELS)
    before = pa.nulls(rows, pa.list_(pa.int64())) if baseline is None else as_column(baseline)
    return pa.table(
        {
            columns.ROW: np.arange(1, rows + 1),
            columns.TEXT: [f"text {row}" for row in range(rows)],
            columns.LABEL: as_column(LABELS),
            columns.CLASS_ID: as_column(ANSWERS),
            columns.PROBABILITIES: pa.array(SHARES.tolist(), pa.list_(pa.float32())),
            columns.BASELINE_CLASS_ID: before,
        }
    )


def test_the_surest_mistakes_come_first_with_all_of_their_classes() -> None:
    found = review_sets(table(None), NAMES)

    assert (found.rows, found.mistakes_in_all) == (4, 2)
    first, second = found.mistakes
    assert (first.row, first.label, first.answer) == (3, "money", "sports")
    assert first.label_probability == pytest.approx(0.1 * 0.1)
    assert first.answer_probability == pytest.approx(0.9 * 0.9)
    assert (second.row, second.label, second.answer) == (2, "(none)", "sports")
    assert found.lost == ()


def test_calibration_counts_each_class_of_each_text() -> None:
    found = review_sets(table(None), NAMES)
    assert sum(each.count for each in found.calibration) == 8
    (sure,) = (each for each in found.calibration if each.low < 0.9 <= each.high)
    assert (sure.count, sure.accuracy) == (2, 0.5)


def test_what_the_baseline_had_right_is_lost() -> None:
    assert [each.row for each in review_sets(table(LABELS), NAMES).lost] == [3, 2]
