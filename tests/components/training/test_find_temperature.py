from __future__ import annotations

import numpy as np
import pytest
from scipy import special
from sklearn.metrics import log_loss

from agnews.components.training.train_classifier import find_temperature


def rows_of_a_calibrated_model(count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from the very probabilities that the logits stand for."""
    chance = np.random.default_rng(5)
    logits = 2.0 * chance.normal(size=(count, 4))
    draws = chance.random((count, 1))
    labels = (special.softmax(logits, axis=1).cumsum(axis=1) < draws).sum(axis=1)
    return logits.astype(np.float32), labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_it_undoes_what_made_a_model_too_sure_or_not_sure_enough(temperature: float) -> None:
    logits, labels = rows_of_a_calibrated_model()
    assert find_temperature(logits * temperature, labels) == pytest.approx(temperature, rel=0.03)


def test_no_other_temperature_has_a_lower_loss_by_scikit_learn() -> None:
    logits, labels = rows_of_a_calibrated_model(2_000)
    found = find_temperature(3.0 * logits, labels)

    def loss(temperature: float) -> float:
        return float(log_loss(labels, special.softmax(3.0 * logits.astype(np.float64) / temperature, axis=1)))

    assert loss(found) <= min(loss(other) for other in np.geomspace(0.1, 10, 200)) + 1e-6


def test_few_rows_without_a_mistake_are_no_reason_to_be_sure_without_bound() -> None:
    labels = np.arange(40) % 4
    logits = np.eye(4, dtype=np.float32)[labels]
    sure = special.softmax(logits / find_temperature(logits, labels), axis=1).max(axis=1)
    assert sure == pytest.approx(np.full(40, 1 - 1 / 44 * 3 / 4), abs=0.002)


def test_without_rows_it_changes_nothing() -> None:
    assert find_temperature(np.zeros((0, 4), np.float32), np.zeros(0, np.int64)) == 1.0
