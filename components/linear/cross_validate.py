"""Which runs of characters suit labelled texts: linear models of each, measured on rows that they have not seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from agnews.components.linear.configure_ngrams import ngram_hash
from agnews.components.linear.count_ngrams import Counts, choose_columns, count_occurrences, weigh_ngrams
from agnews.components.linear.cut_texts import character_vocabulary, text_cutter
from agnews.components.linear.squared_hinge import fit_squared_hinge
from agnews.schemas.learning_config import LinearConfig

_BUCKETS = 2**20
"""Fewer than a model has: some thousand rows do not fill them, and tables of all would cost more than the rows."""


def cross_validate(
    texts: Sequence[str],
    labels: NDArray[np.int64],
    *,
    num_classes: int,
    candidates: Sequence[str],
    folds: Sequence[NDArray[np.bool_]],
) -> dict[str, NDArray[np.bool_]]:
    """Trains a linear model for each candidate and fold, otherwise with the settings of `--model linear`.

    Texts are cut and their n-grams found once, which takes longer than learning from them.

    Args:
        texts: Labelled texts.
        labels: int64 (texts,), 0-based; or where a text has several classes a mark for each, (texts, classes).
        num_classes: Classes to tell apart.
        candidates: Values of `model.char_ngrams`.
        folds: Rows that are kept, bool (texts,) each; the model learns from the others.

    Returns:
        By candidate, whether it was right on the rows of the first fold, then of the next, and so on.
    """
    ranges = {each: LinearConfig(char_ngrams=each).char_range or (1, 1) for each in candidates}
    widest = f"{min(first for first, _ in ranges.values())}-{max(last for _, last in ranges.values())}"
    settings = LinearConfig(char_ngrams=widest, buckets=_BUCKETS)
    vocabulary = character_vocabulary(texts)
    token_ids, row_splits = text_cutter(vocabulary)(texts)
    hashing = ngram_hash(vocabulary, settings)
    tokens = tf.RaggedTensor.from_row_splits(token_ids, row_splits, validate=False).to_tensor()
    words, characters = ([part.numpy() for part in each] for each in map(_parts, hashing.find(hashing.spell(tokens))))
    word_counts = count_occurrences(words[0], words[1], len(texts))
    length = characters[3] - characters[2]
    found = {}
    for candidate, (first, last) in ranges.items():
        chosen = (length >= first) & (length <= last)
        families = (word_counts, count_occurrences(characters[0][chosen], characters[1][chosen], len(texts)))
        found[candidate] = np.concatenate([_answer(families, labels, kept, num_classes) for kept in folds])
    return found


def _parts(occurrences: object) -> tuple[tf.Tensor, ...]:
    return tuple(getattr(occurrences, name) for name in ("bucket", "row", "start", "end"))


def _answer(
    families: Sequence[Counts], labels: NDArray[np.int64], kept: NDArray[np.bool_], num_classes: int
) -> NDArray[np.bool_]:
    settings = LinearConfig()
    learnt = [_rows(counts, ~kept) for counts in families]
    columns = choose_columns(learnt, buckets=_BUCKETS, min_count=settings.min_count)
    weights = fit_squared_hinge(weigh_ngrams(learnt, columns), labels[~kept], num_classes, cost=settings.cost)
    asked = weigh_ngrams([_rows(counts, kept) for counts in families], columns)
    scores, wanted = asked @ weights.kernel + weights.bias, labels[kept]
    right: NDArray[np.bool_] = (
        scores.argmax(axis=1) == wanted if wanted.ndim == 1 else ((scores > 0.0) == (wanted > 0)).all(axis=1)
    )
    return right


def _rows(counts: Counts, mask: NDArray[np.bool_]) -> Counts:
    lengths = np.diff(counts.row_splits)
    entries = np.repeat(mask, lengths)
    return Counts(np.concatenate([[0], np.cumsum(lengths[mask])]), counts.bucket[entries], counts.count[entries])
