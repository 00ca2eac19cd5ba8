from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agnews.components.report.review_predictions import find_doubtful_labels


def confident_joint(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> set[int]:
    """Equation 1 of the paper, row by row: positions off the diagonal."""
    classes = range(probabilities.shape[1])
    means = {each: probabilities[labels == each, each].mean() for each in classes if (labels == each).any()}
    found = set()
    for row, label in enumerate(labels):
        counting = [each for each, mean in means.items() if probabilities[row, each] >= mean]
        if counting and max(counting, key=lambda each: probabilities[row, each]) != label:
            found.add(row)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_what_the_definition_finds(seed: int) -> None:
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, 3, 200)
    probabilities = chance.dirichlet(np.ones(4), 200)  # nobody has the label 3
    found = find_doubtful_labels(labels, probabilities)
    assert set(found.tolist()) == confident_joint(labels, probabilities)
    margins = [probabilities[row, labels[row]] - np.delete(probabilities[row], labels[row]).max() for row in found]
    assert margins == sorted(margins)


def test_planted_labels_are_found_first(make_run: Any) -> None:
    made = make_run(rows=400)
    found = find_doubtful_labels(made.labels, made.probabilities.astype(np.float64))
    assert set((found[: len(made.planted)] + 1).tolist()) == made.planted
    assert len(found) < 40, "most rows are beyond doubt"


def test_rows_that_are_sure_of_their_labels_are_left_alone() -> None:
    assert find_doubtful_labels(np.array([0, 1]), np.array([[0.9, 0.1], [0.1, 0.9]])).tolist() == []
