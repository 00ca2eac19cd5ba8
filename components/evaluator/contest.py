"""The figure that models are compared by, on the rows that it is about, with the test that goes with it."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from agnews.components.evaluator.answer_columns import Answers
from agnews.components.evaluator.compare import Comparison, Rival, compare, compare_each
from agnews.components.evaluator.f1_test import f1_of, f1_test
from agnews.components.evaluator.split_answers import CANDIDATE, SplitAnswers
from agnews.schemas.evaluation import PairedTest
from agnews.schemas.promotion_metric import PromotionMetric


class Contest:
    """Compares what models answered on a split.

    Accuracy is the share of all rows, and the recall of a class that of its rows: both are compared by McNemar's test.
    F1 is no share, and is compared by `f1_test`. Of several classes a text, accuracy is the share of the rows that are
    given exactly their classes.

    Args:
        metric: The figure.
        split: The rows, with the answers of the candidate and of others.
        num_classes: How many classes there are.
    """

    def __init__(self, metric: PromotionMetric, split: SplitAnswers, num_classes: int) -> None:
        self._metric, self._split, self._num_classes = metric, split, num_classes
        whole = np.ones(len(split.label), bool)
        self._rows: NDArray[np.bool_] = whole if metric.class_id is None else split.has(metric.class_id)

    def rival(self, version: str, model: str, best_of: int = 1) -> Rival:
        """Makes a model one that others are compared with.

        Args:
            version: Its number, or a name.
            model: Whose answers they are, a key of `SplitAnswers.by_model`.
            best_of: How many models on these rows it is the best of.
        """
        answer = self._split.by_model[model]
        right = self._split.right(model, self._metric.class_id)[self._rows]
        return Rival(version, right, best_of, None if self._metric.is_share else self._f1(answer), answer)

    def compare(self, *, baseline: Rival | None, anchor: Rival | None, alpha: float, margin: float) -> Comparison:
        """Tests the candidate against both, as `compare` does.

        Args:
            baseline: The model in production.
            anchor: The best model ever pushed on these rows.
            alpha: Level of both tests together.
            margin: What the candidate may be worse than the anchor.

        Returns:
            The tests. Where no row is of the class that the figure is about, there is nothing to compare: neither test.
        """
        if not self._rows.any():
            return Comparison(None, None)
        if self._metric.is_share:
            right = self._split.right(CANDIDATE, self._metric.class_id)[self._rows]
            found = compare(right, baseline=baseline, anchor=anchor, alpha=alpha, margin=margin)
            return Comparison(self._named(found.baseline), self._named(found.anchor))
        return compare_each(
            baseline,
            anchor,
            alpha,
            against_baseline=self._test_f1,
            against_anchor=partial(self._test_f1, margin=margin, of_anchor=True),
        )

    def _test_f1(self, rival: Rival, alpha: float, *, margin: float = 0.0, of_anchor: bool = False) -> PairedTest:
        if rival.answer is None:
            raise ValueError("a rival without answers has no F1")
        return f1_test(
            baseline=rival.version,
            label=self._split.label,
            candidate=self._split.by_model[CANDIDATE],
            rival=rival.answer,
            num_classes=self._num_classes,
            average=self._metric.average,
            alpha=alpha,
            margin=margin,
            best_of=rival.best_of if of_anchor else 0,
        )

    def _named(self, test: PairedTest | None) -> PairedTest | None:
        return test and test.model_copy(update={"metric": self._metric.title})

    def _f1(self, answer: Answers) -> float:
        return f1_of(self._split.label, answer, self._num_classes, average=self._metric.average)
