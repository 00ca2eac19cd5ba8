"""Candidate against baseline and anchor, row by row."""

from __future__ import annotations

import math

from scipy import optimize, stats

from agnews.components.evaluator.luck import luck_of_the_best
from agnews.components.evaluator.power import power_of
from agnews.schemas.evaluation import PairedTest


def paired_test(
    *,
    baseline: str,
    rows: int,
    both_right: int,
    only_candidate_right: int,
    only_baseline_right: int,
    alpha: float,
) -> PairedTest:
    """Asks whether the candidate is worse than the baseline beyond what chance explains.

    Both answered the same rows, so only the rows on which one is right and the other is not tell them apart. If both
    are equally good, each of those is a fair coin. This needs far fewer rows than a comparison of two accuracies: the
    noise of rows that are easy or hard for both drops out.

    Args:
        baseline: Version of the baseline.
        rows: All rows; at least one.
        both_right: Rows on which both are right.
        only_candidate_right: Rows won.
        only_baseline_right: Rows lost.
        alpha: Level; the interval is one of 1 - 2 alpha, so that its lower end and the one-sided test agree.

    Returns:
        The counts, the difference in accuracy with its interval, and the exact probability of at least so many lost
        rows.

    References:
        McNemar (1947), Note on the sampling error of the difference between correlated proportions or percentages,
        https://doi.org/10.1007/BF02295996; we take the exact binomial tail and one side.
        Tango (1998), Equivalence test and confidence interval for the difference in proportions for the paired-sample
        design, https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8%3C891::AID-SIM780%3E3.0.CO;2-B. The interval holds
        all differences that a score test does not reject; at a difference of 0 that score is McNemar's.
    """
    flips = only_candidate_right + only_baseline_right
    # sf is P(X > k): P(at least as many lost) = P(X > lost - 1).
    p_worse = float(stats.binom.sf(only_baseline_right - 1, flips, 0.5)) if flips else 1.0
    return PairedTest(
        baseline=baseline,
        baseline_accuracy=(both_right + only_baseline_right) / rows,
        only_candidate_right=only_candidate_right,
        only_baseline_right=only_baseline_right,
        difference=(only_candidate_right - only_baseline_right) / rows,
        confidence_interval=_score_interval(only_candidate_right, only_baseline_right, rows, alpha),
        level=1.0 - 2.0 * alpha,
        p_worse=min(1.0, p_worse),
        power=power_of(rows, flips, alpha),
    )


def anchor_test(
    *,
    anchor: str,
    best_of: int,
    rows: int,
    both_right: int,
    only_candidate_right: int,
    only_anchor_right: int,
    alpha: float,
    margin: float,
) -> PairedTest:
    """Asks whether the candidate is worse than the best model that was ever pushed, by more than a margin and chance.

    A chain of models, each not worse than the one before beyond noise, may lose a little each time; this test looks at
    them all. The anchor was chosen as the best on these very rows, so it is too good by luck, which is allowed for.

    Args:
        anchor: Version of the anchor.
        best_of: How many models it is the best of.
        rows: All rows; at least one.
        both_right: Rows on which both are right.
        only_candidate_right: Rows won.
        only_anchor_right: Rows lost.
        alpha: Level.
        margin: What a candidate may be worse than the anchor, a share of the rows.

    Returns:
        As `paired_test`; `p_worse` is the probability of so bad an outcome for a candidate that is worse than the
        anchor by just the margin and the anchor's luck.

    References:
        The score test of Tango (1998), see `paired_test`, for non-inferiority: the difference is compared with minus
        the margin in place of 0.
    """
    flips = only_candidate_right + only_anchor_right
    luck = luck_of_the_best(best_of, flips, rows)
    score = _score(only_candidate_right, only_anchor_right, rows, -min(margin + luck, 1.0))
    return PairedTest(
        baseline=anchor,
        baseline_accuracy=(both_right + only_anchor_right) / rows,
        only_candidate_right=only_candidate_right,
        only_baseline_right=only_anchor_right,
        difference=(only_candidate_right - only_anchor_right) / rows,
        confidence_interval=_score_interval(only_candidate_right, only_anchor_right, rows, alpha),
        level=1.0 - 2.0 * alpha,
        p_worse=float(stats.norm.cdf(score)) if flips else 1.0,
        margin=margin,
        luck=luck,
        best_of=best_of,
    )


def _score(won: int, lost: int, rows: int, difference: float) -> float:
    """Standardised distance of (won - lost) / rows from a hypothetical difference, Tango's equation 5."""
    # The most likely share of lost rows, given the difference, solves a x^2 + b x + c = 0.
    a = 2.0 * rows
    b = (2.0 * rows - won + lost) * difference - won - lost
    c = -lost * difference * (1.0 - difference)
    share_lost = (math.sqrt(max(b * b - 4.0 * a * c, 0.0)) - b) / (2.0 * a)
    variance = rows * (2.0 * share_lost + difference * (1.0 - difference))
    distance = won - lost - rows * difference
    return distance / math.sqrt(variance) if variance > 0.0 else math.copysign(math.inf, distance)


def _score_interval(won: int, lost: int, rows: int, alpha: float) -> tuple[float, float]:
    """Returns Tango's interval for (won - lost) / rows at level 1 - 2 alpha."""
    critical = float(stats.norm.ppf(1.0 - alpha))
    estimate = (won - lost) / rows

    def end(side: float) -> float:
        """Where the score passes the critical value, between the estimate and the end of the scale."""
        bound = -side
        inner = estimate + math.copysign(1e-12, bound)
        outer = bound * (1.0 - 1e-12)
        if abs(inner) >= abs(outer) and inner * outer > 0.0:
            return bound
        return float(
            optimize.brentq(lambda at: _score(won, lost, rows, at) - side * critical, inner, outer, xtol=1e-12)
        )

    return end(1.0), end(-1.0)
