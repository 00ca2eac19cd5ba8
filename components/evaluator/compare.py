"""The candidate against the model in production and the best one ever pushed, on the same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agnews.components.evaluator.answer_columns import Answers
from agnews.components.evaluator.paired_test import anchor_test, paired_test
from agnews.schemas.evaluation import PairedTest


@dataclass(frozen=True)
class Rival:
    """A model that was pushed.

    Attributes:
        version: Its number.
        right: (rows,) bool, where its answer is the label.
        best_of: How many models that were pushed on these rows it was chosen from as the best.
        figure: What it is chosen by, the larger the better, where that is not the number of right answers.
        answer: Of all rows of the split, its answers, where a test needs them.
    """

    version: str
    right: NDArray[np.bool_]
    best_of: int = 1
    figure: float | None = None
    answer: Answers | None = None

    @property
    def value(self) -> float:
        """What it is chosen by."""
        return float(self.right.sum()) if self.figure is None else self.figure


@dataclass(frozen=True)
class Comparison:
    """What the tests found.

    Attributes:
        baseline: Against the model in production; None where there is none.
        anchor: Against the best model ever pushed; None where there is none, or where that is in production.
    """

    baseline: PairedTest | None
    anchor: PairedTest | None


def compare(
    right: NDArray[np.bool_], *, baseline: Rival | None, anchor: Rival | None, alpha: float, margin: float
) -> Comparison:
    """Tests a candidate against both, each at half of the level where there are two.

    Args:
        right: (rows,) where the candidate's answer is the label; at least one row.
        baseline: The model in production.
        anchor: The best model ever pushed on these rows.
        alpha: Level of both tests together: how often, at most, a model as good as both is held back.
        margin: What the candidate may be worse than the anchor, a share of the rows.

    Returns:
        The tests.
    """
    return compare_each(
        baseline,
        anchor,
        alpha,
        against_baseline=lambda rival, level: paired_test(
            baseline=rival.version,
            rows=len(right),
            both_right=int((right & rival.right).sum()),
            only_candidate_right=int((right & ~rival.right).sum()),
            only_baseline_right=int((~right & rival.right).sum()),
            alpha=level,
        ),
        against_anchor=lambda rival, level: anchor_test(
            anchor=rival.version,
            best_of=rival.best_of,
            rows=len(right),
            both_right=int((right & rival.right).sum()),
            only_candidate_right=int((right & ~rival.right).sum()),
            only_anchor_right=int((~right & rival.right).sum()),
            alpha=level,
            margin=margin,
        ),
    )


def compare_each(
    baseline: Rival | None,
    anchor: Rival | None,
    alpha: float,
    *,
    against_baseline: Callable[[Rival, float], PairedTest],
    against_anchor: Callable[[Rival, float], PairedTest],
) -> Comparison:
    """Tests a candidate against both with tests of any kind, each at half of the level where there are two.

    Args:
        baseline: The model in production.
        anchor: The best model ever pushed on these rows; not asked where it is the one in production.
        alpha: Level of both tests together.
        against_baseline: The test against the first, at a level.
        against_anchor: The test against the second.

    Returns:
        The tests.
    """
    if anchor is not None and baseline is not None and anchor.version == baseline.version:
        anchor = None
    level = alpha / 2 if baseline is not None and anchor is not None else alpha
    return Comparison(
        None if baseline is None else against_baseline(baseline, level),
        None if anchor is None else against_anchor(anchor, level),
    )
