from __future__ import annotations

import numpy as np
import pytest

from agnews.components.linear.find_doubtful_labels import find_doubtful_labels
from agnews.components.linear.find_doubtful_sets import find_doubtful_sets, log_probability

RANDOM = np.random.default_rng(4)


def made(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Marks, and a model that is nearly always sure of them."""
    marks = (RANDOM.random((rows, 4)) < (0.5, 0.3, 0.2, 0.0)).astype(np.int64)
    return marks, np.where(marks > 0, RANDOM.beta(9, 1, marks.shape), RANDOM.beta(1, 9, marks.shape))


def test_marks_that_were_turned_round_are_found_with_what_the_row_should_have() -> None:
    truth, shares = made(600)
    planted = {5: 0, 60: 1, 61: 2, 400: 0}
    marks = truth.copy()
    for row, number in planted.items():
        shares[row, number] = 0.97 if truth[row, number] else 0.03
        marks[row, number] = 1 - marks[row, number]

    rows, mended = find_doubtful_sets(marks, shares)

    assert set(rows[:4].tolist()) == set(planted)
    assert mended[:4].tolist() == truth[rows[:4]].tolist()
    assert len(rows) < 30, "most rows are beyond doubt"
    given = np.where(marks > 0, shares, 1.0 - shares)[rows].min(axis=1)
    assert given.tolist() == sorted(given)


def test_of_one_class_it_is_confident_learning_where_the_other_value_is_likelier() -> None:
    truth, _ = made(300)
    shares = RANDOM.random(truth.shape)
    rows, mended = find_doubtful_sets(truth[:, :1], shares[:, :1])
    whole = find_doubtful_labels(truth[:, 0], np.stack([1.0 - shares[:, 0], shares[:, 0]], axis=1)).tolist()
    kept = [row for row in whole if (shares[row, 0] > 0.5) != truth[row, 0]]
    assert kept
    assert rows.tolist() == kept
    assert mended[:, 0].tolist() == (1 - truth[rows, 0]).tolist()


def test_a_class_that_no_row_has_is_missed_in_none() -> None:
    marks, shares = made(50)
    shares[:, 3] = 0.99
    _, mended = find_doubtful_sets(marks, shares)
    assert not mended[:, 3].any()


def test_a_set_is_given_all_of_its_classes_and_no_other_one() -> None:
    found = log_probability(np.array([[0.9, 0.2], [np.nan, 0.5]]), np.array([[1, 0], [0, 1]]))
    assert np.exp(found) == pytest.approx([0.9 * 0.8, 0.5])
