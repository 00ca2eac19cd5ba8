"""How far two samples of the same texts are apart by chance: measured once, then part of a corpus' description."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from agnews.components.drift.measure_distances import jensen_shannon_distance, most_noise
from agnews.components.drift.text_features import NUM_LENGTH_BINS, PAIR_BUCKETS, length_bins, weigh_pairs

SPLITS = 1000
QUANTILE = 0.995
_ROWS_AT_ONCE = 1024
_ARRAY = npt.NDArray[np.float64]


def noise_between_splits(
    texts: Sequence[str],
    labels: npt.NDArray[np.int64],
    markup: npt.NDArray[np.bool_],
    *,
    num_classes: int,
    seed: int = 0,
) -> dict[str, float]:
    """Measures distances between random halves of some rows.

    The thresholds hold together: of a thousand splits, five have a distance above its threshold in one feature or
    another. What a feature gets is its mean plus a number of standard deviations that is the same for all features.

    Args:
        texts: n texts, a few thousand at most: time and memory grow with them.
        labels: Their classes, (n,); or where a text has several a mark for each, (n, classes).
        markup: Whether each holds remnants of markup, (n,).
        num_classes: How many classes there are.
        seed: Of the splits.

    Returns:
        By feature, the distance over sqrt(1 / rows + 1 / other rows) that chance stays below.
    """
    rows = len(texts)
    first = np.zeros((SPLITS, rows), np.float32)
    generator = np.random.default_rng(seed)
    half = rows // 2
    for row in first:
        row[generator.permutation(rows)[:half]] = 1.0
    scale = np.sqrt(1 / half + 1 / (rows - half))
    words = length_bins([len(text.split()) for text in texts])
    characters = length_bins([len(text) for text in texts])
    features = {
        "label": _in_bins(first, labels, num_classes)
        if labels.ndim == 1
        else _halves(first, iter([labels.astype(np.float32)]), num_classes),
        "num_words": _in_bins(first, words, NUM_LENGTH_BINS),
        "num_characters": _in_bins(first, characters, NUM_LENGTH_BINS),
        "has_markup": _in_bins(first, markup.astype(np.int64), 2),
        "character_pairs": _halves(first, _pairs(texts), PAIR_BUCKETS),
    }
    distances = {name: jensen_shannon_distance(*halves) / scale for name, halves in features.items()}
    mean = {name: float(each.mean()) for name, each in distances.items()}
    spread = {name: float(each.std()) for name, each in distances.items()}
    # A feature with one value, no markup in any row, has no noise and no say.
    varying = [name for name in distances if spread[name] > 0]
    largest = np.max([(distances[name] - mean[name]) / spread[name] for name in varying] or [[0.0]], axis=0)
    above = float(np.quantile(largest, QUANTILE))
    # A value that is rare here, in one row of a thousand, tells nothing of its noise: two bins have at least that much.
    return {
        name: max(mean[name] + above * spread[name], 0.0 if name == "character_pairs" else most_noise(2))
        for name in distances
    }


def _in_bins(first: npt.NDArray[np.float32], values: npt.NDArray[np.int64], bins: int) -> tuple[_ARRAY, _ARRAY]:
    used, positions = np.unique(values, return_inverse=True)

    def blocks() -> Iterator[npt.NDArray[np.float32]]:
        for start in range(0, len(values), _ROWS_AT_ONCE):
            yield np.eye(len(used), dtype=np.float32)[positions[start : start + _ROWS_AT_ONCE]]

    return _halves(first, blocks(), min(bins, len(used)))


def _pairs(texts: Sequence[str]) -> Iterator[npt.NDArray[np.float32]]:
    for start in range(0, len(texts), _ROWS_AT_ONCE):
        some = texts[start : start + _ROWS_AT_ONCE]
        owners, buckets, weights = weigh_pairs(some)
        flat = np.bincount(owners * PAIR_BUCKETS + buckets, weights, len(some) * PAIR_BUCKETS)
        yield flat.reshape(len(some), PAIR_BUCKETS).astype(np.float32)


def _halves(
    first: npt.NDArray[np.float32], blocks: Iterator[npt.NDArray[np.float32]], bins: int
) -> tuple[_ARRAY, _ARRAY]:
    ours, whole, done = np.zeros((len(first), bins)), np.zeros(bins), 0
    for block in blocks:
        ours += first[:, done : done + len(block)] @ block
        whole += block.sum(0, dtype=np.float64)
        done += len(block)
    return ours, np.maximum(whole - ours, 0.0)
