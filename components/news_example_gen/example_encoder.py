"""Rows to serialised tf.Examples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from agnews.components.corpus_files.row_batch import RowBatch
from agnews.schemas.features import HAS_MARKUP, LABEL, NUM_WORDS, ROW, TEXT

_MARKUP = (b"no", b"yes")


class ExampleEncoder:
    """Serialises rows.

    One message is built and its values are replaced for each row, which takes an eighth of the time that building a
    message for each row takes and gives the same bytes.
    """

    def __init__(self) -> None:
        self._example = tf.train.Example()
        features = self._example.features.feature
        for name in (TEXT, HAS_MARKUP):
            features[name].bytes_list.value.append(b"")
        for name in (LABEL, NUM_WORDS, ROW):
            features[name].int64_list.value.append(0)
        self._text = features[TEXT].bytes_list.value
        self._has_markup = features[HAS_MARKUP].bytes_list.value
        self._label = features[LABEL].int64_list.value
        self._num_words = features[NUM_WORDS].int64_list.value
        self._row = features[ROW].int64_list.value

    def encode(self, batch: RowBatch, mask: npt.NDArray[np.bool_]) -> Iterator[bytes]:
        """Serialises some rows of a batch.

        Args:
            batch: n rows.
            mask: Which of them, bool (n,).

        Yields:
            A raw tf.Example a row (`agnews.schemas.features.RAW`), in the order of the batch.
        """
        words, markup, rows = batch.words.tolist(), batch.markup.tolist(), batch.rows.tolist()
        serialize = self._example.SerializeToString
        for i in np.flatnonzero(mask).tolist():
            record = batch.records[i]
            self._text[0] = record.encoded
            self._has_markup[0] = _MARKUP[markup[i]]
            self._label[0] = record.label
            self._num_words[0] = words[i]
            self._row[0] = rows[i]
            yield serialize(deterministic=True)
