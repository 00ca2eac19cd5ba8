from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from agnews.components.training.find_shares import find_shares
from agnews.components.training.find_temperature import find_temperature


def drawn(rows: int, *, scales: tuple[float, ...], seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Labels drawn from the sum of what each classifier says, times its scale."""
    random = np.random.default_rng(seed)
    logits = [random.normal(size=(rows, 3)).astype(np.float32) for _ in scales]
    joint = sum(scale * each for scale, each in zip(scales, logits, strict=True))
    labels = (joint + random.gumbel(size=joint.shape)).argmax(axis=1)
    return logits, labels


def test_the_shares_that_labels_were_drawn_with_are_found() -> None:
    logits, labels = drawn(20_000, scales=(2.0, 0.5))
    assert find_shares(logits, labels) == pytest.approx([2.0, 0.5], rel=0.05)


def test_with_two_classes_they_are_those_of_a_logistic_regression() -> None:
    random = np.random.default_rng(1)
    margins = random.normal(size=(5000, 2))
    labels = (margins @ [1.5, 0.7] + random.logistic(size=5000) > 0).astype(np.int64)
    logits = [np.stack([np.zeros(5000), column], axis=1).astype(np.float32) for column in margins.T]
    fitted = LogisticRegression(C=1e6, fit_intercept=False).fit(margins, labels)
    assert find_shares(logits, labels) == pytest.approx(fitted.coef_[0].tolist(), rel=0.01)


def test_what_knows_nothing_has_nothing_to_say() -> None:
    logits, labels = drawn(5000, scales=(2.0, 0.0))
    found = find_shares(logits, labels)
    assert found[1] < 0.1
    assert min(find_shares([logits[0], -logits[0]], labels)) == 0.0, "and what is wrong is not turned round"


def test_for_one_classifier_the_share_is_one_over_the_temperature() -> None:
    (logits,), labels = drawn(2000, scales=(0.4,))
    assert find_shares([logits], labels)[0] == pytest.approx(1 / find_temperature(logits, labels), rel=1e-3)


def test_without_rows_all_have_the_same_to_say() -> None:
    assert find_shares([np.zeros((0, 4), np.float32)] * 2, np.zeros(0, np.int64)) == [1.0, 1.0]
