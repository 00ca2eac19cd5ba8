"""What models that have learnt from other texts make of labelled ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from agnews.components.linear.count_ngrams import choose_columns, weigh_ngrams
from agnews.components.linear.counted_texts import CountedTexts
from agnews.components.linear.fit_sharpness import fit_sharpness, fit_sharpness_of_sets
from agnews.components.linear.squared_hinge import fit_squared_hinge


def score_out_of_fold(
    texts: CountedTexts, labels: NDArray[np.int64], *, num_classes: int, folds: int = 3
) -> NDArray[np.float64]:
    """Says what models that have learnt from the other texts make of each.

    Args:
        texts: In an order that says nothing about their classes. Without characters it takes a quarter of the time.
        labels: Their classes, 0-based; or where a text has several a mark for each, (texts, classes).
        num_classes: Classes to tell apart.
        folds: Parts of the texts, each judged by what was learnt from the others.

    Returns:
        Probabilities (texts, classes), as sure as they are right on the whole; of marks each is one of its own.
    """
    settings, counts = texts.settings, texts.families
    columns = choose_columns(
        counts, buckets=settings.buckets, min_count=settings.min_count, rarity_power=settings.rarity_power
    )
    matrix, fold = weigh_ngrams(counts, columns), np.arange(len(labels)) % folds
    scores = np.zeros((len(labels), num_classes))
    for number in range(folds):
        held = fold == number
        weights = fit_squared_hinge(matrix[~held], labels[~held], num_classes, cost=settings.cost)
        scores[held] = matrix[held] @ weights.kernel + weights.bias
    if labels.ndim == 2:
        each: NDArray[np.float64] = special.expit(fit_sharpness_of_sets(scores, labels) * scores)
        return each
    probabilities: NDArray[np.float64] = special.softmax(fit_sharpness(scores, labels) * scores, axis=1)
    return probabilities
