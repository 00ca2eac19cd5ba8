from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from agnews.components.optimization.find_thresholds import find_thresholds


def drawn(rows: int, shares: tuple[float, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    marks = (random.random((rows, len(shares))) < shares).astype(np.int64)
    scores = 1.2 * marks + random.normal(size=marks.shape) - 1.0
    return (1 / (1 + np.exp(-scores))).round(3), marks


def test_each_threshold_has_the_highest_f1_of_its_class() -> None:
    probabilities, marks = drawn(500, (0.4, 0.2, 0.1))

    thresholds = find_thresholds(probabilities, marks)

    for number, threshold in enumerate(thresholds):
        truth, shares = marks[:, number], probabilities[:, number]
        best = max(f1_score(truth, shares >= each) for each in np.unique(shares))
        assert f1_score(truth, shares >= threshold) == pytest.approx(best)


def test_a_class_of_few_rows_takes_the_threshold_of_all() -> None:
    probabilities, marks = drawn(500, (0.4, 0.3, 0.004))
    assert 0 < marks[:, 2].sum() < 10

    thresholds = find_thresholds(probabilities, marks)

    best = max(f1_score(marks, probabilities >= each, average="micro") for each in np.unique(probabilities))
    assert f1_score(marks, probabilities >= thresholds[2], average="micro") == pytest.approx(best)


def test_a_class_without_rows_and_no_rows_at_all_have_a_threshold() -> None:
    probabilities, marks = drawn(200, (0.4, 0.0))
    assert 0.0 < find_thresholds(probabilities, marks)[1] < 1.0
    assert find_thresholds(probabilities[:0], marks[:0]).tolist() == [0.5, 0.5]


def test_a_class_is_given_on_the_rows_that_its_threshold_was_found_on_as_float32_too() -> None:
    probabilities = np.array([[0.1]] * 10 + [[0.9]] * 10, np.float32)
    thresholds = find_thresholds(probabilities, np.array([[0]] * 10 + [[1]] * 10))
    assert (probabilities >= thresholds)[:, 0].tolist() == [False] * 10 + [True] * 10
