"""Counts what a model is at home with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agnews.components.drift.measure_texts import NUM_BUCKETS, Alphabet, MeasuredTexts, measure_texts
from agnews.schemas.monitor_reference import MonitorReference, pack_grams

_BINS = 12
_CONFIDENCE_EDGES = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
_LONGEST = 4096


def build_reference(
    texts: Iterable[Sequence[bytes]],
    *,
    alphabet: str,
    classes: Sequence[str],
    answers: NDArray[np.int64],
    confidence: NDArray[np.floating[Any]],
    labels: NDArray[np.int64],
    on_measured: Callable[[Sequence[bytes], MeasuredTexts], None] = lambda texts, measured: None,
) -> MonitorReference:
    """Measures training texts and answers to test texts.

    Args:
        texts: The training texts in blocks.
        alphabet: Characters that the vocabulary has pieces for.
        classes: Names of the classes.
        answers: The likeliest classes of the test texts, (rows,).
        confidence: Their probabilities, (rows,).
        labels: True classes of the test texts, (rows,).
        on_measured: Receives each block with what was measured of it, for whoever learns from that as well.

    Returns:
        The counts.
    """
    letters = Alphabet(alphabet)
    words, grams = np.zeros(_LONGEST + 1, np.int64), np.zeros((2, NUM_BUCKETS), np.int64)
    markup = unknown = rows = 0
    for block in texts:
        measured = measure_texts(block, letters)
        on_measured(block, measured)
        words += np.bincount(np.minimum(measured.words, _LONGEST), minlength=_LONGEST + 1)
        half = (np.repeat(np.arange(len(block)), np.diff(measured.gram_ends, prepend=0)) + rows) % 2
        for each in (0, 1):
            grams[each] += np.bincount(measured.grams[half == each], minlength=NUM_BUCKETS)
        markup += int(measured.has_markup.sum())
        unknown += int((measured.unknown_words > 0).sum())
        rows += len(block)
    edges = _quantile_edges(words)
    bins = np.digitize(confidence, _CONFIDENCE_EDGES)
    return MonitorReference(
        rows=rows,
        alphabet=letters.characters,
        word_edges=edges,
        words=tuple(np.add.reduceat(words, [0, *edges]).tolist()),
        markup=(rows - markup, markup),
        unknown=(rows - unknown, unknown),
        grams=(pack_grams(grams[0]), pack_grams(grams[1])),
        test_rows=len(labels),
        classes=tuple(classes),
        answers=tuple(np.bincount(answers, minlength=len(classes)).tolist()),
        confidence_edges=_CONFIDENCE_EDGES,
        confidence=tuple(np.bincount(bins, minlength=len(_CONFIDENCE_EDGES) + 1).tolist()),
        right=tuple(np.bincount(bins[answers == labels], minlength=len(_CONFIDENCE_EDGES) + 1).tolist()),
    )


def _quantile_edges(words: NDArray[np.int64]) -> tuple[int, ...]:
    """Puts edges so that each bin holds about as many texts; lengths that never came have bins at both ends."""
    share = np.cumsum(words) / max(1, words.sum())
    edges = {int(np.searchsorted(share, number / _BINS)) + 1 for number in range(_BINS + 1)}
    return tuple(sorted(edge for edge in edges if edge <= _LONGEST))
