"""The test for macro F1, against scikit-learn's figures and SciPy's own randomization and bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics as reference

from agnews.components.evaluator.f1_test import f1_test
from agnews.schemas.evaluation import PairedTest

CLASSES = 4
Answers = NDArray[np.int64]


def macro_f1(label: Answers, answer: Answers) -> float:
    """As scikit-learn computes it, which takes milliseconds that thousands of draws do not have."""
    right, truth, given = (
        np.bincount(each, minlength=CLASSES) for each in (label[label == answer], label, answer[answer >= 0])
    )
    return float(np.mean(2.0 * right / np.maximum(truth + given, 1)))


def drawn(seed: int, rows: int, right: tuple[float, float] = (0.8, 0.8)) -> tuple[Answers, Answers, Answers]:
    """Labels, common and rare, and the answers of two models that are right so often."""
    random = np.random.default_rng(seed)
    label = random.choice(CLASSES, size=rows, p=[0.5, 0.3, 0.15, 0.05])
    hard = random.random(rows)
    ours, theirs = (
        np.where(0.7 * hard + 0.3 * random.random(rows) < share, label, random.integers(0, CLASSES, rows))
        for share in right
    )
    return label, ours, theirs


def test(label: Answers, ours: Answers, theirs: Answers, **how: float) -> PairedTest:
    options = {"alpha": 0.05, **how}
    return f1_test(
        baseline="1",
        label=label,
        candidate=ours,
        rival=theirs,
        num_classes=CLASSES,
        **options,  # type: ignore[arg-type]
    )


test.__test__ = False  # type: ignore[attr-defined]


def test_figures_are_those_of_scikit_learn() -> None:
    label, ours, theirs = drawn(0, 400)
    ours[:7] = -1  # no answer
    found = test(label, ours, theirs)
    for answer in (ours, theirs):
        expected = reference.f1_score(label, answer, labels=range(CLASSES), average="macro", zero_division=0)
        assert macro_f1(label, answer) == pytest.approx(expected, abs=1e-12)
    assert found.baseline_accuracy == pytest.approx(macro_f1(label, theirs), abs=1e-12)
    assert found.difference == pytest.approx(macro_f1(label, ours) - macro_f1(label, theirs), abs=1e-12)
    assert found.only_candidate_right == ((ours == label) & (theirs != label)).sum()
    assert found.only_baseline_right == ((ours != label) & (theirs == label)).sum()
    assert found.metric == "macro F1"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_probability_is_that_of_scipys_randomization_test(seed: int) -> None:
    label, ours, theirs = drawn(seed, 120, (0.75, 0.8))

    def difference(one: Answers, other: Answers, axis: int = -1) -> NDArray[np.float64]:
        pairs = zip(np.atleast_2d(one), np.atleast_2d(other), strict=True)
        return np.squeeze(np.array([macro_f1(label, a) - macro_f1(label, b) for a, b in pairs]))

    expected = stats.permutation_test(
        (ours, theirs), difference, permutation_type="samples", alternative="less", n_resamples=1500, rng=0
    ).pvalue
    # Both are drawn: four standard errors of the coarser one.
    assert test(label, ours, theirs).p_worse == pytest.approx(expected, abs=4 * np.sqrt(0.25 / 1500))


def test_the_interval_is_that_of_scipys_bootstrap() -> None:
    label, ours, theirs = drawn(4, 300, (0.75, 0.85))

    def difference(truth: Answers, one: Answers, other: Answers) -> float:
        return macro_f1(truth, one) - macro_f1(truth, other)

    expected = stats.bootstrap(
        (label, ours, theirs), difference, paired=True, vectorized=False, n_resamples=1500, confidence_level=0.9,
        method="percentile", rng=0,
    )  # fmt: skip
    found = test(label, ours, theirs)
    assert found.confidence_interval == pytest.approx(tuple(expected.confidence_interval), abs=0.008)
    assert found.level == pytest.approx(0.9)


@pytest.mark.integration
def test_equally_good_models_are_rarely_called_worse_and_worse_ones_often() -> None:
    def called_worse(right: tuple[float, float]) -> float:
        return float(np.mean([test(*drawn(seed, 300, right)).p_worse <= 0.05 for seed in range(40)]))

    assert called_worse((0.8, 0.8)) <= 0.12
    assert called_worse((0.65, 0.85)) >= 0.9


def test_a_model_that_loses_a_rare_class_is_worse_although_it_is_right_more_often() -> None:
    label = np.repeat(np.arange(CLASSES), (500, 300, 150, 50))
    theirs, ours = label.copy(), label.copy()
    theirs[:60] = 1
    ours[-40:] = 0
    assert (ours == label).mean() > (theirs == label).mean()
    assert test(label, ours, theirs).p_worse < 0.001


def test_the_same_answers_are_no_loss_and_the_same_question_has_one_answer() -> None:
    label, ours, theirs = drawn(5, 200)
    same = test(label, ours, ours)
    assert (same.difference, same.p_worse) == (0.0, 1.0)
    assert test(label, ours, theirs) == test(label, ours, theirs)
    order = np.random.default_rng(0).permutation(200)
    assert test(label[order], ours[order], theirs[order]) == test(label, ours, theirs)


def test_an_anchor_is_allowed_its_luck_and_a_margin() -> None:
    label, ours, theirs = drawn(6, 800, (0.72, 0.8))
    alone = test(label, ours, theirs).p_worse
    p = [
        test(label, ours, theirs, best_of=best_of, margin=margin).p_worse
        for best_of, margin in ((1, 0), (20, 0), (20, 0.05))
    ]
    assert p[0] == pytest.approx(alone, abs=0.02)
    assert p[0] < p[1] < p[2]


@pytest.mark.integration
def test_thousands_of_classes_take_seconds() -> None:
    random = np.random.default_rng(0)
    label = random.integers(0, 10_000, 5_000)
    ours, theirs = (np.where(random.random(5_000) < 0.8, label, random.integers(0, 10_000, 5_000)) for _ in range(2))
    found = f1_test(baseline="1", label=label, candidate=ours, rival=theirs, num_classes=10_000, alpha=0.05)
    assert abs(found.difference) < 0.03
