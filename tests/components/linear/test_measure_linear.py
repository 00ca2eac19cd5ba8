from __future__ import annotations

import numpy as np
import pytest

from agnews.components.linear.measure_linear import measure_linear
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

    found = measure_linear(texts[:40], labels[:40], texts[40:], labels[40:], num_classes=2, settings=SMALL)

    assert found.accuracy == 1.0
    np.testing.assert_array_equal(found.answers, labels[40:])


def test_what_cannot_be_told_apart_is_measured_as_such() -> None:
    texts, labels = ["same text"] * 40, [0] * 30 + [1] * 10

    assert measure_linear(texts, labels, texts, labels, num_classes=2, settings=SMALL).accuracy == 0.75
