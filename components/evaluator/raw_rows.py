"""Raw Examples, as they were before Transform, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from agnews.components.example_files.read_records import open_records
from agnews.schemas import features


@dataclass(frozen=True)
class Rows:
    """Some rows of a split, all arrays of shape (rows,) where nothing else is said.

    Attributes:
        row: int64, numbers of the records in the corpus' file.
        text: object, UTF-8 bytes.
        label: int64, positions of the true classes; where a row has several, a mark for each, (rows, classes).
        num_words: int64.
        has_markup: object, `b"yes"` or `b"no"`.
    """

    row: NDArray[np.int64]
    text: NDArray[np.object_]
    label: NDArray[np.int64]
    num_words: NDArray[np.int64]
    has_markup: NDArray[np.object_]


_ROWS, _CELLS = 2048, 1 << 22


def rows_at_once(classes: int) -> int:
    """Returns how many rows to answer at a time, so that their probabilities take some megabytes.

    Args:
        classes: How many the models know.
    """
    return max(1, min(_ROWS, _CELLS // max(classes, 1)))


def read_rows(files: Sequence[str], *, label_shape: tuple[int, ...] = (), chunk_rows: int = _ROWS) -> Iterator[Rows]:
    """Reads raw Examples, a bounded number at a time.

    Args:
        files: TFRecord files of raw Examples, in order; those that end in `.gz` are decompressed.
        label_shape: Of one label; see `Corpus.label_shape`.
        chunk_rows: Rows in memory at once.

    Yields:
        The rows, in the order of the files.
    """
    specification = {
        features.ROW: tf.io.FixedLenFeature([], tf.int64),
        features.TEXT: tf.io.FixedLenFeature([], tf.string),
        features.LABEL: tf.io.FixedLenFeature(label_shape, tf.int64),
        features.NUM_WORDS: tf.io.FixedLenFeature([], tf.int64),
        features.HAS_MARKUP: tf.io.FixedLenFeature([], tf.string),
    }
    for file in files:
        for serialized in open_records(file).batch(chunk_rows):
            parsed = {name: value.numpy() for name, value in tf.io.parse_example(serialized, specification).items()}
            yield Rows(
                row=parsed[features.ROW],
                text=parsed[features.TEXT],
                label=parsed[features.LABEL],
                num_words=parsed[features.NUM_WORDS],
                has_markup=parsed[features.HAS_MARKUP],
            )
