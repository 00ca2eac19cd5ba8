"""Reads what Transform wrote."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from agnews.components.training.token_rows import TokenRows
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import LABEL, TOKEN_IDS

_ROWS_PARSED_AT_ONCE = 4096


def read_token_rows(patterns: Sequence[str], *, vocabulary_size: int, num_classes: int) -> TokenRows:
    """Reads tokenised Examples into memory, in an order that their content alone decides.

    Beam may write the same rows to other files in another order each time; a training run must not depend on that.

    Args:
        patterns: Glob patterns of gzipped TFRecord files of tf.Examples with TOKEN_IDS and LABEL.
        vocabulary_size: Token ids have to be below this.
        num_classes: Labels have to be below this.

    Returns:
        The rows, sorted by length, then by token ids, then by label.

    Raises:
        AgnewsError: There is no row, a file is damaged, or a row does not fit the vocabulary or the classes.
    """
    files = sorted(file for pattern in patterns for file in tf.io.gfile.glob(pattern))
    ids, lengths, labels = _read(files)
    if not len(labels):
        raise AgnewsError(
            "There is no row to learn from.",
            found=", ".join(patterns),
            fix="Look at the rejects of NewsExampleGen, and at data.limit and data.eval_share.",
        )
    _require_range("Token ids", ids, vocabulary_size, "The vocabulary differs from the one of Transform")
    _require_range("Labels", labels, num_classes, "The corpus' description lacks a class")
    return _in_canonical_order(ids, lengths, labels)


def _read(
    files: Iterable[str],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    features = {
        TOKEN_IDS: tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
        LABEL: tf.io.FixedLenFeature([], tf.int64),
    }
    records = tf.data.TFRecordDataset(list(files), compression_type="GZIP").batch(_ROWS_PARSED_AT_ONCE)
    ids, lengths, labels = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    try:
        for parsed in records.map(lambda batch: tf.io.parse_example(batch, features)).prefetch(1):
            ids.append(parsed[TOKEN_IDS].values.numpy().astype(np.int32))
            lengths.append(parsed[TOKEN_IDS].row_lengths().numpy())
            labels.append(parsed[LABEL].numpy())
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        raise AgnewsError(
            "The tokenised rows cannot be read.",
            found=error.message,
            fix="Run again from Transform: `agnews run --from Transform`.",
        ) from error
    return np.concatenate(ids), np.concatenate(lengths), np.concatenate(labels)


def _require_range(what: str, values: npt.NDArray[np.integer], limit: int, reason: str) -> None:
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if low < 0 or high >= limit:
        raise AgnewsError(
            f"{what} of the tokenised rows are outside 0 to {limit - 1}.",
            found=f"{low} to {high}",
            fix=f"{reason}: run again from Transform with the configuration of this run.",
        )


def _in_canonical_order(
    ids: npt.NDArray[np.int32], lengths: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]
) -> TokenRows:
    splits = np.concatenate([[0], np.cumsum(lengths)])
    rows = [ids[start:end].tobytes() for start, end in pairwise(splits)]
    order = sorted(range(len(rows)), key=lambda row: (lengths[row], rows[row], labels[row]))
    ordered_ids = np.frombuffer(b"".join(rows[row] for row in order), np.int32)
    ordered_splits = np.concatenate([[0], np.cumsum(lengths[order])])
    return TokenRows(ordered_ids, ordered_splits, labels[order])
