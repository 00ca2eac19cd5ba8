"""The comparison of two models must be right about noise: it decides what goes into production."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from agnews.components.evaluator.luck import luck_of_the_best
from agnews.components.evaluator.paired_test import anchor_test, paired_test
from agnews.components.evaluator.power import power_of
from agnews.schemas.evaluation import PairedTest


def compare(won: int, lost: int, rows: int = 1000, *, alpha: float = 0.05) -> PairedTest:
    return paired_test(
        baseline="1",
        rows=rows,
        both_right=rows - won - lost,
        only_candidate_right=won,
        only_baseline_right=lost,
        alpha=alpha,
    )


@pytest.mark.parametrize(("won", "lost"), [(38, 41), (0, 5), (5, 0), (1, 0), (100, 60), (60, 100), (7, 7)])
def test_p_is_the_exact_binomial_tail(won: int, lost: int) -> None:
    expected = stats.binomtest(lost, won + lost, 0.5, alternative="greater").pvalue

    assert compare(won, lost).p_worse == pytest.approx(expected, rel=1e-12)


def test_models_that_answer_alike_are_not_told_apart() -> None:
    same = compare(0, 0)

    assert same.p_worse == 1.0
    assert same.difference == 0.0
    low, high = same.confidence_interval
    assert low == pytest.approx(-high)
    assert 0 < high < 0.01


def test_counts_and_accuracies_add_up() -> None:
    test = paired_test(
        baseline="17", rows=100, both_right=80, only_candidate_right=7, only_baseline_right=3, alpha=0.05
    )

    assert test.baseline == "17"
    assert test.baseline_accuracy == pytest.approx(0.83)
    assert test.difference == pytest.approx(0.04)


def _score_by_search(difference: float, won: int, lost: int, rows: int) -> float:
    """The score of Tango's test, its nuisance parameter found by maximising the likelihood instead of the formula."""

    def log_likelihood(share_lost: float) -> float:
        share_won = share_lost + difference
        return float(
            stats.multinomial.logpmf(
                [won, lost, rows - won - lost], rows, [share_won, share_lost, 1.0 - share_won - share_lost]
            )
        )

    low, high = max(0.0, -difference) + 1e-12, (1.0 - difference) / 2.0 - 1e-12
    best = optimize.minimize_scalar(
        lambda share: -log_likelihood(share), bounds=(low, high), method="bounded", options={"xatol": 1e-12}
    ).x
    return (won - lost - rows * difference) / math.sqrt(rows * (2.0 * best + difference * (1.0 - difference)))


@pytest.mark.parametrize(
    ("won", "lost", "rows"), [(38, 41, 1000), (12, 2, 50), (60, 100, 7600), (3, 0, 400), (1, 9, 40)]
)
def test_the_interval_holds_what_the_score_test_does_not_reject(won: int, lost: int, rows: int) -> None:
    low, high = compare(won, lost, rows).confidence_interval

    critical = stats.norm.ppf(0.95)
    assert low < (won - lost) / rows < high
    assert _score_by_search(low, won, lost, rows) == pytest.approx(critical, abs=1e-3)
    assert _score_by_search(high, won, lost, rows) == pytest.approx(-critical, abs=1e-3)


def test_the_interval_leaves_out_zero_when_mcnemars_score_says_so() -> None:
    for lost in range(40, 80):
        score = (40 - lost) / math.sqrt(40 + lost)
        assert (compare(40, lost).confidence_interval[1] < 0) == (score < -stats.norm.ppf(0.95))


@pytest.mark.parametrize(("won", "lost"), [(10, 0), (0, 10)])
def test_the_interval_ends_where_differences_end(won: int, lost: int) -> None:
    low, high = compare(won, lost, 10).confidence_interval

    assert -1.0 <= low <= high <= 1.0
    assert (high if won else -low) == 1.0


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(3)
    truth = 0.06 - 0.04
    covered = []
    for won, lost, _ in random.multinomial(500, [0.06, 0.04, 0.90], size=400):
        low, high = compare(int(won), int(lost), 500).confidence_interval
        covered.append(low <= truth <= high)

    assert 0.86 <= np.mean(covered) <= 0.94  # level 1 - 2 alpha = 0.90, three standard errors are 0.045


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_equal_models_are_held_back_at_most_as_often_as_the_level_says(alpha: float) -> None:
    random = np.random.default_rng(11)
    flips = random.binomial(2000, 0.05, size=4000)
    lost = random.binomial(flips, 0.5)

    rejected = np.mean(
        [
            compare(int(f - x), int(x), 2000, alpha=alpha).p_worse <= alpha
            for f, x in zip(flips[:1500], lost[:1500], strict=True)
        ]
    )

    assert rejected <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / 1500)
    assert rejected >= alpha / 3  # and the test is not asleep


def test_a_clearly_worse_model_is_found_out() -> None:
    """Two points worse on 7,600 rows of which 5 % flip: seen practically always."""
    random = np.random.default_rng(12)
    found = [
        compare(int(won), int(lost), 7600).p_worse <= 0.05
        for won, lost, _ in random.multinomial(7600, [0.015, 0.035, 0.95], size=200)
    ]

    assert np.mean(found) > 0.99


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_the_level_is_that_of_the_interval(alpha: float) -> None:
    assert compare(8, 4, alpha=alpha).level == pytest.approx(1 - 2 * alpha)


@pytest.mark.parametrize(
    ("won", "lost", "rows"), [(0, 0, 1), (1, 0, 1), (0, 1, 1), (10, 0, 10), (0, 10, 10), (5, 5, 10), (1, 9, 10)]
)
def test_an_interval_lies_on_the_scale_and_holds_the_estimate(won: int, lost: int, rows: int) -> None:
    low, high = compare(won, lost, rows).confidence_interval
    assert -1.0 <= low <= (won - lost) / rows <= high <= 1.0
    assert low < high
    if won - lost == rows:
        assert high == 1.0
    if lost - won == rows:
        assert low == -1.0


@pytest.mark.parametrize(("won", "lost", "rows"), [(3, 1, 7), (38, 41, 800), (0, 0, 50), (2, 0, 9), (0, 1, 3)])
def test_who_wins_mirrors_the_interval_and_nothing_else(won: int, lost: int, rows: int) -> None:
    there, back = compare(won, lost, rows), compare(lost, won, rows)
    assert there.confidence_interval[0] == pytest.approx(-back.confidence_interval[1], abs=1e-10)
    assert there.confidence_interval[1] == pytest.approx(-back.confidence_interval[0], abs=1e-10)


def test_no_lost_row_is_no_sign_of_being_worse() -> None:
    assert compare(5, 0).p_worse == 1.0
    assert compare(0, 0).p_worse == 1.0


def test_a_comparison_says_what_it_could_have_found() -> None:
    assert compare(8, 4, 500, alpha=0.1).power == power_of(500, 12, 0.1)


@pytest.mark.parametrize(
    ("won", "lost", "margin", "best_of"), [(38, 41, 0.0, 1), (30, 60, 0.003, 10), (5, 20, 0.01, 200), (60, 20, 0.0, 3)]
)
def test_the_best_ever_is_compared_by_the_score_at_margin_and_luck(
    won: int, lost: int, margin: float, best_of: int
) -> None:
    rows, alpha = 800, 0.025
    found = anchor_test(
        anchor="17",
        best_of=best_of,
        rows=rows,
        both_right=600,
        only_candidate_right=won,
        only_anchor_right=lost,
        alpha=alpha,
        margin=margin,
    )
    luck = luck_of_the_best(best_of, won + lost, rows)
    assert found.p_worse == pytest.approx(stats.norm.cdf(_score_by_search(-(margin + luck), won, lost, rows)), rel=1e-4)
    assert (found.baseline, found.margin, found.luck, found.best_of) == ("17", margin, luck, best_of)
    assert (found.only_candidate_right, found.only_baseline_right) == (won, lost)
    assert found.baseline_accuracy == pytest.approx((600 + lost) / rows)
    assert found.difference == pytest.approx((won - lost) / rows)
    assert found.level == pytest.approx(0.95)
    assert found.confidence_interval == compare(won, lost, rows, alpha=alpha).confidence_interval


@pytest.mark.parametrize("margin", [0.0, 0.01])
def test_who_answers_as_the_best_does_is_not_worse(margin: float) -> None:
    counts = {"rows": 3, "both_right": 3, "only_candidate_right": 0, "only_anchor_right": 0}
    found = anchor_test(anchor="1", best_of=1, alpha=0.05, margin=margin, **counts)
    assert found.p_worse == 1.0
