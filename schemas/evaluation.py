"""The documents that evaluation writes and everything later reads: figures, verdict, predictions."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ClassMetrics(_Document):
    """Figures of one class against the rest."""

    name: str
    precision: float
    recall: float
    f1: float
    count: int
    """Rows of this class in the test split."""


class Metrics(_Document):
    """Figures on one set of rows."""

    count: int
    accuracy: float
    macro_f1: float
    ece: float
    """Expected calibration error of the top class, 15 bins of equal width."""
    per_class: tuple[ClassMetrics, ...]
    confusion_matrix: tuple[tuple[int, ...], ...]
    """Rows are the true classes, columns the predicted ones."""
    unusable: int = 0
    """Rows whose probabilities are no distribution (NaN for example): wrong, and in no column of the matrix."""


class SliceMetrics(_Document):
    """Figures of a part of the test split."""

    feature: str
    """`label`, `length` or `has_markup`."""
    value: str
    count: int
    accuracy: float


class PairedTest(_Document):
    """Candidate against baseline on the same rows.

    `only_candidate_right` and `only_baseline_right` count the rows on which just one of the two is right; all others
    say nothing about which is better.
    """

    baseline: str
    """Version of the baseline model."""
    baseline_accuracy: float
    only_candidate_right: int
    only_baseline_right: int
    difference: float
    """Accuracy of the candidate minus that of the baseline."""
    confidence_interval: tuple[float, float]
    """Of the difference."""
    level: float
    """Of that interval: 1 - 2 alpha, where alpha is the level of the test."""
    p_worse: float
    """Probability of so many rows lost, or more, if both were equally good (one-sided exact McNemar test)."""


class Verdict(_Document):
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


class Evaluation(_Document):
    """All that the Evaluator found, `evaluation.json` in its output."""

    metrics: Metrics
    slices: tuple[SliceMetrics, ...]
    verdict: Verdict
