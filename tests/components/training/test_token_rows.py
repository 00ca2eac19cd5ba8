from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from agnews.components.training.token_rows import (
    BUCKET_WIDTH,
    FeatureRows,
    TokenRows,
    batches_per_epoch,
    length_bucketed_dataset,
    read_token_rows,
)
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import LABEL, PADDING_MASK, TOKEN_IDS

ROWS = FeatureRows(np.arange(14, dtype=np.float32).reshape(7, 2), np.arange(7))


def batches(**settings: int | None) -> list[list[int]]:
    found = []
    for features, labels in ROWS.dataset(batch_size=3, **settings):
        np.testing.assert_array_equal(features[:, 0], 2 * labels)
        found.append(labels.numpy().tolist())
    return found


def test_an_epoch_holds_every_row_once_in_an_order_of_its_own() -> None:
    found = batches(seed=5, epochs=2)

    assert [len(batch) for batch in found] == [3, 3, 1, 3, 3, 1]
    first, second = list(chain(*found[:3])), list(chain(*found[3:]))
    assert sorted(first) == sorted(second) == list(range(7))
    assert first != second
    assert found != batches(seed=6, epochs=2)


def test_a_run_that_is_taken_up_sees_what_it_would_have_seen() -> None:
    assert batches(seed=5, first_epoch=1, epochs=3) == batches(seed=5, epochs=3)[3:]


def test_without_a_seed_rows_keep_their_order() -> None:
    assert batches() == [[0, 1, 2], [3, 4, 5], [6]]


MakeRows = Callable[..., TokenRows]


def content(dataset: tf.data.Dataset) -> list[tuple[tuple[int, ...], int]]:
    rows = []
    for features, labels in dataset:
        ids, mask = features[TOKEN_IDS].numpy(), features[PADDING_MASK].numpy()
        rows += [(tuple(row[kept].tolist()), int(label)) for row, kept, label in zip(ids, mask, labels, strict=True)]
    return rows


def test_each_epoch_holds_every_row_once(make_rows: MakeRows) -> None:
    rows = make_rows(50)
    expected = sorted(
        (tuple(rows.token_ids[start:end].tolist()), int(label))
        for start, end, label in zip(rows.row_splits[:-1], rows.row_splits[1:], rows.labels, strict=True)
    )

    for epoch in range(2):
        dataset = length_bucketed_dataset(rows, batch_size=8, seed=1, first_epoch=epoch, epochs=epoch + 1)
        assert sorted(content(dataset)) == expected


def test_batches_hold_rows_of_similar_length_padded_to_their_longest(make_rows: MakeRows) -> None:
    rows = make_rows(400)

    similar = 0
    for features, labels in length_bucketed_dataset(rows, batch_size=8, seed=1):
        lengths = features[PADDING_MASK].numpy().sum(axis=1)
        assert features[TOKEN_IDS].shape == (len(labels), lengths.max())
        assert features[TOKEN_IDS].dtype == tf.int32
        np.testing.assert_array_equal(features[TOKEN_IDS].numpy() != 0, features[PADDING_MASK])
        similar += lengths.max() - lengths.min() < BUCKET_WIDTH
    # Rows of two buckets meet only where one bucket ends in the middle of a batch.
    assert similar >= 50 - 4


def test_the_number_of_batches_is_known(make_rows: MakeRows) -> None:
    dataset = length_bucketed_dataset(make_rows(41), batch_size=8, seed=1, epochs=3)

    assert batches_per_epoch(41, 8) == 6
    assert dataset.cardinality() == len(list(dataset)) == 18


def test_the_seed_and_the_epoch_decide_about_the_order(make_rows: MakeRows) -> None:
    rows = make_rows(60)

    def order(seed: int, epoch: int) -> list[tuple[tuple[int, ...], int]]:
        return content(length_bucketed_dataset(rows, batch_size=8, seed=seed, first_epoch=epoch, epochs=epoch + 1))

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(2, 0)
    assert order(1, 0) != order(1, 1)
    assert content(length_bucketed_dataset(rows, batch_size=8, seed=1, epochs=2)) == order(1, 0) + order(1, 1)


def test_all_lengths_have_one_shape_for_tensorflow(make_rows: MakeRows) -> None:
    features, labels = length_bucketed_dataset(make_rows(20), batch_size=8, seed=1).element_spec

    assert features[TOKEN_IDS].shape.as_list() == [None, None]
    assert features[PADDING_MASK].shape.as_list() == [None, None]
    assert labels.shape.as_list() == [None]


@pytest.mark.parametrize("length_multiple", [1, 8])
def test_parts_of_a_batch_are_its_rows_as_wide_as_all_of_it(make_rows: MakeRows, length_multiple: int) -> None:
    """What one process of three makes of the batches that they share; of the last one, of a row, some get nothing."""
    rows = replace(make_rows(41), length_multiple=length_multiple)

    def cut(batch: tf.Tensor) -> tf.data.Dataset:
        size = tf.size(batch)
        return tf.data.Dataset.range(3, output_type=tf.int32).map(
            lambda number: (batch[number * size // 3 : (number + 1) * size // 3], number)
        )

    parts = list(length_bucketed_dataset(rows, batch_size=8, seed=1, cut=cut))

    whole = list(length_bucketed_dataset(rows, batch_size=8, seed=1))
    assert [int(number) for _, _, number in parts] == [0, 1, 2] * len(whole)
    for (features, labels), position in zip(whole, range(0, len(parts), 3), strict=True):
        own = parts[position : position + 3]
        for name in (TOKEN_IDS, PADDING_MASK):
            found = np.concatenate([part[name].numpy() for part, _, _ in own])
            np.testing.assert_array_equal(found, features[name])
        np.testing.assert_array_equal(np.concatenate([each.numpy() for _, each, _ in own]), labels)


def write_examples(file: Path, rows: list[tuple[list[int], list[int]]]) -> None:
    def integers(values: list[int]) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    with tf.io.TFRecordWriter(str(file), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for ids, label in rows:
            features = tf.train.Features(feature={TOKEN_IDS: integers(ids), LABEL: integers(label)})
            writer.write(tf.train.Example(features=features).SerializeToString())


READ = [([2, 9, 3], [1]), ([2, 300, 7, 3], [0]), ([2, 3], [2]), ([2, 9, 3], [0]), ([2, 256, 3], [3]), ([2, 3], [2])]


@pytest.mark.parametrize(("vocabulary_size", "dtype"), [(1 << 16, np.uint16), ((1 << 16) + 1, np.int32)])
def test_content_alone_decides_the_order_whatever_the_files_and_the_width_of_numbers(
    tmp_path: Path, vocabulary_size: int, dtype: type
) -> None:
    for number, rows in enumerate((READ, READ[::-1])):
        (tmp_path / str(number)).mkdir()
        write_examples(tmp_path / str(number) / "a.gz", rows[:2])
        write_examples(tmp_path / str(number) / "b.gz", rows[2:])
        read = read_token_rows([f"{tmp_path}/{number}/*"], vocabulary_size=vocabulary_size, num_classes=4)
        assert read.token_ids.dtype == dtype
        ids = np.split(read.token_ids, read.row_splits[1:-1])
        # By length, then by the bytes of the numbers, the lowest first, then by label.
        assert [(each.tolist(), int(label)) for each, label in zip(ids, read.labels, strict=True)] == [
            ([2, 3], 2),
            ([2, 3], 2),
            ([2, 256, 3], 3),
            ([2, 9, 3], 0),
            ([2, 9, 3], 1),
            ([2, 300, 7, 3], 0),
        ]
        assert read.token_counts(vocabulary_size)[[2, 3, 9, 256, 300]].tolist() == [6, 6, 2, 1, 1]
        for features, labels in read.dataset(batch_size=4, seed=1):
            assert (features[TOKEN_IDS].dtype, labels.dtype) == (tf.int32, tf.int64)


def test_word_pieces_that_do_not_fit_two_bytes_are_refused_rather_than_cut(tmp_path: Path) -> None:
    write_examples(tmp_path / "a.gz", [([2, 65_536 + 9, 3], [1])])
    with pytest.raises(AgnewsError, match="outside 0 to 99") as refused:
        read_token_rows([f"{tmp_path}/*"], vocabulary_size=100, num_classes=4)
    assert refused.value.found == "0 to 65545"


def test_rows_of_several_classes_are_read_with_a_mark_for_each(tmp_path: Path) -> None:
    write_examples(tmp_path / "a.gz", [([2, 9, 3], [1, 0, 1]), ([2, 3], [0, 1, 0])])
    rows = read_token_rows([f"{tmp_path}/*"], vocabulary_size=100, num_classes=3, label_shape=(3,))
    assert rows.labels.tolist() == [[0, 1, 0], [1, 0, 1]]
    [(features, labels)] = rows.dataset(batch_size=2)
    assert features[TOKEN_IDS].numpy().tolist() == [[2, 3, 0], [2, 9, 3]]
    assert labels.numpy().tolist() == [[0, 1, 0], [1, 0, 1]]
