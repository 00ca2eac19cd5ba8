"""From word pieces and classes to a linear classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agnews.components.linear.count_ngrams import Counts, NgramColumns, choose_columns, count_ngrams, weigh_ngrams
from agnews.components.linear.ngram_hash import NgramHash
from agnews.components.linear.squared_hinge import LinearWeights, fit_squared_hinge
from agnews.schemas.errors import AgnewsError

_MOST_WEIGHTS = 2**30
"""4 GiB: training holds several times as much."""


@dataclass(frozen=True)
class LinearFit:
    """A linear classifier.

    Attributes:
        ngrams: Finds the n-grams of a text.
        columns: Which of them it knows.
        weights: What each of them says.
        scores: float32 (rows, classes), what it says of the rows that it has learnt from.
    """

    ngrams: NgramHash
    columns: NgramColumns
    weights: LinearWeights
    scores: NDArray[np.float32]

    def score(self, token_ids: NDArray[np.integer], row_splits: NDArray[np.int64]) -> NDArray[np.float32]:
        """Scores texts, many times faster than the network that is served, which says the same.

        Args:
            token_ids: (word pieces of all texts,).
            row_splits: (rows + 1,); text i is token_ids[row_splits[i]:row_splits[i + 1]].

        Returns:
            float32 (rows, classes).
        """
        matrix = weigh_ngrams(count_ngrams(self.ngrams, token_ids, row_splits), self.columns)
        found: NDArray[np.float32] = matrix @ self.weights.kernel + self.weights.bias
        return found


def fit_linear(
    ngrams: NgramHash,
    counts: Sequence[Counts],
    labels: NDArray[np.int64],
    *,
    num_classes: int,
    min_count: int,
    cost: float,
    rarity_power: float = 1.0,
    class_weights: NDArray[np.float32] | None = None,
    section: str = "model",
) -> LinearFit:
    """Learns from texts. The same texts in the same order give the same weights.

    Args:
        ngrams: Finds the n-grams of a text.
        counts: What it has found in these, by family: see `count_ngrams`.
        labels: See `fit_squared_hinge`.
        num_classes: Classes to tell apart.
        min_count: Least number of texts that an n-gram has to occur in.
        cost: See `fit_squared_hinge`.
        rarity_power: See `choose_columns`.
        class_weights: See `fit_squared_hinge`.
        section: Where the model stands in a configuration.

    Returns:
        The classifier.

    Raises:
        AgnewsError: The weights would not fit into memory.
    """
    columns = choose_columns(counts, buckets=ngrams.buckets, min_count=min_count, rarity_power=rarity_power)
    if len(columns.rarity) * num_classes > _MOST_WEIGHTS:
        raise AgnewsError(
            "A linear model of so many n-grams and classes does not fit into memory.",
            found=f"{len(columns.rarity):,} n-grams for {num_classes:,} classes",
            fix="Take rarer n-grams out or hash them closer: "
            f"--set {section}.min_count=5 or --set {section}.buckets=65536",
        )
    matrix = weigh_ngrams(counts, columns)
    weights = fit_squared_hinge(matrix, labels, num_classes, cost=cost, class_weights=class_weights)
    return LinearFit(ngrams, columns, weights, matrix @ weights.kernel + weights.bias)
