"""The way to the rows of Examples that a step before has written."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence

import tensorflow as tf

from agnews.schemas.features import TEXT


def record_files(folders: Iterable[str]) -> list[str]:
    """Returns the files of records in folders of splits, in order; files that are being written are none of them."""
    found = (name for folder in folders for name in tf.io.gfile.glob(f"{folder}/*"))
    return sorted(name for name in found if not posixpath.basename(name).startswith("."))


def open_records(file: str) -> tf.data.Dataset:
    """Opens a TFRecord file, decompressed if its name ends in `.gz`."""
    return tf.data.TFRecordDataset(file, compression_type="GZIP" if file.endswith(".gz") else "")


def read_texts(folders: Sequence[str], *, rows_at_once: int) -> Iterator[tf.Tensor]:
    """Reads the texts of raw Examples.

    Args:
        folders: Of the splits.
        rows_at_once: In memory.

    Yields:
        Strings of UTF-8, (rows,), in the order of the files.
    """
    specification = {TEXT: tf.io.FixedLenFeature([], tf.string)}
    for file in record_files(folders):
        for batch in open_records(file).batch(rows_at_once):
            yield tf.io.parse_example(batch, specification)[TEXT]
