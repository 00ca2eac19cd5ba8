"""Learns a linear model of hashed words from as many rows as there are, and keeps some of them in memory."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agnews.components.drift.measure_texts import MeasuredTexts
from agnews.components.linear.fit_sharpness import fit_sharpness
from agnews.components.linear.squared_hinge import LinearWeights, fit_squared_hinge
from agnews.components.second_opinion.hashed_words import HashedWords, weigh_grams
from agnews.schemas.linear_reference import LinearReference, pack_weights

MOST_CLASSES = 256
"""With more, the file would have more than some megabytes."""
_MOST_ROWS = 50_000
"""Twice as many find half a point more on AG News."""
_COST = 0.25


class SampledRows:
    """Measured rows, chosen by their texts alone: in which order they come decides nothing but their places.

    Args:
        most: Rows to keep; beyond that, half of them go.
    """

    def __init__(self, most: int = _MOST_ROWS) -> None:
        self._most = most
        self._mask = np.uint32(0)
        self._blocks: list[tuple[NDArray[np.uint32], MeasuredTexts, NDArray[np.int64]]] = []

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(len(labels) for _, _, labels in self._blocks)

    def add(self, texts: Sequence[bytes], measured: MeasuredTexts, labels: NDArray[np.int64]) -> None:
        """Takes rows.

        Args:
            texts: Of n rows.
            measured: What was measured of them.
            labels: Their classes, 0-based, (n,).
        """
        digests = np.fromiter(map(zlib.crc32, texts), np.uint32, len(texts))
        self._blocks.append(_kept(digests, measured, labels, self._mask))
        while self.rows > self._most and self._mask < np.iinfo(np.uint32).max:
            self._mask = self._mask * np.uint32(2) + np.uint32(1)
            self._blocks = [_kept(*block, self._mask) for block in self._blocks]

    def fit(self, num_classes: int) -> LinearWeights:
        """Learns from them.

        Args:
            num_classes: Classes to tell apart.
        """
        sizes = [np.diff(measured.gram_ends, prepend=0) for _, measured, _ in self._blocks]
        matrix = weigh_grams(
            np.concatenate([measured.grams for _, measured, _ in self._blocks]), np.cumsum(np.concatenate(sizes))
        )
        labels = np.concatenate([labels for _, _, labels in self._blocks])
        return fit_squared_hinge(matrix, labels, num_classes, cost=_COST)


def _kept(
    digests: NDArray[np.uint32], measured: MeasuredTexts, labels: NDArray[np.int64], mask: np.uint32
) -> tuple[NDArray[np.uint32], MeasuredTexts, NDArray[np.int64]]:
    taken = digests & mask == 0
    sizes = np.diff(measured.gram_ends, prepend=0)
    grams = measured.grams[np.repeat(taken, sizes)]
    few = MeasuredTexts(
        words=measured.words[taken],
        has_markup=measured.has_markup[taken],
        unknown_words=measured.unknown_words[taken],
        grams=grams,
        gram_ends=np.cumsum(sizes[taken]),
    )
    return digests[taken], few, labels[taken]


def fit_hashed_words(
    train: SampledRows, test_texts: Sequence[str], test_labels: NDArray[np.int64], classes: Sequence[str]
) -> LinearReference | None:
    """Learns from training rows, and says how good that is on the test rows.

    Args:
        train: The training rows.
        test_texts: Texts of the test rows.
        test_labels: Their classes, 0-based.
        classes: Names of the classes.

    Returns:
        What was learnt; None where there are no rows, or more classes than `MOST_CLASSES`.
    """
    if not train.rows or not len(test_labels) or len(classes) > MOST_CLASSES:
        return None
    weights = train.fit(len(classes))
    kernel, scale = pack_weights(weights.kernel)
    bias = tuple(weights.bias.tolist())
    raw = LinearReference(
        train_rows=train.rows,
        accuracy=0.0,
        classes=tuple(classes),
        kernel=kernel,
        scale=scale,
        bias=bias,
        sharpness=1.0,
    )
    said = HashedWords(raw).probabilities(test_texts)
    # The logarithm of a softmax is the scores but for a constant of the row, which another softmax takes away.
    sharpness = fit_sharpness(np.log(np.maximum(said, 1e-30)), test_labels)
    accuracy = float(np.mean(said.argmax(axis=1) == test_labels))
    return raw.model_copy(update={"accuracy": accuracy, "sharpness": round(sharpness, 4)})
