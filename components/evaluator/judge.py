"""Whether a model may be pushed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from agnews.schemas.abstention import Abstention
from agnews.schemas.evaluation import Metrics, PairedTest, Verdict

_USABLE, _BEST = "usable", "not_worse_than_best"


class _Finding(NamedTuple):
    rule: str
    passed: bool
    reason: str


def judge(
    metrics: Metrics,
    paired_test: PairedTest | None,
    anchor_test: PairedTest | None = None,
    *,
    min_accuracy: float,
    min_class_recall: float,
    min_examples: int,
    min_class_examples: int,
    unasked: str = "",
    one_class: bool = True,
    linear_test: PairedTest | None = None,
    beats_linear: str = "warn",
    abstention: Abstention | None = None,
    force_promotion: bool = False,
) -> Verdict:
    """Applies the rules for a push.

    Rules, by their short names: `min_examples` and `min_class_examples` (enough rows to decide anything), `usable`
    (every row got a distribution), `all_classes` (no class with some test rows is never given as an answer),
    `min_accuracy`, `min_class_recall`, `not_worse` (the paired test does not find the candidate worse than the
    baseline), `not_worse_than_best` (nor than the best model that was ever pushed on these rows, the anchor), and
    `beats_linear` (nor than a linear model of n-grams on the same rows).

    The rule of the anchor looks at the whole chain of pushes: each one may be "not worse beyond noise" than the one
    before and all together two points worse. `benchmarks/promotion.py` simulates such chains.

    Args:
        metrics: Of the candidate, on the test split.
        paired_test: Against the baseline; None where there is none. A candidate is worse where its `p_worse` is not
            above the level of the test: how often a model as good as the baseline is held back.
        anchor_test: Against the anchor; None where there is none to ask, or where it is the baseline.
        min_accuracy: Floor.
        min_class_recall: Floor for every class by itself.
        min_examples: Rows that are needed.
        min_class_examples: Rows that are needed of every class.
        one_class: Whether a text has one class, so that its probabilities sum to one.
        unasked: Why the anchor was not asked, where it might have been; empty otherwise.
        linear_test: Against a linear model; None where none was trained.
        abstention: What comes of letting the model abstain; None where it answers always.
        beats_linear: `require` holds a candidate back that is worse than the linear model, `warn` says so.
        force_promotion: Bless the model although rules fail, except for `usable`: what gives no probabilities cannot
            be served.

    Returns:
        The verdict, with one sentence for each rule, failed ones first. A promotion that had to be forced comes
        before them.
    """
    findings = [
        *_enough_rows(metrics, min_examples, min_class_examples),
        *_sane_answers(metrics, one_class),
        *_floors(metrics, min_accuracy, min_class_recall),
        _not_worse(paired_test),
        *_not_worse_than_best(anchor_test, unasked),
        *_beats_linear(linear_test, beats_linear),
        *_abstains(abstention),
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
        linear_test=linear_test,
        anchor_test=anchor_test,
    )


_ROWS_TO_TELL = 5


def _enough_rows(metrics: Metrics, min_examples: int, min_class_examples: int) -> Iterator[_Finding]:
    enough = metrics.count >= min_examples
    yield _Finding(
        "min_examples",
        enough,
        f"{_number(metrics.count)} test rows {'are enough' if enough else 'are too few'}: "
        f"{_number(min_examples)} are needed",
    )
    rare = [scores for scores in metrics.per_class if scores.count < min_class_examples]
    unseen = sum(not scores.count for scores in metrics.per_class)
    if unseen and not min_class_examples:
        yield _Finding("min_class_examples", True, f"{_number(unseen)} of the classes have no test rows, and need none")
        return
    yield _Finding(
        "min_class_examples",
        not rare,
        f"too few test rows of {_listed(f'{scores.name} ({_number(scores.count)})' for scores in rare)}: "
        f"{_number(min_class_examples)} of each class are needed"
        if rare
        else f"every class has at least {_number(min_class_examples)} test rows",
    )


def _sane_answers(metrics: Metrics, one_class: bool) -> Iterator[_Finding]:
    flaw = "no distribution (not a number, negative, or not summing to one)" if one_class else "none"
    yield _Finding(
        _USABLE,
        metrics.unusable == 0,
        f"on {_number(metrics.unusable)} of {_number(metrics.count)} rows the probabilities are {flaw}"
        if metrics.unusable
        else "the probabilities of every row are " + ("a distribution" if one_class else "between 0 and 1"),
    )
    # A broken model never gives a class; that none of two rows was found says nothing of the kind.
    told = [scores for scores in metrics.per_class if scores.count >= _ROWS_TO_TELL]
    never = [scores.name for scores in told if not scores.answers]
    of_few = len(told) < len(metrics.per_class)
    every = f"every class of at least {_ROWS_TO_TELL} test rows" if of_few else "every class"
    yield _Finding(
        "all_classes",
        not never,
        f"the model never answers {_listed(never)}" if never else f"the model gives {every} as an answer",
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


def _not_worse(test: PairedTest | None) -> _Finding:
    if test is None:
        return _Finding("not_worse", True, "there is no baseline yet, so this model is compared with nothing")
    alpha = _alpha(test)
    passed = test.p_worse > alpha
    verdict = "not worse beyond noise" if passed else f"worse beyond noise at level {alpha:g}"
    power = f"; {test.power.sentence}" if test.power else ""
    return _Finding(
        "not_worse",
        passed,
        f"{_score(test)} against the baseline {test.baseline}, {_standing(test)}: "
        f"{_difference(test)}, {verdict}{power}",
    )


def _not_worse_than_best(test: PairedTest | None, unasked: str) -> Iterator[_Finding]:
    if test is None:
        if unasked:
            yield _Finding(_BEST, True, unasked)
        return
    alpha = _alpha(test)
    passed = test.p_worse > alpha
    allowed = f"{100 * test.luck:.2f} points of luck as the best of {_number(test.best_of)}"
    if test.margin:
        allowed += f" and a margin of {100 * test.margin:g}"
    yield _Finding(
        _BEST,
        passed,
        f"{_score(test)} against version {test.baseline}, the best ever pushed on these test rows with "
        f"{_value(test)}: {_difference(test)}; allowing for {allowed} it is "
        f"{'not worse beyond noise' if passed else f'worse beyond noise at level {alpha:g}'}",
    )


def _beats_linear(test: PairedTest | None, rule: str) -> Iterator[_Finding]:
    if test is None:
        return
    is_worse = test.p_worse <= _alpha(test)
    yield _Finding(
        "beats_linear",
        not is_worse or rule != "require",
        f"a linear model gets {_value(test)}: {_score(test)} against it, {_difference(test)}, "
        f"{'worse' if is_worse else 'not worse'} than it beyond noise",
    )


def _abstains(abstention: Abstention | None) -> Iterator[_Finding]:
    if abstention is None:
        return
    wanted = _floor(abstention.wanted)
    if abstention.threshold is None:
        rows = _number(abstention.eval_rows)
        reason = f"no threshold makes {wanted} of its answers right, as far as {rows} eval rows tell"
    else:
        right = "" if abstention.precision is None else f", {_percent(abstention.precision)} of them rightly"
        reason = (
            f"it answers {_percent(abstention.coverage)} of the test rows{right} (asked for: {wanted}), and abstains "
            f"below a probability of {abstention.threshold:.3g}"
        )
    yield _Finding("abstain_precision", abstention.threshold is not None, reason)


def _alpha(test: PairedTest) -> float:
    return round((1.0 - test.level) / 2.0, 12)


def _standing(test: PairedTest) -> str:
    if test.metric == "accuracy":
        return f"which is right on {_percent(test.baseline_accuracy)}"
    return f"whose {test.metric} is {_percent(test.baseline_accuracy)}"


def _value(test: PairedTest) -> str:
    value = _percent(test.baseline_accuracy)
    return value if test.metric == "accuracy" else f"{value} {test.metric}"


def _score(test: PairedTest) -> str:
    return f"won {_number(test.only_candidate_right)} rows and lost {_number(test.only_baseline_right)}"


def _difference(test: PairedTest) -> str:
    low, high = test.confidence_interval
    return (
        f"{100 * test.difference:+.2f} points ({100 * test.level:g} % interval {100 * low:+.2f} to {100 * high:+.2f}), "
        f"{_probability(test.p_worse)}"
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


_NAMED = 10
"""Of more names, the rest is counted."""


def _listed(names: Iterator[str] | list[str]) -> str:
    names = list(names)
    if len(names) > _NAMED + 1:
        names = [*names[:_NAMED], f"{_number(len(names) - _NAMED)} others"]
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
