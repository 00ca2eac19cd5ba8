"""The register of metrics: what the Evaluator measures, and how report, card and command line show it.

A new metric is one line in `METRICS` and a class that counts for it. Nothing else names metrics one by one: the
Evaluator writes each figure together with its title and its form, and whoever shows figures shows what stands there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from agnews.components.evaluator.macro_f1 import macro_f1
from agnews.components.evaluator.proper_scores import brier_scores, log_losses
from agnews.components.evaluator.scored import Scored, class_counts
from agnews.components.evaluator.tally import CALIBRATION_BINS, calibration_bin
from agnews.schemas.evaluation import Figure


class Accumulator(Protocol):
    """Counts what a figure follows from, some rows at a time."""

    def add(self, rows: Scored) -> None:
        """Counts rows, or cells, which are then forgotten."""

    def value(self) -> float:
        """Returns the figure on all that was added: at least one row."""


@dataclass(frozen=True)
class Metric:
    """A figure on a set of rows.

    Attributes:
        name: Short name, of letters, digits and underscores.
        title: What people read.
        start: Makes what counts for it: a class, called without arguments for each set of rows.
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
    start: Callable[[], Accumulator]
    shown: Literal["percent", "number"]
    better: Literal["higher", "lower"]
    meaning: str
    needs_rows: bool = False


def measure(metrics: Sequence[Metric], predictions: Iterable[Scored]) -> tuple[Figure, ...]:
    """Measures, and says how the values are to be shown.

    Args:
        metrics: What to measure.
        predictions: At least one row, in one piece or several, of the kind that all these metrics need. They are gone
            through once.

    Returns:
        The figures, in the order of the metrics.

    Raises:
        ValueError: A value is not a finite number.
    """
    counts = [metric.start() for metric in metrics]
    for rows in predictions:
        for count in counts:
            count.add(rows)
    return tuple(_figure(metric, count.value()) for metric, count in zip(metrics, counts, strict=True))


def _figure(metric: Metric, value: float) -> Figure:
    if not math.isfinite(value):
        raise ValueError(f"the metric {metric.name} gave {value} instead of a finite number")
    return Figure(
        name=metric.name,
        title=metric.title,
        value=value,
        shown=metric.shown,
        better=metric.better,
        meaning=metric.meaning,
    )


class ByClass:
    """Counts right answers, labels and answers of each class.

    Args:
        figure: What follows from the three, each (classes,).
    """

    def __init__(self, figure: Callable[..., SupportsFloat]) -> None:
        self._figure = figure
        self._counts: NDArray[np.float64] | float = 0.0

    def add(self, rows: Scored) -> None:
        """See `Accumulator`."""
        self._counts = self._counts + class_counts(rows)

    def value(self) -> float:
        """See `Accumulator`."""
        return float(self._figure(*np.asarray(self._counts)))


class MeanOfRows:
    """The mean over rows of what each costs.

    Args:
        costs: From rows to (rows,).
    """

    def __init__(self, costs: Callable[[Scored], NDArray[np.float64]]) -> None:
        self._costs = costs
        self._sum = self._rows = 0.0

    def add(self, rows: Scored) -> None:
        """See `Accumulator`."""
        self._sum += float((rows.count * self._costs(rows)).sum())
        self._rows += float(rows.count.sum())

    def value(self) -> float:
        """See `Accumulator`."""
        return self._sum / self._rows


class CalibrationError:
    """Says by how much a model's confidence is off, on average over the rows.

    Rows go into 15 bins of equal width by the probability of their top class; in each bin the mean confidence is
    compared with the share of right answers.

    References:
        Guo, Pleiss, Sun, Weinberger (2017), On Calibration of Modern Neural Networks, https://arxiv.org/abs/1706.04599,
        equation 3.
    """

    def __init__(self) -> None:
        self._sums = np.zeros((CALIBRATION_BINS, 3))

    def add(self, rows: Scored) -> None:
        """See `Accumulator`."""
        confidence = rows.probabilities.max(axis=1)
        right = rows.answer == rows.label
        np.add.at(
            self._sums,
            calibration_bin(confidence),
            rows.count[:, None] * np.stack([np.ones_like(confidence), confidence, right], axis=1),
        )

    def value(self) -> float:
        """See `Accumulator`. Between 0 and 1."""
        count, confidence, right = self._sums.T
        return float(np.abs(confidence - right).sum() / count.sum())


def _accuracy(right: NDArray[np.float64], labels: NDArray[np.float64], answers: NDArray[np.float64]) -> float:
    del answers
    return float(right.sum() / labels.sum())


METRICS: list[Metric] = [
    Metric("accuracy", "accuracy", partial(ByClass, _accuracy), "percent", "higher", "Share of right answers."),
    Metric(
        "macro_f1",
        "macro F1",
        partial(ByClass, macro_f1),
        "percent",
        "higher",
        "Mean of the F1 of all classes, each counted alike.",
    ),
    Metric(
        "calibration_error",
        "calibration error",
        CalibrationError,
        "percent",
        "lower",
        f"By how much the probability of the answer is off on average ({CALIBRATION_BINS} bins).",
    ),
    Metric(
        "log_loss",
        "log loss",
        partial(MeanOfRows, log_losses),
        "number",
        "lower",
        "Mean of minus the logarithm of the true class's probability.",
        needs_rows=True,
    ),
    Metric(
        "brier_score",
        "Brier score",
        partial(MeanOfRows, brier_scores),
        "number",
        "lower",
        "Mean squared distance, summed over the classes, between the probabilities and the truth; 0 to 2.",
        needs_rows=True,
    ),
]
"""In the order in which they are shown."""
