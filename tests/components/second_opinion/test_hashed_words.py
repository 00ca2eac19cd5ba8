"""A linear model of hashed words: weighed as scikit-learn weighs, the same whatever the order, and right as often."""

from __future__ import annotations

import random

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.svm import LinearSVC

from agnews.components.drift.measure_texts import NUM_BUCKETS, Alphabet, measure_texts
from agnews.components.second_opinion.fit_hashed_words import MOST_CLASSES, SampledRows, fit_hashed_words
from agnews.components.second_opinion.hashed_words import HashedWords, weigh_grams
from agnews.schemas.linear_reference import LinearReference

WORDS = ("minister", "coach", "profit", "software")
CLASSES = ("World", "Sports", "Business", "Sci/Tech")
FILLERS = [f"word{number}" for number in range(400)]


def rows_of(count: int, seed: int, *, wrong: float = 0.1) -> tuple[list[str], np.ndarray]:
    """The class is told by a word among others; some texts have another class's word."""
    chance = random.Random(seed)
    texts, labels = [], []
    for number in range(count):
        label = number % 4
        said = WORDS[label] if chance.random() > wrong else chance.choice(WORDS)
        texts.append(" ".join(chance.sample([said, *chance.choices(FILLERS, k=12)], 13)))
        labels.append(label)
    return texts, np.array(labels)


def learn(texts: list[str], labels: np.ndarray, *, most: int = 50_000) -> LinearReference:
    train = SampledRows(most)
    for first in range(0, len(texts), 300):
        block = [text.encode() for text in texts[first : first + 300]]
        train.add(block, measure_texts(block, Alphabet("")), labels[first : first + 300])
    found = fit_hashed_words(train, *rows_of(2000, 99), CLASSES)
    assert found is not None
    return found


def test_words_are_weighed_as_scikit_learn_weighs_them() -> None:
    texts = [b"a b a b a", b"", b"one word", b"a"]
    measured = measure_texts(texts, Alphabet(""))
    counts = np.zeros((len(texts), NUM_BUCKETS))
    owners = np.repeat(np.arange(len(texts)), np.diff(measured.gram_ends, prepend=0))
    np.add.at(counts, (owners, measured.grams), 1)
    expected = TfidfTransformer(use_idf=False, sublinear_tf=True).fit_transform(counts).toarray()
    np.testing.assert_allclose(weigh_grams(measured.grams, measured.gram_ends).toarray(), expected, rtol=1e-6)


def test_it_is_right_as_often_as_a_model_of_scikit_learn_and_as_sure_as_right() -> None:
    texts, labels = rows_of(3000, 1)
    test_texts, test_labels = rows_of(2000, 99)
    found = learn(texts, labels)
    said = HashedWords(LinearReference.model_validate_json(found.model_dump_json())).probabilities(test_texts)
    right = said.argmax(axis=1) == test_labels
    assert found.accuracy == right.mean()

    def features(asked: list[str]) -> object:
        measured = measure_texts([text.encode() for text in asked], Alphabet(""))
        return weigh_grams(measured.grams, measured.gram_ends)

    reference = LinearSVC(C=0.25).fit(features(texts), labels).score(features(test_texts), test_labels)
    assert found.accuracy == pytest.approx(reference, abs=0.02)
    assert said.max(axis=1).mean() == pytest.approx(right.mean(), abs=0.03)


def test_of_many_rows_some_are_kept_by_their_texts_alone() -> None:
    texts, labels = rows_of(3000, 1)
    found = learn(texts, labels, most=1000)
    assert 400 < found.train_rows <= 1000
    order = np.random.default_rng(0).permutation(len(texts))
    again = learn([texts[row] for row in order], labels[order], most=1000)
    assert again.train_rows == found.train_rows
    assert again.accuracy == pytest.approx(found.accuracy, abs=0.005)
    assert learn(texts, labels, most=1000) == found, "the same rows give the same bytes"


def test_without_rows_or_with_very_many_classes_there_is_none() -> None:
    assert fit_hashed_words(SampledRows(), ["a"], np.array([0]), CLASSES) is None
    train = SampledRows()
    train.add([b"a"], measure_texts([b"a"], Alphabet("")), np.array([0]))
    assert fit_hashed_words(train, [], np.array([], np.int64), CLASSES) is None
    assert fit_hashed_words(train, ["a"], np.array([0]), [str(each) for each in range(MOST_CLASSES + 1)]) is None


def test_copies_of_one_text_do_not_keep_it_from_ending() -> None:
    train = SampledRows(10)
    block = [b""] * 50  # Its digest is zero, which every mask takes.
    train.add(block, measure_texts(block, Alphabet("")), np.zeros(50, np.int64))
    assert train.rows == 50
