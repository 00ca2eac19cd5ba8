"""The documents that evaluation writes and everything later reads: figures, verdict, predictions."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import model_validator

from agnews.schemas.abstention import Abstention
from agnews.schemas.document import Document, Part
from agnews.schemas.linear_check import LabelDoubts


class ClassMetrics(Part):
    """Figures of one class against the rest."""

    name: str
    precision: float
    recall: float
    f1: float
    count: int
    """Rows of this class in the test split."""
    answers: int = 0
    """Rows that were answered so."""


MOST_CONFUSIONS = 50
"""Pairs of classes that are kept; a page shows fewer."""


class Confusion(Part):
    """A class that is taken for another one."""

    label: str
    """Its name."""
    answer: str
    """The name of the other."""
    count: int
    """Rows."""


class Figure(Part):
    """A metric's value, with all that it takes to show it: readers need not know the metric."""

    name: str
    title: str
    value: float
    shown: Literal["percent", "number"]
    better: Literal["higher", "lower"]
    meaning: str = ""
    """A sentence."""

    def show(self, value: float | None = None) -> str:
        """Formats the value, or another one of the same metric.

        Args:
            value: Another value than the figure's own.
        """
        value = self.value if value is None else value
        return f"{100 * value:.2f} %" if self.shown == "percent" else f"{value:.4f}"


class Metrics(Part):
    """Figures on one set of rows."""

    count: int
    accuracy: float
    macro_f1: float
    ece: float
    """Expected calibration error of the top class, 15 bins of equal width."""
    figures: tuple[Figure, ...] = ()
    """All metrics of the evaluation's register, those above among them, in the order in which they are shown."""
    per_class: tuple[ClassMetrics, ...]
    confusion_matrix: tuple[tuple[int, ...], ...] = ()
    """Rows are the true classes, columns the predicted ones. Empty where there are more than 100 classes."""
    confusions: tuple[Confusion, ...] = ()
    """The pairs of class and wrong answer with the most rows, those with most first."""
    unusable: int = 0
    """Rows whose probabilities are no distribution (NaN for example): wrong, and in no column of the matrix."""

    @model_validator(mode="before")
    @classmethod
    def _read_what_0_1_0_wrote(cls, document: Any) -> Any:
        """Takes figures from the keys of their own that they had before there was a register, sums from the matrix."""
        if not isinstance(document, dict):
            return document
        document = _with_sums(document)
        if document.get("figures"):
            return document
        figures = [
            {"name": name, "title": title, "value": document[key], "shown": "percent", "better": better}
            for key, name, title, better in _FIGURES_OF_0_1_0
            if key in document
        ]
        return {**document, "figures": figures}


def _with_sums(document: dict[str, Any]) -> dict[str, Any]:
    """Adds what follows from the matrix, where nobody has counted it yet."""
    given, matrix = document.get("per_class"), document.get("confusion_matrix")
    if not given or not matrix:
        return document
    classes = [each if isinstance(each, dict) else each.model_dump() for each in given]
    if any(each.get("answers") for each in classes):
        return document
    answers = [sum(column) for column in zip(*matrix, strict=True)]
    counted = [
        {"label": each["name"], "answer": other["name"], "count": count}
        for each, counts in zip(classes, matrix, strict=True)
        for other, count in zip(classes, counts, strict=True)
        if count and other is not each
    ]
    return {
        **document,
        "per_class": tuple({**each, "answers": count} for each, count in zip(classes, answers, strict=True)),
        "confusions": tuple(sorted(counted, key=lambda each: -each["count"])[:MOST_CONFUSIONS]),
    }


_FIGURES_OF_0_1_0 = (
    ("accuracy", "accuracy", "accuracy", "higher"),
    ("macro_f1", "macro_f1", "macro F1", "higher"),
    ("ece", "calibration_error", "calibration error", "lower"),
)


class SliceMetrics(Part):
    """Figures of a part of the test split."""

    feature: str
    """`label`, `length` or `has_markup`."""
    value: str
    count: int
    accuracy: float


class Power(Part):
    """What a test can notice."""

    loss: float
    """A loss in accuracy, for example 0.005."""
    noticed: float
    """Share of the cases in which the test finds a model worse that has lost so much."""
    loss_noticed_in_9_of_10: float
    """Loss in accuracy that it takes to be found in 9 of 10 cases."""

    @property
    def sentence(self) -> str:
        """In words."""
        return (
            f"this test would notice a loss of {100 * self.loss:g} points in {100 * self.noticed:.0f} of 100 cases; "
            f"for 9 of 10 it takes {100 * self.loss_noticed_in_9_of_10:.2f}"
        )


class PairedTest(Part):
    """Candidate against baseline, or against the anchor, on the same rows.

    `only_candidate_right` and `only_baseline_right` count the rows on which just one of the two is right; all others
    say nothing about which is better.
    """

    baseline: str
    """Version of the baseline model."""
    metric: str = "accuracy"
    """What is compared, as people read it: `accuracy`, `macro F1`, `recall of NAME`. Of a recall, rows are those of the
    class."""
    baseline_accuracy: float
    """What the baseline has of it."""
    only_candidate_right: int
    only_baseline_right: int
    difference: float
    """The candidate's minus the baseline's."""
    confidence_interval: tuple[float, float]
    """Of the difference."""
    level: float
    """Of that interval: 1 - 2 alpha, where alpha is the level of the test."""
    p_worse: float
    """Probability of so many rows lost, or more, if both were equally good (one-sided exact McNemar test); of macro F1,
    of so large a loss (one-sided randomization test). Against the anchor: if the candidate were worse by just `margin`
    and `luck`."""
    margin: float = 0.0
    """What the candidate may be worse, a share of the rows: 0 against the baseline."""
    luck: float = 0.0
    """What an anchor is expected to look better than it is, as the best of `best_of` on these rows."""
    best_of: int = 1
    """Models that an anchor is the best of."""
    power: Power | None = None
    """None against the anchor, and in what 0.1.0 wrote."""


class Verdict(Part):
    """Whether a model may be pushed."""

    blessed: bool
    reasons: tuple[str, ...]
    """One readable sentence for each rule, passed or not; failed ones first."""
    failed_rules: tuple[str, ...]
    """Short names of the rules that failed: `min_accuracy`, `min_class_recall`, ..."""
    forced: bool = False
    """Whether somebody asked for the promotion although those rules failed."""
    paired_test: PairedTest | None
    """None where there was no baseline."""
    linear_test: PairedTest | None = None
    """Against a linear model of n-grams on the same rows; None where none was trained."""
    anchor_test: PairedTest | None = None
    """Against the best model that was ever pushed on these test rows; None where that is the baseline, where none was
    kept yet, or where it was not to be asked."""


class ExportOutcome(Part):
    """What was made of the model for another engine, against the model itself."""

    name: str
    """Engine and precision."""
    passed: bool
    """Whether it is not worse beyond noise, and is pushed with the model."""
    answers: bool
    """Whether it is what answers where this was judged, so that the figures are its."""
    reason: str
    rows: int
    changed_answers: int
    """Rows to which the two give different classes."""
    difference: float
    """Of the accuracies."""
    milliseconds: float
    """Of the processor, for a text."""
    tensorflow_milliseconds: float


class Evaluation(Document):
    """All that the Evaluator found, `evaluation.json` in its output."""

    FILE: ClassVar = "evaluation.json"

    metrics: Metrics
    slices: tuple[SliceMetrics, ...]
    verdict: Verdict
    abstention: Abstention | None = None
    """None where the model answers always."""
    train_labels: LabelDoubts | None = None
    """What LinearBaseline found doubtful about the labels of the training rows; None where it did not look."""
    exports: tuple[ExportOutcome, ...] = ()
    thresholds: tuple[float, ...] | None = None
    """Where a text may have several classes: from which probability on each is given. Accuracy is then the share of the
    rows that are given exactly their classes."""
