"""What models that have learnt from other texts make of labelled ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from agnews.components.linear.configure_ngrams import ngram_hash
from agnews.components.linear.count_ngrams import choose_columns, count_ngrams, weigh_ngrams
from agnews.components.linear.cut_texts import character_vocabulary, text_cutter
from agnews.components.linear.squared_hinge import fit_squared_hinge
from agnews.schemas.learning_config import LinearConfig


def score_out_of_fold(
    texts: Sequence[str],
    labels: NDArray[np.int64],
    *,
    num_classes: int,
    settings: LinearConfig | None = None,
    folds: int = 3,
) -> NDArray[np.float64]:
    """Says what models that have learnt from the other texts make of each.

    Texts are read once; what is learnt for each fold are the weights alone.

    Args:
        texts: In an order that says nothing about their classes.
        labels: Their classes, 0-based.
        num_classes: Classes to tell apart.
        settings: Of the models; None for those of `--model linear`. Without characters it takes a quarter of the time.
        folds: Parts of the texts, each judged by what was learnt from the others.

    Returns:
        Probabilities (texts, classes), as sure as they are right on the whole.
    """
    settings = settings or LinearConfig()
    vocabulary = character_vocabulary(texts)
    counts = count_ngrams(ngram_hash(vocabulary, settings), *text_cutter(vocabulary)(texts))
    columns = choose_columns(counts, buckets=settings.buckets, min_count=settings.min_count)
    matrix, fold = weigh_ngrams(counts, columns), np.arange(len(texts)) % folds
    scores = np.zeros((len(texts), num_classes))
    for each in range(folds):
        held = fold == each
        weights = fit_squared_hinge(matrix[~held], labels[~held], num_classes, cost=settings.cost)
        scores[held] = matrix[held] @ weights.kernel + weights.bias

    def cross_entropy(sharpness: float) -> float:
        scaled = sharpness * scores
        return float(np.mean(special.logsumexp(scaled, axis=1) - scaled[np.arange(len(labels)), labels]))

    found = optimize.minimize_scalar(cross_entropy, bounds=(0.1, 20.0), method="bounded")
    probabilities: NDArray[np.float64] = special.softmax(found.x * scores, axis=1)
    return probabilities
