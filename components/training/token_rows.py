"""Tokenised rows as they lie in memory, or in files that are mapped into it, while a model learns from them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from agnews.components.storage.explain_storage_errors import explain_storage_errors
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import LABEL, PADDING_MASK, TOKEN_IDS

_PIECES_AT_ONCE = 1 << 20

BUCKET_WIDTH = 4
"""Rows whose lengths round up to the same multiple of this may share a batch; a row then gets at most 3 positions of
padding, and which rows share a batch still differs from epoch to epoch."""


TokenIds = npt.NDArray[np.uint16] | npt.NDArray[np.int32]
"""Word pieces, in two bytes where the vocabulary is small enough."""

Cut = Callable[[tf.Tensor], tf.data.Dataset]
"""From the numbers of a batch's rows, int32 (batch,), to those of the parts that this process takes: elements are the
numbers of a part (rows of the part,), or these and what goes with each row."""


def length_bucketed_dataset(
    rows: TokenRows,
    *,
    batch_size: int,
    seed: int | None = None,
    first_epoch: int = 0,
    first_batch: int = 0,
    epochs: int = 1,
    cut: Cut | None = None,
) -> tf.data.Dataset:
    """Returns batches of similar length, shuffled anew in each epoch.

    The rows of an epoch are shuffled, sorted by their bucket of lengths (rows of one bucket stay shuffled), cut into
    batches, and the batches are shuffled. So every batch but the one with the longest rows is full, and the number
    of batches is known: `batches_per_epoch`. The order depends on the seed and the number of the epoch alone, so
    that a run that is taken up in the middle sees what it would have seen.

    Args:
        rows: What to learn from.
        batch_size: Rows in a batch.
        seed: Seed of the order; None keeps one order for all epochs, shortest rows first.
        first_epoch: Number of the first epoch that is handed out, from 0.
        first_batch: Batches of that epoch that are left out; they are not even made.
        epochs: Number of epochs in the whole run.
        cut: Which rows of a batch are wanted; None wants all. Parts are as wide as their batch.

    Returns:
        Epochs first_epoch to epochs - 1, one behind the other. Elements are `({token_ids: int32 (batch, length),
        padding_mask: bool (batch, length)}, labels: int64 (batch,) or (batch, classes))`, and what `cut` adds.
    """
    ids, labels, lengths = rows.tensors
    batches = batches_per_epoch(len(rows), batch_size)
    longest = rows.longest

    def make(indices: tf.Tensor, whole: tf.Tensor | None) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        # To gather from ragged rows looks at the limits of all of them.
        places = tf.ragged.range(tf.gather(ids.row_splits, indices), tf.gather(ids.row_splits, indices + 1))
        chosen = places.with_values(tf.cast(tf.gather(ids.values, places.values), tf.int32))
        if whole is None:
            padded = chosen.to_tensor()
        else:
            padded = chosen.to_tensor(shape=tf.stack([-1, tf.reduce_max(tf.gather(lengths, whole))]))
            padded.set_shape([None, None])
        if rows.length_multiple > 1:
            width = tf.shape(padded)[1]
            wanted = tf.minimum(-(-width // rows.length_multiple) * rows.length_multiple, longest)
            padded = tf.pad(padded, [[0, 0], [0, wanted - width]])
        features = {
            TOKEN_IDS: padded,
            PADDING_MASK: tf.sequence_mask(chosen.row_lengths(), tf.shape(padded)[1]),
        }
        return features, tf.gather(labels, indices)

    def by_bucket(lengths: tf.Tensor) -> tf.Tensor:
        return tf.argsort(-(-lengths // BUCKET_WIDTH), stable=True)

    def epoch_of_batches(epoch: tf.Tensor) -> tf.data.Dataset:
        everyone = tf.range(len(rows))
        if seed is None:
            order, batch_order = by_bucket(lengths), tf.range(batches)
        else:
            shuffled = tf.random.experimental.stateless_shuffle(everyone, seed=[seed, 2 * epoch])
            order = tf.gather(shuffled, by_bucket(tf.gather(lengths, shuffled)))
            batch_order = tf.random.experimental.stateless_shuffle(tf.range(batches), seed=[seed, 2 * epoch + 1])
        return tf.data.Dataset.from_tensor_slices(batch_order).map(
            lambda number: order[number * batch_size : (number + 1) * batch_size]
        )

    indices = tf.data.Dataset.range(first_epoch, epochs).flat_map(epoch_of_batches).skip(first_batch)
    if cut is not None:
        return _parts(indices, cut, make)
    dataset = indices.map(lambda batch: make(batch, None), num_parallel_calls=1).prefetch(4)
    return _as_it_is(dataset).apply(
        tf.data.experimental.assert_cardinality(max(0, batches * (epochs - first_epoch) - first_batch))
    )


def _parts(indices: tf.data.Dataset, cut: Cut, make: Callable[..., tuple[object, ...]]) -> tf.data.Dataset:
    """Makes the wanted parts of batches: of the others nothing is read."""
    return _as_it_is(indices.flat_map(lambda batch: cut(batch).map(lambda part, *more: (*make(part, batch), *more))))


def _as_it_is(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Has TensorFlow rewrite nothing: for that it would copy all rows, and keep the copy when the iterator is gone."""
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    return dataset.with_options(options)


def batches_per_epoch(num_rows: int, batch_size: int) -> int:
    """Returns how many batches an epoch has.

    Args:
        num_rows: Rows in the data.
        batch_size: Rows in a batch.

    Returns:
        The number of batches; the last one may be smaller.
    """
    return math.ceil(num_rows / batch_size)


@dataclass(frozen=True)
class Mapped:
    """Rows as TensorFlow has mapped them from files.

    Attributes:
        token_ids: As those of `TokenRows`.
        row_splits: As those of `TokenRows`.
        labels: As those of `TokenRows`.
        lengths: int32 (rows,).
    """

    token_ids: tf.Tensor
    row_splits: tf.Tensor
    labels: tf.Tensor
    lengths: tf.Tensor


@dataclass(frozen=True)
class TokenRows:
    """Rows of different length, one behind the other: no padding.

    Attributes:
        token_ids: uint16 or int32 (word pieces of all rows,).
        row_splits: int64 (rows + 1,); row i is token_ids[row_splits[i]:row_splits[i + 1]].
        labels: int64 (rows,), 0-based; where a row has several classes a mark for each, (rows, classes).
        length_multiple: Batches are padded to a multiple of this, though to no more than the longest of all rows. What
            compiles a step for each length asks for fewer lengths.
        mapped: The same for TensorFlow where they lie in files; None lets it make a copy in memory.
    """

    token_ids: TokenIds
    row_splits: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    length_multiple: int = 1
    mapped: Mapped | None = None

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.labels)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Word pieces of each row, int64 (rows,)."""
        return np.diff(self.row_splits)

    @cached_property
    def tensors(self) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor]:
        """Token ids (rows, length), labels, and lengths int32 (rows,): the one copy that all datasets of these share.

        What a graph of tf.data refers to is freed late, so each would have a copy of its own for a while.
        """
        if (mapped := self.mapped) is not None:
            ids = tf.RaggedTensor.from_row_splits(mapped.token_ids, mapped.row_splits, validate=False)
            return ids, mapped.labels, mapped.lengths
        ids = tf.RaggedTensor.from_row_splits(self.token_ids, self.row_splits, validate=False)
        return ids, tf.constant(self.labels), tf.constant(self.lengths, tf.int32)

    @property
    def longest(self) -> int:
        """Positions of the longest row, to which batches are padded at most."""
        return int(self.lengths.max(initial=0))

    def token_counts(self, vocabulary_size: int) -> npt.NDArray[np.int64]:
        """Counts each word piece.

        Args:
            vocabulary_size: Word pieces in the vocabulary.

        Returns:
            int64 (vocabulary_size,).
        """
        counts = np.zeros(vocabulary_size, np.int64)
        # NumPy counts 8-byte numbers: some pieces at a time, or the copy is larger than all that is held.
        for first in range(0, len(self.token_ids), _PIECES_AT_ONCE):
            part = self.token_ids[first : first + _PIECES_AT_ONCE]
            counts += np.bincount(part, minlength=vocabulary_size)
        return counts

    def dataset(
        self,
        *,
        batch_size: int,
        seed: int | None = None,
        first_epoch: int = 0,
        first_batch: int = 0,
        epochs: int = 1,
        cut: Cut | None = None,
    ) -> tf.data.Dataset:
        """Hands the rows out in batches of similar length; see `TrainingRows` and `length_bucketed_dataset`."""
        return length_bucketed_dataset(
            self,
            batch_size=batch_size,
            seed=seed,
            first_epoch=first_epoch,
            first_batch=first_batch,
            epochs=epochs,
            cut=cut,
        )


class TrainingRows(Protocol):
    """Labelled rows in memory, whatever they consist of."""

    def __len__(self) -> int:
        """How many rows there are."""

    @property
    def longest(self) -> int:
        """Positions of the longest row; 1 where a row is one vector."""

    def dataset(
        self,
        *,
        batch_size: int,
        seed: int | None = None,
        first_epoch: int = 0,
        first_batch: int = 0,
        epochs: int = 1,
        cut: Cut | None = None,
    ) -> tf.data.Dataset:
        """Hands the rows out in batches.

        The order depends on the seed and the number of the epoch alone, so that a run that is taken up in the
        middle sees what it would have seen.

        Args:
            batch_size: Rows in a batch; the last one of an epoch may be smaller.
            seed: Seed of the order; None keeps one order for all epochs.
            first_epoch: Number of the first epoch that is handed out, from 0.
            first_batch: Batches of that epoch that are left out.
            epochs: Number of epochs in the whole run.
            cut: Which rows of each batch are wanted; None wants all.

        Returns:
            Epochs first_epoch to epochs - 1, one behind the other, each of ceil(rows / batch_size) batches. Elements
            are (what the network takes, labels int64 (batch,)), and what `cut` adds.
        """


@dataclass(frozen=True)
class FeatureRows:
    """A vector a row.

    Attributes:
        features: float32 (rows, width).
        labels: As those of `TokenRows`.
    """

    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.labels)

    @cached_property
    def tensors(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Features and labels, for all datasets; see `TokenRows`."""
        return tf.constant(self.features), tf.constant(self.labels)

    @property
    def longest(self) -> int:
        """Positions of a row."""
        return 1

    def dataset(
        self,
        *,
        batch_size: int,
        seed: int | None = None,
        first_epoch: int = 0,
        first_batch: int = 0,
        epochs: int = 1,
        cut: Cut | None = None,
    ) -> tf.data.Dataset:
        """Hands the rows out in batches; see `TrainingRows`.

        Returns:
            Elements are `(features float32 (batch, width), labels int64 (batch,))`.
        """
        features, labels = self.tensors
        batches = math.ceil(len(self) / batch_size)

        def epoch_of_batches(epoch: tf.Tensor) -> tf.data.Dataset:
            order = tf.range(len(self))
            if seed is not None:
                order = tf.random.experimental.stateless_shuffle(order, seed=[seed, epoch])
            return tf.data.Dataset.range(batches).map(
                lambda number: order[number * batch_size : (number + 1) * batch_size]
            )

        indices = tf.data.Dataset.range(first_epoch, epochs).flat_map(epoch_of_batches).skip(first_batch)

        def make(chosen: tf.Tensor, whole: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
            del whole
            return tf.gather(features, chosen), tf.gather(labels, chosen)

        if cut is not None:
            return _parts(indices, cut, make)
        dataset = indices.map(lambda batch: make(batch, None)).prefetch(4)
        return _as_it_is(dataset).apply(
            tf.data.experimental.assert_cardinality(max(0, batches * (epochs - first_epoch) - first_batch))
        )


_ROWS_AT_ONCE = 4096
_ROWS_MOVED_AT_ONCE = 1 << 15
_SMALL_VOCABULARY = 1 << 16


def read_token_rows(
    patterns: Sequence[str], *, vocabulary_size: int, num_classes: int, label_shape: tuple[int, ...] = ()
) -> TokenRows:
    """Reads tokenised Examples, in an order that their content alone decides.

    Beam may write the same rows to other files in another order each time; a training run must not depend on that.

    What is read lies in temporary files (`TMPDIR`) that are mapped: they take twice the room of the rows while these
    are put in order, and once after that. They have no name, so that nothing is left of them however the process ends.

    Args:
        patterns: Glob patterns of gzipped TFRecord files of tf.Examples with TOKEN_IDS and LABEL.
        vocabulary_size: Token ids have to be below this.
        num_classes: Labels have to be below this.
        label_shape: Of one label; see `Corpus.label_shape`.

    Returns:
        The rows, sorted by length, then by token ids, then by label. Their arrays cannot be written to.

    Raises:
        AgnewsError: There is no row, a file is damaged, a row does not fit the vocabulary or the classes, or the
            temporary files do not fit on their disk.
    """
    files = sorted(file for pattern in patterns for file in tf.io.gfile.glob(pattern))
    with explain_storage_errors(
        "writing the training rows to temporary files", elsewhere="set TMPDIR to a folder on another disk"
    ):
        ids, lengths, labels = _read(files, vocabulary_size, label_shape)
        if not len(labels):
            raise AgnewsError(
                "There is no row to learn from.",
                found=", ".join(patterns),
                fix="Look at the rejects of NewsExampleGen, and at data.limit and data.eval_share.",
            )
        _require_range("Labels", labels, 2 if label_shape else num_classes, "The corpus' description lacks a class")
        order = np.lexsort(labels.reshape(len(labels), -1).T[::-1])
        order = order[np.argsort(lengths[order], kind="stable")]
        ids = _grouped(ids, lengths, order)
        return _in_canonical_order(ids, lengths, labels, order)


@dataclass
class _Column:
    """Values in a file without a name, which stays for as long as anything is mapped from it."""

    file: IO[bytes]
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    count: int = 0

    def add(self, values: npt.NDArray[Any]) -> None:
        """Writes, rather than maps and sets: a full disk is an error then, and no signal that ends the process."""
        values = np.ascontiguousarray(values, self.dtype).reshape(-1, *self.shape)
        self.file.write(values.data)
        self.count += len(values)

    def array(self) -> npt.NDArray[Any]:
        """Maps what was added."""
        self.file.flush()
        return np.asarray(np.memmap(self.file, self.dtype, "r+", shape=(self.count, *self.shape)))

    def frozen(self) -> tuple[npt.NDArray[Any], tf.Tensor]:
        """Maps what was added, once, for NumPy, which cannot write to it, and for TensorFlow, which does not."""
        array = self.array()
        # `tf.raw_ops.ImmutableConst` maps files, too; but TensorFlow folds the constant, which copies all of it.
        tensor = tf.experimental.dlpack.from_dlpack(array.__dlpack__())
        array = array.view()
        array.flags.writeable = False
        return array, tensor


@contextmanager
def _column(dtype: npt.DTypeLike, shape: tuple[int, ...] = ()) -> Iterator[_Column]:
    with tempfile.TemporaryFile() as file:
        yield _Column(file, np.dtype(dtype), shape)


def _read(
    files: Iterable[str], vocabulary_size: int, label_shape: tuple[int, ...]
) -> tuple[TokenIds, npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    features = {
        TOKEN_IDS: tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
        LABEL: tf.io.FixedLenFeature(label_shape, tf.int64),
    }
    records = tf.data.TFRecordDataset(list(files), compression_type="GZIP").batch(_ROWS_AT_ONCE)
    narrow = np.uint16 if vocabulary_size <= _SMALL_VOCABULARY else np.int32
    with _column(narrow) as ids, _column(np.int32) as lengths, _column(np.int64, label_shape) as labels:
        try:
            for parsed in records.map(lambda batch: tf.io.parse_example(batch, features)).prefetch(1):
                pieces = parsed[TOKEN_IDS].values.numpy()
                _require_range("Token ids", pieces, vocabulary_size, "The vocabulary differs from the one of Transform")
                ids.add(pieces)
                lengths.add(parsed[TOKEN_IDS].row_lengths().numpy())
                labels.add(parsed[LABEL].numpy())
        except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
            raise AgnewsError(
                "The tokenised rows cannot be read.",
                found=error.message,
                fix="Run again from Transform: `agnews run --from Transform`.",
            ) from error
        return ids.array(), lengths.array(), labels.array()


def _require_range(what: str, values: npt.NDArray[np.integer], limit: int, reason: str) -> None:
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if low < 0 or high >= limit:
        raise AgnewsError(
            f"{what} of the tokenised rows are outside 0 to {limit - 1}.",
            found=f"{low} to {high}",
            fix=f"{reason}: run again from Transform with the configuration of this run.",
        )


def _grouped(ids: TokenIds, lengths: npt.NDArray[np.int32], order: npt.NDArray[np.int64]) -> TokenIds:
    """Copies rows to where their length belongs, in one pass from the first to the last.

    To look for the rows of each length everywhere would read a file that does not fit into memory once a length.
    """
    starts = np.empty(len(lengths), np.int64)
    starts[order] = np.cumsum(ordered := lengths[order], dtype=np.int64) - ordered
    with _column(ids.dtype) as column:
        for first in range(0, len(ids), _PIECES_AT_ONCE):
            column.add(np.zeros(min(_PIECES_AT_ONCE, len(ids) - first), ids.dtype))
        grouped = column.array()
    taken = 0
    for first in range(0, len(lengths), _ROWS_MOVED_AT_ONCE):
        part = lengths[first : first + _ROWS_MOVED_AT_ONCE]
        ends = taken + np.cumsum(part, dtype=np.int64)
        for length in np.unique(part[part > 0]):
            rows = np.flatnonzero(part == length)
            found = np.lib.stride_tricks.sliding_window_view(ids, length)[ends[rows] - length]
            windows = np.lib.stride_tricks.sliding_window_view(grouped, length, writeable=True)
            windows[starts[first + rows]] = found
        taken = int(ends[-1])
    return grouped


def _in_canonical_order(
    grouped: TokenIds, lengths: npt.NDArray[np.int32], labels: npt.NDArray[np.int64], order: npt.NDArray[np.int64]
) -> TokenRows:
    with (
        _column(grouped.dtype) as ordered_ids,
        _column(np.int64) as ordered_splits,
        _column(np.int64, labels.shape[1:]) as ordered_labels,
        _column(np.int32) as ordered_lengths,
    ):
        ordered_splits.add(np.zeros(1, np.int64))
        first = taken = 0
        # Rows of one length are a matrix, whose bytes numpy compares: objects of Python would take several times the
        # room.
        for length, count in zip(*np.unique(lengths, return_counts=True), strict=True):
            rows = order[first : first + count]
            matrix = grouped[taken : taken + count * length].reshape(count, length)
            if length:
                place = np.argsort(matrix.view(f"S{matrix.itemsize * length}")[:, 0], kind="stable")
                rows = rows[place]
            for start in range(0, count, _ROWS_AT_ONCE):
                part = slice(start, min(start + _ROWS_AT_ONCE, count))
                if length:
                    ordered_ids.add(matrix[place[part]])
                ordered_splits.add(taken + length * np.arange(part.start + 1, part.stop + 1))
                ordered_labels.add(labels[rows[part]])
                ordered_lengths.add(np.full(part.stop - part.start, length))
            first, taken = first + count, taken + count * length
        ids, ids_tensor = ordered_ids.frozen()
        splits, splits_tensor = ordered_splits.frozen()
        classes, classes_tensor = ordered_labels.frozen()
        _, lengths_tensor = ordered_lengths.frozen()
    return TokenRows(ids, splits, classes, mapped=Mapped(ids_tensor, splits_tensor, classes_tensor, lengths_tensor))


def replica_batches(
    strategy: tf.distribute.Strategy, create: Callable[[Cut], tf.data.Dataset], *, weighted: bool
) -> tf.distribute.DistributedDataset:
    """Cuts batches into as many parts as there are replicas.

    Each process finds the rows of the same batches and makes its own parts, so rows are neither lost nor seen twice,
    and all parts keep the padding of their batch.

    Args:
        strategy: Says who the replicas are.
        create: Makes the parts of batches that all replicas share: elements (features, labels (rows,)), and what the
            cut adds.
        weighted: Whether to add a weight to each row, with which the mean over replicas of the mean over rows is the
            mean over all rows, although the last batch of an epoch may leave parts of different size. (In the mean
            that Keras reports, rows of the larger parts then weigh a little more.)

    Returns:
        Elements (features, labels) or (features, labels, weights float32 (rows of the part,)) for each replica; after
        the last one, the first again.
    """

    def of_this_process(context: tf.distribute.InputContext) -> tf.data.Dataset:
        replicas = context.num_replicas_in_sync
        here = replicas // context.num_input_pipelines
        first = context.input_pipeline_id * here

        def cut(batch: tf.Tensor) -> tf.data.Dataset:
            rows = tf.size(batch)

            def part(replica: tf.Tensor) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
                start, stop = replica * rows // replicas, (replica + 1) * rows // replicas
                if not weighted:
                    return batch[start:stop]
                weight = tf.cast((stop - start) * replicas, tf.float32) / tf.cast(rows, tf.float32)
                return batch[start:stop], tf.fill([stop - start], weight)

            return tf.data.Dataset.range(first, first + here, output_type=tf.int32).map(part)

        # At its end an iterator waits for the thread that tunes it, which may sleep for a minute: long enough for the
        # other processes to take this one for dead. There is nothing to tune.
        options = tf.data.Options()
        options.autotune.enabled = False
        # Nobody asks for more than there is. Of rows that may end, TensorFlow has the processes ask each other before
        # each step whether one of them has none left.
        return create(cut).prefetch(4 * here).repeat().with_options(options)

    return strategy.distribute_datasets_from_function(of_this_process)
