"""Two models compared by F1, row by row: by exchanging their answers, and by drawing rows again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from agnews.components.evaluator.answer_columns import Answers, exact
from agnews.components.evaluator.luck import expected_best
from agnews.components.evaluator.macro_f1 import macro_f1
from agnews.schemas.evaluation import PairedTest, Power
from agnews.schemas.predictions import NO_CLASS

Average = Literal["macro", "micro"]

_DRAWS, _FEWEST_DRAWS = 9_999, 999
_MOST_DRAWN = 10_000_000
"""Draws times kinds of rows: with many classes hardly two rows are of one kind, and fewer draws have to do."""
_AT_ONCE = 64
_SEED = 20_260_101
_LOSS, _SURE = 0.005, 0.9


def f1_test(
    *,
    baseline: str,
    label: Answers,
    candidate: Answers,
    rival: Answers,
    num_classes: int,
    average: Average = "macro",
    alpha: float,
    margin: float = 0.0,
    best_of: int = 0,
) -> PairedTest:
    """Asks whether the candidate's F1 is worse than another model's beyond what chance explains.

    F1 is no share of rows, so McNemar's test does not apply. If both models were equally good, it would not matter
    which of them gave which answer to a row: exchanging them row by row, each with probability one half, shows what
    chance makes of the difference. The interval is that of the difference on rows drawn again from these, as many, both
    models on the same ones. The same answers give the same figures.

    Args:
        baseline: Version of the other model.
        label: (rows,) positions of the true classes; at least one row. Where a row has several, marks (rows, classes).
        candidate: The candidate's answers, of the same shape; `NO_CLASS` is never right.
        rival: The other's.
        num_classes: How many classes there are.
        average: `macro` is the mean over the classes, `micro` the F1 over all of their rows.
        alpha: Level; the interval is one of 1 - 2 alpha.
        margin: What the candidate may be worse.
        best_of: 0 for the model in production. Otherwise the other is an anchor, the best of so many on these rows: its
            luck and the margin are allowed for, and the probability follows from the spread over the rows drawn again,
            by the normal approximation.

    Returns:
        Rows won and lost, the difference in F1 with its interval, and the probability of so large a loss.

    References:
        Yeh (2000), More accurate tests for the statistical significance of result differences,
        https://aclanthology.org/C00-2137: approximate randomization, with one side here.
        Efron, Tibshirani (1993), An Introduction to the Bootstrap, chapter 13: the percentile interval.
    """
    (truth, ours, theirs), counts = _kinds(label, candidate, rival)
    draws = int(np.clip(_MOST_DRAWN // max(1, len(counts)), _FEWEST_DRAWS, _DRAWS))
    random = np.random.default_rng(_SEED)
    sums = _Sums(truth, ours, theirs, num_classes, average)
    right = [exact(each, truth) for each in (ours, theirs)]
    values = sums.both(counts[:, None].astype(np.float64))
    difference, other = float((values[0] - values[1])[0]), float(values[1][0])

    def drawn_again(size: int) -> NDArray[np.float64]:
        ours, theirs = sums.both(random.multinomial(len(label), counts / len(label), size).T.astype(np.float64))
        return ours - theirs

    def exchanged(size: int) -> NDArray[np.float64]:
        return sums.exchanged(counts, random.binomial(counts, 0.5, (size, len(counts))).T.astype(np.float64))

    spread = _drawn(draws, drawn_again)
    error = float(spread.std(ddof=1)) if not exact(ours, theirs).all() else 0.0
    luck = float(expected_best(best_of) * error / np.sqrt(2.0)) if best_of else 0.0
    if error == 0.0:
        p_worse = 1.0
    elif best_of:
        p_worse = float(stats.norm.cdf((difference + margin + luck) / error))
    else:
        # The answers as they are count as one of the exchanges; rounding must not tell equal ones apart.
        p_worse = float((1 + (_drawn(draws, exchanged) <= difference + 1e-12).sum()) / (1 + draws))
    low, high = np.quantile(spread, [alpha, 1.0 - alpha]).tolist()
    return PairedTest(
        baseline=baseline,
        baseline_accuracy=other,
        only_candidate_right=int(counts[right[0] & ~right[1]].sum()),
        only_baseline_right=int(counts[~right[0] & right[1]].sum()),
        difference=difference,
        confidence_interval=(low, high),
        level=1.0 - 2.0 * alpha,
        p_worse=p_worse,
        margin=margin,
        luck=luck,
        best_of=max(best_of, 1),
        power=None if best_of else _power(error, alpha),
        metric=f"{average} F1",
    )


class _Sums:
    """From how often each kind of row is there to F1. Kinds are of label, answer, and the other's answer."""

    def __init__(self, truth: Answers, ours: Answers, theirs: Answers, num_classes: int, average: Average) -> None:
        self._average = average
        self._labels = _by_class(truth, num_classes)
        self._answers = [_by_class(each, num_classes) for each in (ours, theirs)]
        self._right = [each.multiply(self._labels).tocsr() for each in self._answers]

    def both(self, counts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """F1 of both, each (draws,), where kinds are there so often, (kinds, draws)."""
        labels = self._labels @ counts
        ours, theirs = (
            _f1(right @ counts, labels, answers @ counts, self._average)
            for right, answers in zip(self._right, self._answers, strict=True)
        )
        return ours, theirs

    def exchanged(self, counts: NDArray[np.int64], exchanged: NDArray[np.float64]) -> NDArray[np.float64]:
        """The difference where so many rows of each kind, (kinds, draws), have the other's answer."""
        kept = counts[:, None] - exchanged
        labels = (self._labels @ counts)[:, None]
        right, answers = self._right, self._answers
        ours, theirs = (
            _f1(
                right[own] @ kept + right[other] @ exchanged,
                labels,
                answers[own] @ kept + answers[other] @ exchanged,
                self._average,
            )
            for own, other in ((0, 1), (1, 0))
        )
        return ours - theirs


def f1_of(label: Answers, answer: Answers, num_classes: int, *, average: Average) -> float:
    """Returns F1, as `f1_test` compares it.

    Args:
        label: (rows,) positions, or marks (rows, classes).
        answer: Of the same shape.
        num_classes: How many classes there are.
        average: See `f1_test`.
    """
    sums = _Sums(label, answer, answer, num_classes, average)
    return float(sums.both(np.ones((len(label), 1)))[0][0])


def _kinds(label: Answers, candidate: Answers, rival: Answers) -> tuple[list[Answers], NDArray[np.int64]]:
    """Rows with the same label and answers are of one kind: what is different about them, and how many there are."""
    if label.ndim == 1:
        kinds, counts = np.unique(np.stack([label, candidate, rival]), axis=1, return_counts=True)
        return list(kinds), counts
    beside = np.concatenate([each.astype(np.int8) for each in (label, candidate, rival)], axis=1)
    kinds, counts = np.unique(beside, axis=0, return_counts=True)
    return np.split(kinds, 3, axis=1), counts


def _by_class(of: Answers, num_classes: int) -> Any:
    """Marks (classes, kinds), 1 where a class is the label or answer, or one of them."""
    if of.ndim == 2:
        return sparse.csr_matrix((of > 0).T.astype(np.float64))
    rows = np.flatnonzero(of != NO_CLASS)
    return sparse.csr_matrix((np.ones(len(rows)), (of[rows], rows)), shape=(num_classes, len(of)))


def _f1(
    right: NDArray[np.float64], labels: NDArray[np.float64], answers: NDArray[np.float64], average: Average
) -> NDArray[np.float64]:
    """F1 over the first axis, the classes; micro F1 is that of one class with the rows of all."""
    if average == "macro":
        return macro_f1(right, labels, answers)
    return macro_f1(*(each.sum(axis=0, keepdims=True) for each in (right, labels, answers)))


def _drawn(draws: int, draw: Callable[[int], NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate([draw(min(_AT_ONCE, draws - start)) for start in range(0, draws, _AT_ONCE)])


def _power(error: float, alpha: float) -> Power:
    """What the test notices, by the normal approximation."""
    critical = float(stats.norm.ppf(1.0 - alpha))
    if error == 0.0:
        return Power(loss=_LOSS, noticed=0.0, loss_noticed_in_9_of_10=1.0)
    return Power(
        loss=_LOSS,
        noticed=float(stats.norm.cdf(_LOSS / error - critical)),
        loss_noticed_in_9_of_10=(critical + float(stats.norm.ppf(_SURE))) * error,
    )
