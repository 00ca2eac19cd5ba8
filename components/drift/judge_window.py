"""Whether what was asked of late still is what the model has learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from agnews.components.drift.compare_shares import compare_shares
from agnews.components.drift.tell_domains_apart import tell_domains_apart
from agnews.schemas.monitor_reference import FeatureDrift, MonitorReference

LEAST_ROWS = 200
"""Fewer texts tell nothing."""
LEVEL = 0.05
"""Of the days on which nothing has changed, those with a false alarm are at most so many."""
LOOKS = 24
"""In a day."""
_TOLERANCE = 0.02
_AREA_TOLERANCE = 0.51
_FEATURES = 6


@dataclass(frozen=True)
class LiveTexts:
    """Texts that were answered, in numbers.

    Attributes:
        words: (rows,) words of each.
        has_markup: (rows,) bool.
        unknown_words: (rows,) words of each that the vocabulary cannot spell.
        grams: (n-grams,) buckets of all texts.
        owners: (n-grams,) which text each belongs to.
        answers: (rows,) positions of the classes that were answered.
        confidence: (rows,) the highest probability of each.
    """

    words: NDArray[np.int64]
    has_markup: NDArray[np.bool_]
    unknown_words: NDArray[np.int64]
    grams: NDArray[np.int64]
    owners: NDArray[np.int64]
    answers: NDArray[np.int64]
    confidence: NDArray[np.float64]

    @property
    def rows(self) -> int:
        """How many texts."""
        return len(self.words)


def count_confidence(reference: MonitorReference, live: LiveTexts) -> NDArray[np.int64]:
    """Counts live texts by the bins of the reference's highest probability.

    Args:
        reference: Of the model.
        live: The texts.
    """
    edges = reference.confidence_edges
    return np.bincount(np.digitize(live.confidence, edges), minlength=len(edges) + 1)


def judge_window(reference: MonitorReference, live: LiveTexts, *, looks: int = LOOKS) -> tuple[FeatureDrift, ...]:
    """Compares texts with the reference in six respects.

    A difference is an alarm if it is beyond chance, beyond what is put up with, and both with its whole interval. The
    level is that of a day, over all features and all looks (Bonferroni): whoever looks every hour at six features has
    144 chances of a false alarm, and each gets its part of the 5 %.

    Args:
        reference: Of the model.
        live: At least `LEAST_ROWS` texts.
        looks: Times that somebody looks in a day.

    Returns:
        What was found in each respect.
    """
    level = LEVEL / (looks * _FEATURES)
    words = np.bincount(np.digitize(live.words, reference.word_edges), minlength=len(reference.word_edges) + 1)
    markup = int(live.has_markup.sum())
    unknown = int((live.unknown_words > 0).sum())
    compared: tuple[tuple[str, Sequence[int], Sequence[int] | NDArray[np.int64], Sequence[str]], ...] = (
        ("words", reference.words, words, _ranges(reference.word_edges, "words")),
        ("markup", reference.markup, (live.rows - markup, markup), ("none", "texts with markup")),
        ("unknown_words", reference.unknown, (live.rows - unknown, unknown), ("none", "texts with unknown words")),
        (
            "answers",
            reference.answers,
            np.bincount(live.answers, minlength=len(reference.classes)),
            reference.classes,
        ),
        (
            "confidence",
            reference.confidence,
            count_confidence(reference, live),
            _ranges(reference.confidence_edges, "probability"),
        ),
    )
    found = [_compare(name, before, now, bins, level) for name, before, now, bins in compared]
    area, low, high, p = tell_domains_apart(reference.gram_rates(), reference.rows, live.grams, live.owners, live.rows)
    found.append(
        FeatureDrift(
            feature="domain",
            measure="AUC",
            value=area,
            low=low,
            high=high,
            p=p,
            tolerance=_AREA_TOLERANCE,
            alarm=p < level and low > _AREA_TOLERANCE,
            detail="words of live texts are told from those of training texts",
        )
    )
    return tuple(found)


def _compare(
    name: str, before: Sequence[int], now: Sequence[int] | NDArray[np.int64], bins: Sequence[str], level: float
) -> FeatureDrift:
    first, second = np.array(before, np.int64), np.array(now, np.int64)
    value, low, high, p = compare_shares(first, second)
    shares = first / max(1, first.sum()), second / second.sum()
    most = int(np.abs(shares[1] - shares[0]).argmax())
    return FeatureDrift(
        feature=name,
        measure="total variation",
        value=value,
        low=low,
        high=high,
        p=p,
        tolerance=_TOLERANCE,
        alarm=p < level and low > _TOLERANCE,
        detail=f"{bins[most]}: {100 * shares[0][most]:.1f} % before, {100 * shares[1][most]:.1f} % now",
    )


def _ranges(edges: Sequence[float], unit: str) -> list[str]:
    middle = [f"{unit} {first:g} to {second:g}" for first, second in pairwise(edges)]
    return [f"{unit} below {edges[0]:g}", *middle, f"{unit} from {edges[-1]:g}"]
