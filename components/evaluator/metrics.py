"""The register of metrics: what the Evaluator measures, and how report, card and command line show it.

A new metric is one line in `METRICS` and its function. Nothing else names metrics one by one: the Evaluator writes each
figure together with its title and its form, and whoever shows figures shows what stands there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agnews.components.evaluator.proper_scores import brier_score, log_loss
from agnews.components.evaluator.scored import Scored, class_counts
from agnews.components.evaluator.tally import CALIBRATION_BINS, calibration_bin
from agnews.schemas.evaluation import Figure


@dataclass(frozen=True)
class Metric:
    """A figure on a set of rows.

    Attributes:
        name: Short name, of letters, digits and underscores.
        title: What people read.
        compute: From predictions to the figure. It is given at least one row, in one piece or several.
        shown: `percent` shows 0.5 as 50.00 %, `number` as 0.5000.
        better: Whether higher or lower is better.
        meaning: A sentence that says what it is.
        needs_rows: Whether it needs each row by itself. If not, it is given rows counted by cell (see `Tally`): that is
            faster, gives a figure for each slice, and is right for what depends on pairs of class and answer, or on
            the mean probability within a bin of confidence. What is not linear in the probabilities of a row, such as
            a logarithm or a square, comes out wrong from cells.
    """

    name: str
    title: str
    compute: Callable[[Iterable[Scored]], float]
    shown: Literal["percent", "number"]
    better: Literal["higher", "lower"]
    meaning: str
    needs_rows: bool = False

    def figure(self, predictions: Iterable[Scored]) -> Figure:
        """Measures, and says how the value is to be shown.

        Args:
            predictions: Of the kind that the metric needs.

        Raises:
            ValueError: The value is not a finite number.
        """
        value = float(self.compute(predictions))
        if not math.isfinite(value):
            raise ValueError(f"the metric {self.name} gave {value} instead of a finite number")
        return Figure(
            name=self.name,
            title=self.title,
            value=value,
            shown=self.shown,
            better=self.better,
            meaning=self.meaning,
        )


def accuracy(predictions: Iterable[Scored]) -> float:
    """Returns the share of right answers."""
    right, labels, _ = class_counts(predictions)
    return float(right.sum() / labels.sum())


def macro_f1(predictions: Iterable[Scored]) -> float:
    """Returns the unweighted mean over the classes of F1, which is 0 for a class without rows and answers."""
    right, labels, answers = class_counts(predictions)
    whole: NDArray[np.float64] = labels + answers
    return float(np.divide(2.0 * right, whole, out=np.zeros_like(right), where=whole > 0).mean())


def calibration_error(predictions: Iterable[Scored]) -> float:
    """Says by how much a model's confidence is off, on average over the rows.

    Rows go into 15 bins of equal width by the probability of their top class; in each bin the mean confidence is
    compared with the share of right answers.

    Args:
        predictions: Rows, or cells.

    Returns:
        Between 0 and 1.

    References:
        Guo, Pleiss, Sun, Weinberger (2017), On Calibration of Modern Neural Networks, https://arxiv.org/abs/1706.04599,
        equation 3.
    """
    sums = np.zeros((CALIBRATION_BINS, 3))
    for chunk in predictions:
        confidence = chunk.probabilities.max(axis=1)
        right = chunk.answer == chunk.label
        np.add.at(
            sums,
            calibration_bin(confidence),
            chunk.count[:, None] * np.stack([np.ones_like(confidence), confidence, right], axis=1),
        )
    count, confidence, right = sums.T
    return float(np.abs(confidence - right).sum() / count.sum())


METRICS: list[Metric] = [
    Metric("accuracy", "accuracy", accuracy, "percent", "higher", "Share of right answers."),
    Metric("macro_f1", "macro F1", macro_f1, "percent", "higher", "Mean of the F1 of all classes, each counted alike."),
    Metric(
        "calibration_error",
        "calibration error",
        calibration_error,
        "percent",
        "lower",
        f"By how much the probability of the answer is off on average ({CALIBRATION_BINS} bins).",
    ),
    Metric(
        "log_loss",
        "log loss",
        log_loss,
        "number",
        "lower",
        "Mean of minus the logarithm of the true class's probability.",
        needs_rows=True,
    ),
    Metric(
        "brier_score",
        "Brier score",
        brier_score,
        "number",
        "lower",
        "Mean squared distance, summed over the classes, between the probabilities and the truth; 0 to 2.",
        needs_rows=True,
    ),
]
"""In the order in which they are shown."""
