from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import log_loss

from agnews.components.training.objective import ClassSets, OneClass, objective_of

RANDOM = np.random.default_rng(1)
MARKS = (RANDOM.random((400, 3)) < (0.5, 0.3, 0.1)).astype(np.int64)
LOGITS = (4.0 * (2 * MARKS - 1) + RANDOM.normal(scale=5.0, size=MARKS.shape)).astype(np.float32)


def test_the_shape_of_a_label_decides() -> None:
    assert isinstance(objective_of(()), OneClass)
    assert isinstance(objective_of((3,)), ClassSets)
    assert OneClass().find_thresholds(LOGITS, MARKS.argmax(axis=1)) is None


def test_the_cross_entropy_of_sets_is_that_of_all_their_classes() -> None:
    expected = sum(log_loss(MARKS[:, each], expit(LOGITS[:, each])) for each in range(3))
    assert ClassSets().cross_entropy(LOGITS, MARKS) == pytest.approx(expected, rel=1e-5)


def test_no_other_temperature_has_a_lower_cross_entropy() -> None:
    objective = ClassSets()
    found = objective.find_temperature(LOGITS, MARKS)
    assert found > 1.2
    best = objective.cross_entropy(LOGITS / found, MARKS)
    assert all(best <= objective.cross_entropy(LOGITS / each, MARKS) + 1e-3 for each in np.linspace(0.2, 8.0, 40))
    assert objective.find_temperature(LOGITS[:0], MARKS[:0]) == 1.0


def test_a_row_is_right_with_all_of_its_classes_alone() -> None:
    logits = np.array([[1.0, -1.0], [1.0, 1.0], [-1.0, -1.0]], np.float32)
    right = ClassSets().right(logits, np.array([[1, 0], [1, 0], [0, 0]]))
    assert right.tolist() == [True, False, True]
