from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from agnews.components.training.token_rows import TokenRows, read_token_rows
from agnews.schemas.errors import AgnewsError

Row = tuple[list[int], int]
ROWS: list[Row] = [([2, 9, 3], 1), ([2, 3], 0), ([2, 8, 3], 3), ([2, 9, 9, 9, 3], 2), ([2, 8, 3], 0)]


def write(file: Path, rows: list[Row]) -> None:
    with tf.io.TFRecordWriter(str(file), options="GZIP") as writer:
        for ids, label in rows:
            example = tf.train.Example()
            example.features.feature["token_ids"].int64_list.value.extend(ids)
            example.features.feature["label"].int64_list.value.append(label)
            writer.write(example.SerializeToString())


def read(folder: Path) -> TokenRows:
    return read_token_rows([str(folder / "*")], vocabulary_size=10, num_classes=4)


def test_the_order_of_files_and_rows_does_not_matter(tmp_path: Path) -> None:
    for name, parts in {"one": [ROWS], "two": [ROWS[3:], ROWS[:3][::-1]]}.items():
        (tmp_path / name).mkdir()
        for number, part in enumerate(parts):
            write(tmp_path / name / f"part-{number}.gz", part)

    one, two = read(tmp_path / "one"), read(tmp_path / "two")

    assert one.lengths.tolist() == [2, 3, 3, 3, 5]
    assert one.labels.tolist() == [0, 0, 3, 1, 2]
    assert one.token_ids.tolist() == [2, 3, 2, 8, 3, 2, 8, 3, 2, 9, 3, 2, 9, 9, 9, 3]
    for name in ("token_ids", "row_splits", "labels"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize("label_shape", [(), (2,)], ids=["one class", "several classes"])
def test_rows_are_in_the_order_of_length_then_bytes_then_class(tmp_path: Path, label_shape: tuple[int, ...]) -> None:
    """Bytes are those of the ids as they lie in memory: 256 comes before 1."""
    random = np.random.default_rng(3)
    rows = [
        (random.choice([0, 1, 2, 256, 257], size=random.integers(0, 4)).tolist(), random.integers(2, size=label_shape))
        for _ in range(300)
    ]
    with tf.io.TFRecordWriter(str(tmp_path / "rows.gz"), options="GZIP") as writer:
        for ids, label in rows:
            example = tf.train.Example()
            example.features.feature["token_ids"].int64_list.value.extend(ids)
            example.features.feature["label"].int64_list.value.extend(np.ravel(label).tolist())
            writer.write(example.SerializeToString())

    found = read_token_rows([str(tmp_path / "*")], vocabulary_size=300, num_classes=2, label_shape=label_shape)

    def place(row: tuple[list[int], np.ndarray]) -> tuple[int, bytes, list[int]]:
        return len(row[0]), np.array(row[0], "<i4").tobytes(), np.ravel(row[1]).tolist()

    expected = sorted(rows, key=place)
    assert [part.tolist() for part in np.split(found.token_ids, found.row_splits[1:-1])] == [ids for ids, _ in expected]
    np.testing.assert_array_equal(found.labels, [label for _, label in expected])


def test_no_row_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "empty.gz", [])

    with pytest.raises(AgnewsError, match="no row to learn from"):
        read(tmp_path)


@pytest.mark.parametrize(("row", "message"), [(([2, 10, 3], 0), "Token ids"), (([2, 3], 4), "Labels")])
def test_a_row_that_does_not_fit_is_an_error(tmp_path: Path, row: Row, message: str) -> None:
    write(tmp_path / "rows.gz", [*ROWS, row])

    with pytest.raises(AgnewsError, match=message):
        read(tmp_path)


def test_a_file_that_was_cut_off_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "rows.gz", ROWS * 50)
    content = gzip.decompress((tmp_path / "rows.gz").read_bytes())
    (tmp_path / "rows.gz").write_bytes(gzip.compress(content[:-7]))

    with pytest.raises(AgnewsError, match="cannot be read"):
        read(tmp_path)
