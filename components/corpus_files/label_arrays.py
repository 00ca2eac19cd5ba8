"""Labels of many rows: positions of classes, or where a text has several a mark for each class."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from agnews.components.corpus_files.record import Record

Labels = npt.NDArray[Any]
"""Integers (rows,), or 0 and 1 (rows, classes)."""


def stack_labels(records: list[Record], shape: tuple[int, ...]) -> Labels:
    """Puts the labels of records into an array.

    Args:
        records: n of them.
        shape: Of one label; see `Corpus.label_shape`.

    Returns:
        uint16 (n,), or uint8 (n, classes).
    """
    if not shape:
        return np.fromiter((record.label for record in records), np.uint16, len(records))
    marks = b"".join(bytes(record.label) for record in records)
    return np.frombuffer(marks, np.uint8).reshape(len(records), *shape)


def count_labels(labels: Labels, num_classes: int) -> npt.NDArray[np.int64]:
    """Counts the rows of each class, (classes,)."""
    if labels.ndim == 1:
        return np.bincount(labels.astype(np.int64), minlength=num_classes)
    counts: npt.NDArray[np.int64] = labels.sum(axis=0, dtype=np.int64)
    return counts


def label_codes(labels: Labels) -> npt.NDArray[np.int64]:
    """Returns numbers (rows,) that are equal where labels are."""
    if labels.ndim == 1:
        return labels.astype(np.int64)
    return np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)


def stratify(labels: Labels) -> npt.NDArray[np.integer[Any]]:
    """Returns what rows are drawn by, (rows,): their class; of several the first one, and one number more for none."""
    if labels.ndim == 1:
        return labels
    first: npt.NDArray[np.integer[Any]] = np.where(labels.any(axis=1), labels.argmax(axis=1), labels.shape[1])
    return first
