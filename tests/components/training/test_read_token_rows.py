from __future__ import annotations

import errno
import gzip
import os
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from agnews.components.training import token_rows as module
from agnews.components.training.token_rows import Cut, TokenRows, read_token_rows
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


@pytest.mark.parametrize("rows_at_once", [7, 4096])
@pytest.mark.parametrize("label_shape", [(), (2,)], ids=["one class", "several classes"])
@pytest.mark.parametrize(("vocabulary_size", "width"), [(1 << 16, "<u2"), ((1 << 16) + 1, "<i4")])
def test_rows_are_in_the_order_of_length_then_bytes_then_class(
    tmp_path: Path,
    label_shape: tuple[int, ...],
    vocabulary_size: int,
    width: str,
    rows_at_once: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bytes are those of the ids as they lie in memory: 256 comes before 1."""
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", rows_at_once)
    monkeypatch.setattr(module, "_ROWS_MOVED_AT_ONCE", 8 * rows_at_once)
    monkeypatch.setattr(module, "_PIECES_AT_ONCE", 64 * rows_at_once)
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

    found = read_token_rows(
        [str(tmp_path / "*")], vocabulary_size=vocabulary_size, num_classes=2, label_shape=label_shape
    )

    def place(row: tuple[list[int], np.ndarray]) -> tuple[int, bytes, list[int]]:
        return len(row[0]), np.array(row[0], width).tobytes(), np.ravel(row[1]).tolist()

    expected = sorted(rows, key=place)
    assert found.token_ids.dtype == width
    assert [part.tolist() for part in np.split(found.token_ids, found.row_splits[1:-1])] == [ids for ids, _ in expected]
    np.testing.assert_array_equal(found.labels, [label for _, label in expected])
    in_memory = TokenRows(np.array(found.token_ids), np.array(found.row_splits), np.array(found.labels))
    for seed in (None, 5):
        batches = zip(found.dataset(batch_size=32, seed=seed), in_memory.dataset(batch_size=32, seed=seed), strict=True)
        for (features, labels), (wanted, wanted_labels) in batches:
            assert features.keys() == wanted.keys()
            for name, values in features.items():
                np.testing.assert_array_equal(values, wanted[name])
            np.testing.assert_array_equal(labels, wanted_labels)


def test_rows_without_any_word_piece_are_rows(tmp_path: Path) -> None:
    write(tmp_path / "rows.gz", [([], 2), ([], 1)])

    rows = read(tmp_path)

    assert (rows.token_ids.tolist(), rows.row_splits.tolist(), rows.labels.tolist()) == ([], [0, 0, 0], [1, 2])
    [(features, labels)] = rows.dataset(batch_size=2)
    assert features["token_ids"].shape == (2, 0)
    assert labels.numpy().tolist() == [1, 2]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes a folder that temporary files are in."""
    (folder := tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def mapped_from(folder: Path) -> list[range]:
    """Returns the addresses that files in a folder are mapped to."""
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines() if f"{folder}/" in line]
    return [range(*(int(address, 16) for address in line[0].split("-"))) for line in lines]


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="only Linux says what is mapped")
def test_rows_lie_in_files_that_have_no_name_and_go_with_the_rows(tmp_path: Path, temporary: Path) -> None:
    write(tmp_path / "rows.gz", ROWS)
    rows = read_token_rows([str(tmp_path / "rows.gz")], vocabulary_size=10, num_classes=4)

    ids, labels, lengths = rows.tensors
    for values in (rows.token_ids, rows.row_splits, rows.labels):
        assert any(values.ctypes.data in place for place in mapped_from(temporary))
        assert not values.flags.writeable
    for tensor in (ids.values, ids.row_splits, labels, lengths):
        address = np.asarray(memoryview(tensor)).ctypes.data
        assert any(address in place for place in mapped_from(temporary)), "TensorFlow made a copy"
    assert lengths.numpy().tolist() == rows.lengths.tolist()
    assert list(temporary.iterdir()) == []

    del rows, ids, labels, lengths, values, tensor
    assert mapped_from(temporary) == []


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says what no file stands behind")
@pytest.mark.parametrize("cut", [None, lambda batch: tf.data.Dataset.from_tensors(batch[:1])], ids=["whole", "part"])
def test_whoever_makes_batches_makes_no_copy_of_all_rows(tmp_path: Path, cut: Cut | None) -> None:
    size = 1 << 25
    with module._column(np.uint16) as column:
        for _ in range(size >> 20):
            column.add(np.ones(1 << 20, np.uint16))
        ids, tensor = column.frozen()
    splits, labels = np.arange(0, size + 1, 1 << 10), np.zeros(size >> 10, np.int64)
    lengths = tf.fill([len(labels)], 1 << 10)
    rows = TokenRows(
        ids, splits, labels, mapped=module.Mapped(tensor, tf.constant(splits), tf.constant(labels), lengths)
    )
    write(tmp_path / "rows.gz", ROWS)
    next(iter(read(tmp_path).dataset(batch_size=2, seed=1, cut=cut)))

    before = anonymous_bytes()
    (features, _), *_ = rows.dataset(batch_size=32, seed=1, cut=cut).take(4)
    grown = anonymous_bytes() - before

    assert features["token_ids"].numpy().all()
    assert grown < ids.nbytes / 2


def anonymous_bytes() -> int:
    """Returns how much memory of this process no file stands behind."""
    [line] = [each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("RssAnon:")]
    return 1024 * int(line.split()[1])


def test_a_full_disk_is_told_with_where_to_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "rows.gz", ROWS)
    monkeypatch.setattr(tempfile, "TemporaryFile", partial(Path("/dev/full").open, "r+b"))

    with pytest.raises(AgnewsError, match="The disk is full while writing the training rows") as told:
        read(tmp_path)

    assert os.strerror(errno.ENOSPC) in str(told.value.found)
    assert "TMPDIR" in told.value.fix


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
