"""Whether a model may be pushed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from agnews.schemas.evaluation import Metrics, PairedTest, Verdict

_USABLE = "usable"


class _Finding(NamedTuple):
    rule: str
    passed: bool
    reason: str


def judge(
    metrics: Metrics,
    paired_test: PairedTest | None,
    *,
    min_accuracy: float,
    min_class_recall: float,
    min_examples: int,
    min_class_examples: int,
    alpha: float,
    force_promotion: bool = False,
) -> Verdict:
    """Applies the rules for a push.

    Rules, by their short names: `min_examples` and `min_class_examples` (enough rows to decide anything), `usable`
    (every row got a distribution), `all_classes` (no class is never given as an answer), `min_accuracy`,
    `min_class_recall`, and `not_worse` (the paired test does not find the candidate worse at level alpha).

    Args:
        metrics: Of the candidate, on the test split.
        paired_test: Against the baseline; None where there is none.
        min_accuracy: Floor.
        min_class_recall: Floor for every class by itself.
        min_examples: Rows that are needed.
        min_class_examples: Rows that are needed of every class.
        alpha: Level of the paired test: how often a model as good as the baseline is held back.
        force_promotion: Bless the model although rules fail, except for `usable`: what gives no probabilities cannot
            be served.

    Returns:
        The verdict, with one sentence for each rule, failed ones first. A promotion that had to be forced comes
        before them.
    """
    findings = [
        *_enough_rows(metrics, min_examples, min_class_examples),
        *_sane_answers(metrics),
        *_floors(metrics, min_accuracy, min_class_recall),
        _not_worse(paired_test, alpha),
    ]
    findings.sort(key=lambda finding: finding.passed)
    failed = tuple(finding.rule for finding in findings if not finding.passed)
    reasons = [finding.reason for finding in findings]
    forced = force_promotion and bool(failed) and _USABLE not in failed
    if forced:
        reasons.insert(0, f"promotion was forced, against {_listed(list(failed))}")
    return Verdict(
        blessed=forced or not failed,
        reasons=tuple(reasons),
        failed_rules=failed,
        forced=forced,
        paired_test=paired_test,
    )


def _enough_rows(metrics: Metrics, min_examples: int, min_class_examples: int) -> Iterator[_Finding]:
    enough = metrics.count >= min_examples
    yield _Finding(
        "min_examples",
        enough,
        f"{_number(metrics.count)} test rows {'are enough' if enough else 'are too few'}: "
        f"{_number(min_examples)} are needed",
    )
    rare = [scores for scores in metrics.per_class if scores.count < min_class_examples]
    yield _Finding(
        "min_class_examples",
        not rare,
        f"too few test rows of {_listed(f'{scores.name} ({_number(scores.count)})' for scores in rare)}: "
        f"{_number(min_class_examples)} of each class are needed"
        if rare
        else f"every class has at least {_number(min_class_examples)} test rows",
    )


def _sane_answers(metrics: Metrics) -> Iterator[_Finding]:
    yield _Finding(
        _USABLE,
        metrics.unusable == 0,
        f"on {_number(metrics.unusable)} of {_number(metrics.count)} rows the probabilities are no distribution "
        "(not a number, negative, or not summing to one)"
        if metrics.unusable
        else "the probabilities of every row are a distribution",
    )
    never = [
        scores.name
        for scores, answers in zip(metrics.per_class, zip(*metrics.confusion_matrix, strict=True), strict=True)
        if scores.count and not sum(answers)
    ]
    yield _Finding(
        "all_classes",
        not never,
        f"the model never answers {_listed(never)}" if never else "the model gives every class as an answer",
    )


def _floors(metrics: Metrics, min_accuracy: float, min_class_recall: float) -> Iterator[_Finding]:
    reached = metrics.accuracy >= min_accuracy
    yield _Finding(
        "min_accuracy",
        reached,
        f"accuracy {_percent(metrics.accuracy, min_accuracy)} is {'at or above' if reached else 'below'} "
        f"the floor of {_floor(min_accuracy)}",
    )
    floor = _floor(min_class_recall)
    below = [scores for scores in metrics.per_class if scores.count and scores.recall < min_class_recall]
    lowest = min(
        (scores for scores in metrics.per_class if scores.count), key=lambda scores: scores.recall, default=None
    )
    if below:
        named = _listed(f"{scores.name} {_percent(scores.recall, min_class_recall)}" for scores in below)
        reason = f"recall is below the floor of {floor} for {named}"
    elif lowest is None:
        reason = "no class has rows to measure recall on"
    else:
        reason = (
            f"recall of every class is at or above the floor of {floor}; the lowest is {lowest.name} with "
            f"{_percent(lowest.recall, min_class_recall)}"
        )
    yield _Finding("min_class_recall", not below and lowest is not None, reason)


def _not_worse(test: PairedTest | None, alpha: float) -> _Finding:
    if test is None:
        return _Finding("not_worse", True, "there is no baseline yet, so this model is compared with nothing")
    passed = test.p_worse > alpha
    low, high = test.confidence_interval
    return _Finding(
        "not_worse",
        passed,
        f"won {_number(test.only_candidate_right)} rows and lost {_number(test.only_baseline_right)} against the "
        f"baseline {test.baseline}, which is right on {_percent(test.baseline_accuracy)}: "
        f"{100 * test.difference:+.2f} points ({100 * (1 - 2 * alpha):g} % interval {100 * low:+.2f} to "
        f"{100 * high:+.2f}), {_probability(test.p_worse)}, "
        f"{'not worse beyond noise' if passed else f'worse beyond noise at level {alpha:g}'}",
    )


def _floor(share: float) -> str:
    return f"{100 * share:.6g} %"


def _percent(share: float, floor: float | None = None) -> str:
    """One digit after the point, or as many as it takes to tell the share from the floor."""
    digits = 1
    while (
        floor is not None
        and share != floor
        and digits < 6
        and f"{100 * share:.{digits}f}" == f"{100 * floor:.{digits}f}"
    ):
        digits += 1
    return f"{100 * share:.{digits}f} %"


def _probability(p: float) -> str:
    return f"p = {p:.2g}" if p >= 0.001 else "p < 0.001"


def _number(count: int) -> str:
    return f"{count:,}"


def _listed(names: Iterator[str] | list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
