"""The distance against SciPy's, the thresholds against random splits, the counts against counting by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from agnews.components.drift.measure_distances import (
    TOLERANCE,
    jensen_shannon_distance,
    measure_distances,
    most_noise,
)
from agnews.components.drift.noise_between_splits import noise_between_splits
from agnews.components.drift.text_features import (
    NUM_LENGTH_BINS,
    PAIR_BUCKETS,
    ROW_WEIGHT,
    count_character_pairs,
    length_bins,
    weigh_pairs,
)
from agnews.schemas.feature_counts import COUNTED, FeatureCounts

WORDS = ["shares", "fell", "as", "the", "bank", "raised", "rates", "in", "Paris", "and", "won", "a", "cup"]


def draw(rows: int, seed: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    texts = [" ".join(generator.choice(WORDS, length)) for length in generator.integers(5, 40, rows)]
    return texts, generator.integers(0, 4, rows), generator.random(rows) < 0.3


def count(texts: list[str], labels: np.ndarray, markup: np.ndarray) -> FeatureCounts:
    def bins(lengths: list[int]) -> tuple[int, ...]:
        return tuple(np.bincount(length_bins(lengths), minlength=NUM_LENGTH_BINS).tolist())

    return FeatureCounts(
        rows=len(texts),
        label=tuple(np.bincount(labels, minlength=4).tolist()),
        num_words=bins([len(text.split()) for text in texts]),
        num_characters=bins([len(text) for text in texts]),
        has_markup=(int((~markup).sum()), int(markup.sum())),
        character_pairs=tuple(count_character_pairs(texts).tolist()),
    )


def test_distances_are_those_of_scipy() -> None:
    generator = np.random.default_rng(0)
    counts, others = generator.integers(0, 5, (2, 20, 30)).astype(float)
    wanted = [jensenshannon(p, q, base=2) for p, q in zip(counts, others, strict=True)]
    np.testing.assert_allclose(jensen_shannon_distance(counts, others), wanted, atol=1e-12)
    assert jensen_shannon_distance(np.array([1.0, 0.0]), np.array([0.0, 5.0])) == 1.0


def test_pairs_are_those_of_each_text_and_each_text_weighs_the_same() -> None:
    texts = ["abab", "", "x", "ab", "\U0001f600\u05d0", "b" * 5000]
    owners, buckets, weights = weigh_pairs(texts)
    by_text = Counter(owners.tolist())
    assert by_text == {0: 3, 3: 1, 4: 1, 5: 4999}
    assert buckets[owners == 0].tolist() == [buckets[owners == 3][0], buckets[1], buckets[owners == 3][0]]
    for text in by_text:
        assert weights[owners == text].sum() == pytest.approx(ROW_WEIGHT, rel=0.005)
    total = count_character_pairs(texts)
    assert len(total) == PAIR_BUCKETS
    assert total.sum() == weights.sum()
    np.testing.assert_array_equal(total, count_character_pairs(texts[:3]) + count_character_pairs(texts[3:]))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("ab ")), max_size=30))
@settings(max_examples=100, deadline=None)
def test_texts_of_ascii_are_counted_as_all_others(texts: list[str]) -> None:
    _, buckets, weights = weigh_pairs(texts)
    counted = np.bincount(buckets, weights, PAIR_BUCKETS)
    np.testing.assert_array_equal(count_character_pairs(texts), counted)


def test_the_longest_text_of_many_moves_nothing() -> None:
    """A row of 900 words among 4,000 short ones is no other source."""
    texts, labels, markup = draw(4000, 1)
    noise = noise_between_splits(*draw(2000, 3), num_classes=4)
    other = count(*draw(1000, 2))
    texts[7] = " ".join(["bank"] * 900)
    for found in measure_distances(count(texts, labels, markup), other, noise=noise, tolerance={}):
        assert found.value < found.threshold


def test_random_splits_of_any_size_stay_below_and_shifts_do_not() -> None:
    texts, labels, markup = draw(4000, 5)
    noise = noise_between_splits(texts[:2000], labels[:2000], markup[:2000], num_classes=4)
    assert set(noise) == set(COUNTED)
    generator, stopped = np.random.default_rng(6), 0
    for number in range(60):
        order = generator.permutation(4000)
        cut = (200, 800, 2000)[number % 3]
        halves = [count([texts[i] for i in part], labels[part], markup[part]) for part in (order[:cut], order[cut:])]
        # Without tolerance: the noise alone has to do.
        found = measure_distances(*halves, noise=noise, tolerance=dict.fromkeys(COUNTED, 0.0))
        stopped += any(each.value > each.threshold for each in found)
    assert stopped <= 2
    foreign = ["\u05e9\u05dc\u05d5\u05dd " * 10 if i % 10 == 0 else text for i, text in enumerate(texts[:800])]
    other = count(foreign, labels[:800], markup[:800])
    found = measure_distances(count(texts, labels, markup), other, noise=noise, tolerance={})
    assert {each.feature for each in found if each.value > each.threshold} >= {"character_pairs"}


def test_without_a_measurement_an_upper_bound_holds() -> None:
    measured = noise_between_splits(*draw(2000, 8), num_classes=4)
    assert measured["label"] == pytest.approx(most_noise(4), rel=0.25)
    assert measured["character_pairs"] < most_noise(100)
    (found, *_) = measure_distances(count(*draw(500, 1)), count(*draw(500, 2)), noise={}, tolerance={})
    assert found.feature == "label"
    assert found.threshold == pytest.approx(TOLERANCE + most_noise(4) * (2 / 500) ** 0.5)


def test_a_class_that_is_new_and_a_feature_that_one_sample_lacks() -> None:
    few = count(*draw(500, 1))
    more = few.model_copy(update={"label": (0, 0, 0, 0, 500)})
    (label, *_) = measure_distances(few, more, noise={}, tolerance={})
    assert label.value == 1.0
    served = few.model_copy(update={"label": ()})
    assert [each.feature for each in measure_distances(few, served, noise={}, tolerance={})] == list(COUNTED[1:])
