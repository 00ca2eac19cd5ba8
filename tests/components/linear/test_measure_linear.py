from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier

from agnews.components.linear.counted_texts import count_texts
from agnews.components.linear.measure_linear import LabelledSets, measure_linear, measure_linear_sets
from agnews.components.linear.score_out_of_fold import score_out_of_fold
from agnews.schemas.learning_config import LinearConfig

SMALL = LinearConfig(buckets=65_536)


@pytest.mark.parametrize(
    "topics",
    [
        ["the match was won by the home team", "the minister spoke in parliament"],
        ["球队在决赛中获胜", "部长在议会发表讲话"],
        ["הקבוצה ניצחה במשחק", "השר נאם בכנסת"],
        ["L'ÉQUIPE a gagné", "le MINISTRE a parlé"],
    ],
    ids=["english", "chinese", "hebrew", "french"],
)
def test_texts_of_any_language_are_told_apart_without_a_vocabulary(topics: list[str]) -> None:
    random = np.random.default_rng(5)
    filler = "0123456789"
    labels = random.integers(2, size=60)
    texts = [f"{random.choice(list(filler))} {topics[label]} {random.choice(list(filler))}" for label in labels]

    found = measure_linear(count_texts(texts[:40], SMALL), labels[:40], texts[40:], labels[40:], num_classes=2)

    assert found.accuracy == 1.0
    np.testing.assert_array_equal(found.answers, labels[40:])


def test_what_cannot_be_told_apart_is_measured_as_such() -> None:
    texts, labels = ["same text"] * 40, [0] * 30 + [1] * 10

    assert measure_linear(count_texts(texts, SMALL), labels, texts, labels, num_classes=2).accuracy == 0.75


def test_texts_counted_once_are_those_that_models_of_words_alone_count() -> None:
    texts = [f"{'a match' if row % 2 else 'the war'} said {row}" for row in range(60)]
    labels = np.arange(60) % 2
    alone = SMALL.model_copy(update={"char_ngrams": None})
    both, words = count_texts(texts, SMALL).without_characters(), count_texts(texts, alone)
    np.testing.assert_array_equal(
        score_out_of_fold(both, labels, num_classes=2), score_out_of_fold(words, labels, num_classes=2)
    )
    characters = count_texts(texts, SMALL.model_copy(update={"word_ngrams": 0}))
    assert characters.without_characters() is characters, "some languages have no spaces"


def made_sets(count: int, seed: int) -> LabelledSets:
    """Texts with words of each of their classes among others."""
    words = np.array([f"{a}{b}{c}" for a in "bdgklmprst" for b in "aeiou" for c in "nrst"])
    own, others = words[:60].reshape(5, 12), words[60:]
    random = np.random.default_rng(seed)
    marks = (random.random((count, 5)) < (0.5, 0.4, 0.3, 0.2, 0.08)).astype(np.int64)
    texts = []
    for row in marks:
        said = [*random.choice(others, 8)]
        for number, has in enumerate(row):
            said += (
                [*random.choice(own[number], 2)] if has else [*random.choice(own[number], int(random.random() < 0.1))]
            )
        texts.append(" ".join(random.permutation(said)))
    return LabelledSets(texts, marks)


def test_several_classes_are_found_as_well_as_by_a_logistic_regression_each() -> None:
    train, held, test = made_sets(1200, 1), made_sets(300, 2), made_sets(500, 3)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    peer = OneVsRestClassifier(LogisticRegression(C=10.0, max_iter=500))
    peer.fit(vectorizer.fit_transform([*train.texts, *held.texts]), np.concatenate([train.marks, held.marks]))
    expected = f1_score(test.marks, peer.predict(vectorizer.transform(test.texts)), average="micro")

    found = measure_linear_sets(count_texts(train.texts, SMALL), train.marks, held, test)

    assert f1_score(test.marks, found.answers, average="micro") > expected - 0.01
    assert found.accuracy == pytest.approx((found.answers == test.marks).all(axis=1).mean())
