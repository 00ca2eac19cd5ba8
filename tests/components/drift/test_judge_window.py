"""Drift: found where it is, not where it is not, and by figures that agree with references."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from agnews.components.drift.build_reference import build_reference
from agnews.components.drift.compare_shares import compare_shares
from agnews.components.drift.estimate_accuracy import estimate_accuracy
from agnews.components.drift.judge_window import LiveTexts, count_confidence, judge_window
from agnews.components.drift.measure_texts import Alphabet, measure_texts
from agnews.schemas.errors import AgnewsError
from agnews.schemas.monitor_reference import FeatureDrift, MonitorReference

CLASSES = ("A", "B")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789<>"
ALPHABET = Alphabet(LETTERS)


def draw(random: np.random.Generator, rows: int, *, words: int = 30, strange: float = 0.0) -> list[bytes]:
    """Texts of words whose frequencies fall as those of a language do; strange ones have other words."""
    found = []
    for _ in range(rows):
        prefix = "s" if random.random() < strange else "w"
        ranks = random.zipf(1.3, size=max(1, random.poisson(words))) % 5000
        found.append(" ".join(f"{prefix}{rank}" for rank in ranks).encode())
    return found


def answer(random: np.random.Generator, rows: int, share: float = 0.5) -> np.ndarray:
    first = np.where(random.random(rows) < share, random.beta(8, 2, rows), random.beta(2, 8, rows))
    return np.stack([first, 1 - first], axis=1)


def reference(random: np.random.Generator, texts: int = 6000, answers: int = 4000) -> MonitorReference:
    probabilities = answer(random, answers)
    labels = (random.random(answers) > probabilities[:, 0]).astype(np.int64)
    learnt = draw(random, texts)
    blocks = [learnt[start : start + 500] for start in range(0, texts, 500)]
    return build_reference(
        blocks,
        alphabet=LETTERS,
        classes=CLASSES,
        answers=probabilities.argmax(axis=1),
        confidence=probabilities.max(axis=1),
        labels=labels,
    )


def live(texts: list[bytes], probabilities: np.ndarray) -> LiveTexts:
    measured = measure_texts(texts, ALPHABET)
    return LiveTexts(
        words=measured.words.astype(np.int64),
        has_markup=measured.has_markup,
        unknown_words=measured.unknown_words.astype(np.int64),
        grams=measured.grams.astype(np.int64),
        owners=np.repeat(np.arange(len(texts)), np.diff(measured.gram_ends, prepend=0)),
        answers=probabilities.argmax(axis=1),
        confidence=probabilities.max(axis=1),
    )


@pytest.fixture(scope="module")
def known() -> MonitorReference:
    return reference(np.random.default_rng(0))


def judge(known: MonitorReference, texts: list[bytes], probabilities: np.ndarray) -> dict[str, FeatureDrift]:
    return {each.feature: each for each in judge_window(known, live(texts, probabilities))}


def test_the_same_distribution_is_quiet_and_a_classifier_learns_nothing_from_noise(known: MonitorReference) -> None:
    random = np.random.default_rng(1)
    areas = []
    for _ in range(8):
        found = judge(known, draw(random, 1000), answer(random, 1000))
        assert not any(each.alarm for each in found.values()), found
        areas.append(found["domain"].value)
    assert abs(np.mean(areas) - 0.5) < 0.01


@pytest.mark.parametrize(
    ("feature", "drawn"),
    [
        ("words", {"words": 40}),
        ("domain", {"strange": 0.1}),
        ("answers", {"share": 0.6}),
    ],
)
def test_what_has_changed_is_found_and_named(known: MonitorReference, feature: str, drawn: dict[str, float]) -> None:
    random = np.random.default_rng(2)
    share = drawn.pop("share", 0.5)
    found = judge(known, draw(random, 2000, **drawn), answer(random, 2000, share))
    assert found[feature].alarm
    assert found[feature].low > found[feature].tolerance
    assert found[feature].low <= found[feature].value <= found[feature].high
    if feature == "answers":
        assert {name for name, each in found.items() if each.alarm} == {"answers"}


def test_markup_and_unknown_words_are_counted_by_texts(known: MonitorReference) -> None:
    random = np.random.default_rng(3)
    texts = draw(random, 1000)
    texts[:100] = [text + b" <br>" for text in texts[:100]]
    texts[100:200] = [text + " \u4e2d\u6587".encode() for text in texts[100:200]]
    found = judge(known, texts, answer(random, 1000))
    assert found["markup"].value == pytest.approx(0.1)
    assert found["unknown_words"].value == pytest.approx(0.1)
    assert found["markup"].alarm
    assert found["unknown_words"].alarm
    assert found["unknown_words"].detail == "texts with unknown words: 0.0 % before, 10.0 % now"


def test_copies_of_a_text_do_not_look_like_another_domain(known: MonitorReference) -> None:
    random = np.random.default_rng(4)
    texts = draw(random, 500) * 2
    found = judge(known, texts, answer(random, 1000))["domain"]
    assert not found.alarm
    assert abs(found.value - 0.5) < 0.03


def test_a_small_difference_is_put_up_with_however_sure_it_is() -> None:
    before, now = np.array([500_000, 500_000]), np.array([507_000, 493_000])
    value, low, high, p = compare_shares(before, now)
    assert p < 1e-9
    assert (value, high) < (0.02, 0.02)
    assert low > 0


def test_the_probability_is_that_of_the_chi_squared_test() -> None:
    before, now = np.array([300, 500, 200]), np.array([40, 40, 30])
    value, low, high, p = compare_shares(before, now)
    assert p == pytest.approx(stats.chi2_contingency(np.stack([before, now]), correction=False)[1])
    assert value == pytest.approx(np.abs(before / 1000 - now / 110).sum() / 2)
    assert low < value < high


def test_the_interval_holds_the_true_distance_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    first, second = np.array([0.4, 0.3, 0.2, 0.1]), np.array([0.3, 0.3, 0.2, 0.2])
    inside = 0
    for _ in range(200):
        _, low, high, _ = compare_shares(random.multinomial(5000, first), random.multinomial(2000, second))
        inside += low <= 0.1 <= high
    assert inside >= 176


def test_accuracy_is_estimated_with_an_interval_where_texts_have_become_harder() -> None:
    random = np.random.default_rng(6)
    inside, errors = 0, []
    for _ in range(40):
        known = reference(random, texts=10, answers=4000)
        first = np.where(random.random(2000) < 0.5, random.beta(3, 2, 2000), random.beta(2, 3, 2000))
        probabilities = np.stack([first, 1 - first], axis=1)
        right = np.mean((random.random(2000) > probabilities[:, 0]).astype(int) == probabilities.argmax(axis=1))
        texts = live([b"x"] * 2000, probabilities)
        found = estimate_accuracy(known, count_confidence(known, texts))
        truth = probabilities.max(axis=1).mean()
        inside += found.low <= truth <= found.high
        errors.append(found.value - right)
    assert inside >= 34
    assert abs(np.mean(errors)) < 0.01


def test_the_reference_holds_no_rows_is_small_and_of_a_form_with_a_number(known: MonitorReference) -> None:
    written = known.model_dump_json()
    assert len(written) < 60_000
    assert "w17 " not in written
    assert MonitorReference.model_validate_json(written) == known
    with pytest.raises(AgnewsError, match="too old"):
        MonitorReference.model_validate({**known.model_dump(), "format": 2})
