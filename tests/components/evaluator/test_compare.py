"""A chain of small losses must stop, and a lucky best model must not stop everything."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from agnews.components.evaluator.compare import Rival, compare
from agnews.components.evaluator.luck import expected_best
from agnews.components.evaluator.next_anchor import next_anchor
from agnews.components.evaluator.paired_test import paired_test

ROWS = 7_600


def answers(right: int, lost: int = 0, won: int = 0) -> NDArray[np.bool_]:
    """A model that is right on the first rows, but for the `lost` first ones, and on `won` of the last."""
    found = np.arange(ROWS) < right
    found[:lost] = False
    found[ROWS - won :] = won > 0
    return found


def test_a_loss_within_noise_of_production_is_held_back_where_the_best_ever_is_far() -> None:
    best, production = answers(6_900), answers(6_900, lost=160, won=90)
    candidate = answers(6_900, lost=168, won=93)

    alone = compare(candidate, baseline=Rival("2", production), anchor=None, alpha=0.05, margin=0.0)
    both = compare(
        candidate, baseline=Rival("2", production), anchor=Rival("1", best, best_of=2), alpha=0.05, margin=0.0
    )

    assert alone.baseline is not None
    assert alone.baseline.p_worse > 0.05
    assert alone.anchor is None
    assert both.baseline is not None
    assert both.anchor is not None
    assert both.baseline.level == pytest.approx(0.95)
    assert both.anchor.p_worse < 0.025
    assert both.anchor.baseline == "1"


def test_a_margin_and_the_luck_of_the_best_are_allowed_for() -> None:
    best, candidate = answers(6_900), answers(6_900, lost=170, won=120)
    production = Rival("2", candidate)

    def p(best_of: int, margin: float) -> float:
        found = compare(candidate, baseline=production, anchor=Rival("1", best, best_of), alpha=0.05, margin=margin)
        assert found.anchor is not None
        return found.anchor.p_worse

    assert p(1, 0.0) < 0.025 < p(1, 0.003)
    assert p(1, 0.0) < p(10, 0.0) < p(200, 0.0)
    assert p(200, 0.0) > 0.025
    # Without margin and luck it is McNemar's test, by the normal approximation.
    exact = paired_test(
        baseline="1", rows=ROWS, both_right=6_730, only_candidate_right=120, only_baseline_right=170, alpha=0.05
    )
    assert p(1, 0.0) == pytest.approx(exact.p_worse, abs=2e-3)


def test_the_best_ever_in_production_is_asked_once_at_the_whole_level() -> None:
    best = Rival("7", answers(6_900), best_of=30)

    found = compare(answers(6_880), baseline=best, anchor=best, alpha=0.05, margin=0.0)

    assert found.anchor is None
    assert found.baseline is not None
    assert found.baseline.level == pytest.approx(0.9)


@pytest.mark.parametrize("count", [1, 2, 5, 50])
def test_the_luck_of_the_best_is_that_of_simulated_models(count: int) -> None:
    draws = np.random.default_rng(1).standard_normal((20_000, count)).max(axis=1)

    assert expected_best(count) == pytest.approx(draws.mean(), abs=0.02)


def test_the_anchor_is_the_best_so_far_and_of_two_equal_ones_the_newer() -> None:
    worse, good, best = (Rival(name, answers(right)) for name, right in (("", 6_800), ("2", 6_900), ("1", 7_000)))

    assert next_anchor(worse, baseline=None, anchor=None).version == ""
    # A store that kept none: production has answered these rows too.
    assert (next_anchor(worse, baseline=good, anchor=None).version) == "2"
    kept = next_anchor(worse, baseline=good, anchor=Rival("1", best.right, best_of=6))
    assert (kept.version, kept.best_of) == ("1", 7)
    again = next_anchor(Rival("", best.right), baseline=good, anchor=best)
    assert (again.version, again.best_of) == ("", 2)


def test_the_power_that_is_told_is_the_share_of_simulated_losses_that_are_noticed() -> None:
    rows, flips, alpha = ROWS, 283, 0.05
    test = paired_test(
        baseline="1", rows=rows, both_right=6_700, only_candidate_right=141, only_baseline_right=142, alpha=alpha
    )
    power = test.power
    assert power is not None

    def noticed(loss: float) -> float:
        lost = np.random.default_rng(2).binomial(flips, 0.5 + loss * rows / (2 * flips), size=20_000)
        return float((stats.binom.sf(lost - 1, flips, 0.5) <= alpha).mean())

    assert power.noticed == pytest.approx(noticed(0.005), abs=0.01)
    assert noticed(power.loss_noticed_in_9_of_10) == pytest.approx(0.9, abs=0.03)
    assert power.sentence.startswith("this test would notice a loss of 0.5 points in 7")


def test_a_small_test_set_says_that_it_notices_little() -> None:
    few = paired_test(
        baseline="1", rows=400, both_right=360, only_candidate_right=8, only_baseline_right=8, alpha=0.05
    ).power
    assert few is not None
    assert few.noticed < 0.2
    assert few.loss_noticed_in_9_of_10 > 0.02
    none = paired_test(
        baseline="1", rows=10, both_right=10, only_candidate_right=0, only_baseline_right=0, alpha=0.05
    ).power
    assert none is not None
    assert none.loss_noticed_in_9_of_10 > 0.4
