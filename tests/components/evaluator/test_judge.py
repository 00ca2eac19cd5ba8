"""What may be pushed, and whether a person understands why."""

from __future__ import annotations

from typing import Any

import pytest

from agnews.components.evaluator.judge import judge
from agnews.components.evaluator.paired_test import anchor_test, paired_test
from agnews.schemas.abstention import Abstention
from agnews.schemas.evaluation import ClassMetrics, Metrics, Verdict

NAMES = ("World", "Sports", "Business", "Sci/Tech")
RULES = {
    "min_accuracy": 0.8,
    "min_class_recall": 0.65,
    "min_examples": 400,
    "min_class_examples": 50,
}


def metrics(matrix: list[list[int]], *, unusable: tuple[int, ...] = (0, 0, 0, 0)) -> Metrics:
    totals = [sum(row) + lost for row, lost in zip(matrix, unusable, strict=True)]
    count, right = sum(totals), sum(matrix[i][i] for i in range(4))
    return Metrics(
        count=count,
        accuracy=right / count if count else 0.0,
        macro_f1=0.9,
        ece=0.02,
        per_class=tuple(
            ClassMetrics(
                name=NAMES[i],
                precision=0.9,
                recall=matrix[i][i] / totals[i] if totals[i] else 0.0,
                f1=0.9,
                count=totals[i],
            )
            for i in range(4)
        ),
        confusion_matrix=tuple(tuple(row) for row in matrix),
        unusable=sum(unusable),
    )


GOOD = [[180, 10, 5, 5], [4, 190, 3, 3], [10, 5, 170, 15], [8, 2, 10, 180]]


def verdict_on(
    matrix: list[list[int]] = GOOD, *, against: Any = None, unusable: Any = (0, 0, 0, 0), **rules: Any
) -> Verdict:
    return judge(metrics(matrix, unusable=unusable), against, **{**RULES, **rules})


def against(won: int, lost: int) -> Any:
    return paired_test(
        baseline="1763820000", rows=800, both_right=680, only_candidate_right=won, only_baseline_right=lost, alpha=0.05
    )


def test_a_good_first_model_is_blessed_and_every_rule_is_explained() -> None:
    verdict = verdict_on()

    assert verdict.blessed
    assert verdict.failed_rules == ()
    assert verdict.paired_test is None
    assert verdict.reasons == (
        "800 test rows are enough: 400 are needed",
        "every class has at least 50 test rows",
        "the probabilities of every row are a distribution",
        "the model gives every class as an answer",
        "accuracy 90.0 % is at or above the floor of 80 %",
        "recall of every class is at or above the floor of 65 %; the lowest is Business with 85.0 %",
        "there is no baseline yet, so this model is compared with nothing",
    )


@pytest.mark.parametrize(
    ("rules", "failed", "reason"),
    [
        ({"min_accuracy": 0.95}, "min_accuracy", "accuracy 90.0 % is below the floor of 95 %"),
        ({"min_accuracy": 0.9001}, "min_accuracy", "accuracy 90.00 % is below the floor of 90.01 %"),
        ({"min_class_recall": 0.88}, "min_class_recall", "recall is below the floor of 88 % for Business 85.0 %"),
        ({"min_class_recall": 0.92}, "min_class_recall", "for World 90.0 %, Business 85.0 % and Sci/Tech 90.0 %"),
        ({"min_examples": 5000}, "min_examples", "800 test rows are too few: 5,000 are needed"),
        ({"min_class_examples": 201}, "min_class_examples", "too few test rows of World (200), Sports (200), Business"),
    ],
)
def test_each_floor_holds_a_model_back(rules: dict[str, float], failed: str, reason: str) -> None:
    verdict = verdict_on(**rules)

    assert not verdict.blessed
    assert verdict.failed_rules == (failed,)
    assert reason in verdict.reasons[0]


def test_a_floor_that_is_just_reached_is_reached() -> None:
    assert verdict_on(min_accuracy=0.9, min_class_recall=0.85, min_examples=800, min_class_examples=200).blessed


def test_worse_beyond_noise_is_held_back_and_within_noise_is_not() -> None:
    within, beyond = verdict_on(against=against(38, 41)), verdict_on(against=against(38, 71))

    assert within.blessed
    assert within.reasons[-1] == (
        "won 38 rows and lost 41 against the baseline 1763820000, which is right on 90.1 %: -0.38 points "
        "(90 % interval -2.23 to +1.47), p = 0.41, not worse beyond noise; this test would notice a loss of 0.5 points "
        "in 9 of 100 cases; for 9 of 10 it takes 3.35"
    )
    assert not beyond.blessed
    assert beyond.failed_rules == ("not_worse",)
    assert "p = 0.001, worse beyond noise at level 0.05; this test would notice" in beyond.reasons[0]


def beside_linear(won: int, lost: int, rule: str) -> Verdict:
    linear = paired_test(
        baseline="a linear model",
        rows=800,
        both_right=680,
        only_candidate_right=won,
        only_baseline_right=lost,
        alpha=0.05,
    )
    return verdict_on(linear_test=linear, beats_linear=rule)


def test_what_a_linear_model_gets_is_said_and_decides_only_if_it_is_asked_to() -> None:
    worse = beside_linear(10, 40, "warn")
    assert worse.blessed
    (reason,) = (each for each in worse.reasons if "linear" in each)
    assert reason.startswith("a linear model gets 90.0 %: won 10 rows and lost 40 against it, -3.75 points")
    assert reason.endswith("worse than it beyond noise")
    assert not reason.endswith("not worse than it beyond noise")
    assert worse.linear_test is not None
    assert worse.linear_test.baseline_accuracy == 0.9

    held_back = beside_linear(10, 40, "require")
    assert (held_back.blessed, held_back.failed_rules) == (False, ("beats_linear",))
    assert "linear" in held_back.reasons[0]
    even = beside_linear(18, 20, "require")
    assert even.blessed
    assert even.reasons[-1].endswith(", not worse than it beyond noise")
    assert not [reason for reason in verdict_on().reasons if "linear" in reason]


def test_neither_a_hair_nor_a_point_decides_but_the_rows_do() -> None:
    """One row fewer is noise; one point fewer with no row won is not."""
    assert verdict_on(against=against(0, 1)).blessed
    assert not verdict_on(against=against(0, 8)).blessed
    assert "p < 0.001, worse beyond noise" in verdict_on(against=against(0, 20)).reasons[0]


def test_a_chain_of_small_losses_is_held_back_by_the_best_ever_and_told_so() -> None:
    best = anchor_test(
        anchor="1763000000",
        best_of=12,
        rows=800,
        both_right=690,
        only_candidate_right=10,
        only_anchor_right=60,
        alpha=0.025,
        margin=0.002,
    )

    verdict = judge(metrics(GOOD), against(38, 41), best, **RULES)

    assert verdict.failed_rules == ("not_worse_than_best",)
    assert verdict.anchor_test == best
    assert verdict.reasons[0].startswith(
        "won 10 rows and lost 60 against version 1763000000, the best ever pushed on these test rows with 93.8 %: "
        "-6.25 points (95 % interval"
    )
    assert (
        "points of luck as the best of 12 and a margin of 0.2 it is worse beyond noise at level 0.025"
        in (verdict.reasons[0])
    )


def test_a_model_as_good_as_the_best_ever_is_told_so() -> None:
    best = anchor_test(
        anchor="1763000000",
        best_of=1200,
        rows=800,
        both_right=690,
        only_candidate_right=30,
        only_anchor_right=33,
        alpha=0.025,
        margin=0.0,
    ).model_copy(update={"luck": 0.0125})

    verdict = judge(metrics(GOOD), None, best, **RULES)

    assert verdict.blessed
    assert verdict.reasons[-1].endswith(
        "; allowing for 1.25 points of luck as the best of 1,200 it is not worse beyond noise"
    )


def abstaining(threshold: float | None, precision: float | None = 0.985) -> Verdict:
    return verdict_on(
        abstention=Abstention(wanted=0.98, threshold=threshold, eval_rows=1200, coverage=0.751, precision=precision)
    )


def test_how_often_a_model_abstains_and_is_right_is_told() -> None:
    verdict = abstaining(0.8768)
    assert verdict.blessed
    assert verdict.reasons[-1] == (
        "it answers 75.1 % of the test rows, 98.5 % of them rightly (asked for: 98 %), and abstains below a "
        "probability of 0.877"
    )
    assert abstaining(0.9, None).reasons[-1].startswith("it answers 75.1 % of the test rows (asked for: 98 %)")


def test_a_precision_that_no_threshold_gives_holds_a_model_back() -> None:
    verdict = abstaining(None)
    assert (verdict.blessed, verdict.failed_rules) == (False, ("abstain_precision",))
    assert verdict.reasons[0] == "no threshold makes 98 % of its answers right, as far as 1,200 eval rows tell"


def test_why_the_best_ever_was_not_asked_is_told() -> None:
    verdict = verdict_on(unasked="the best model ever pushed was not asked")

    assert verdict.blessed
    assert verdict.reasons[-1] == "the best model ever pushed was not asked"


def test_rows_without_probabilities_hold_a_model_back() -> None:
    verdict = verdict_on(unusable=(3, 0, 0, 0))

    assert verdict.failed_rules == ("usable",)
    assert verdict.reasons[0].startswith("on 3 of 803 rows the probabilities are no distribution")


def test_a_model_that_knows_one_answer_is_held_back_even_without_floors() -> None:
    verdict = verdict_on([[0, 200, 0, 0]] * 4, min_accuracy=0.0, min_class_recall=0.0)

    assert verdict.failed_rules == ("all_classes",)
    assert verdict.reasons[0] == "the model never answers World, Business and Sci/Tech"


def test_that_none_of_a_class_of_few_test_rows_was_found_is_no_flaw_of_the_model() -> None:
    rules = {"min_accuracy": 0.0, "min_class_recall": 0.0, "min_class_examples": 1, "min_examples": 1}
    few, some = ([[180, 10, 5, 0], [4, 190, 3, 0], [10, 5, 170, 0], [rows, 0, 0, 0]] for rows in (4, 5))
    assert verdict_on(few, **rules).blessed
    assert "the model gives every class of at least 5 test rows as an answer" in verdict_on(few, **rules).reasons
    assert verdict_on(some, **rules).failed_rules == ("all_classes",)


def test_classes_without_test_rows_are_told_where_they_need_none() -> None:
    rules = {"min_class_recall": 0.0, "min_examples": 1}
    lacking = [[180, 10, 5, 0], [4, 190, 3, 0], [10, 5, 170, 0], [0, 0, 0, 0]]
    assert verdict_on(lacking, min_class_examples=1, **rules).failed_rules == ("min_class_examples",)
    verdict = verdict_on(lacking, min_class_examples=0, **rules)
    assert verdict.blessed
    assert "1 of the classes have no test rows, and need none" in verdict.reasons


def test_a_model_that_answers_nothing_gets_all_its_faults_told() -> None:
    verdict = verdict_on([[0] * 4] * 4, unusable=(100, 100, 100, 100))

    assert verdict.failed_rules == ("usable", "all_classes", "min_accuracy", "min_class_recall")
    assert len(verdict.reasons) == 7


def test_a_forced_promotion_says_first_what_it_overrules() -> None:
    verdict = verdict_on(min_accuracy=0.95, against=against(10, 40), force_promotion=True)

    assert verdict.blessed
    assert verdict.forced
    assert verdict.failed_rules == ("min_accuracy", "not_worse")
    assert verdict.reasons[0] == "promotion was forced, against min_accuracy and not_worse"
    assert verdict.reasons[1:] == verdict_on(min_accuracy=0.95, against=against(10, 40)).reasons


def test_a_model_that_merits_it_is_not_called_forced() -> None:
    assert verdict_on(force_promotion=True) == verdict_on()


def test_unusable_answers_cannot_be_forced() -> None:
    verdict = verdict_on(unusable=(1, 0, 0, 0), force_promotion=True)

    assert not verdict.blessed
    assert not verdict.forced
    assert verdict.failed_rules == ("usable",)


def test_every_sentence_is_told_whole() -> None:
    unusable = verdict_on(unusable=(3, 0, 0, 0)).reasons[0]
    assert unusable == (
        "on 3 of 803 rows the probabilities are no distribution (not a number, negative, or not summing to one)"
    )
    several = {"one_class": False}
    assert verdict_on(unusable=(3, 0, 0, 0), **several).reasons[0] == "on 3 of 803 rows the probabilities are none"
    assert "the probabilities of every row are between 0 and 1" in verdict_on(**several).reasons
    nothing = judge(metrics([[0] * 4] * 4), None, **RULES)
    assert "no class has rows to measure recall on" in nothing.reasons
    assert "min_class_recall" in nothing.failed_rules
    first = verdict_on()
    assert first.reasons[-1] == "there is no baseline yet, so this model is compared with nothing"


def test_a_share_is_told_from_its_floor_in_each_sentence() -> None:
    assert "Business 85.000 %" in verdict_on(min_class_recall=0.85001).reasons[0]
    reached = verdict_on(min_class_recall=0.84999)
    assert any("the lowest is Business with 85.000 %" in reason for reason in reached.reasons)
    # No more than six digits are looked at.
    assert "accuracy 90.000000 % is below" in verdict_on(min_accuracy=0.9 + 1e-9).reasons[0]


def test_a_verdict_keeps_the_comparison_that_it_is_made_of() -> None:
    test = against(38, 71)
    verdict = verdict_on(against=test)
    assert verdict.paired_test == test
    reason = verdict_on(against=against(120, 20)).reasons[-1]
    assert reason.startswith(
        "won 120 rows and lost 20 against the baseline 1763820000, which is right on 87.5 %: +12.50"
    )


def test_the_level_is_a_limit_that_holds_back() -> None:
    # Five lost and none won has a probability of exactly 1/32.
    test = against(0, 5)
    assert not verdict_on(against=test.model_copy(update={"level": 1 - 2 / 32})).blessed
    assert verdict_on(against=test.model_copy(update={"level": 1 - 2 / 32 + 1e-9})).blessed
    limit = test.model_copy(update={"level": 1 - 2 / 32})
    assert judge(metrics(GOOD), None, limit, **RULES).failed_rules == ("not_worse_than_best",)
    assert verdict_on(linear_test=limit, beats_linear="require").failed_rules == ("beats_linear",)


def test_a_comparison_without_a_known_power_ends_with_its_verdict() -> None:
    test = against(38, 41).model_copy(update={"power": None})
    assert verdict_on(against=test).reasons[-1].endswith("p = 0.41, not worse beyond noise")


def test_a_thousandth_is_still_a_number() -> None:
    test = against(0, 20).model_copy(update={"p_worse": 0.001})
    assert ", p = 0.001, worse" in verdict_on(against=test).reasons[0]


def test_another_figure_than_accuracy_is_named() -> None:
    test = against(38, 41).model_copy(update={"metric": "macro F1"})
    assert " against the baseline 1763820000, whose macro F1 is 90.1 %: " in verdict_on(against=test).reasons[-1]
    assert verdict_on(linear_test=test).reasons[-1].startswith("a linear model gets 90.1 % macro F1: won 38 rows")


@pytest.mark.parametrize(("classes", "ending"), [(11, "class 9 and class 10"), (12, "class 9 and 2 others")])
def test_of_many_classes_ten_are_named_and_the_rest_is_counted(classes: int, ending: str) -> None:
    found = metrics(GOOD).model_copy(
        update={
            "per_class": tuple(
                ClassMetrics(name=f"class {number}", precision=0.9, recall=0.9, f1=0.9, count=200, answers=0)
                for number in range(classes)
            )
        }
    )
    verdict = judge(found, None, **RULES)
    assert verdict.failed_rules == ("all_classes",)
    assert verdict.reasons[0].endswith(ending)
