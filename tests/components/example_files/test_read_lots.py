"""Rows read by Python are those that TensorFlow reads, and a damaged file is none."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import tensorflow as tf

from agnews.components.example_files import read_lots as module
from agnews.components.example_files.read_lots import read_lots
from agnews.components.example_files.write_records import whole_records

ROWS = [b"", b"row", b"a long row " * 500, *(b"%d" % number for number in range(100))]


def _write(path: Path, rows: list[bytes]) -> str:
    with whole_records(str(path)) as writer:
        for row in rows:
            writer.write(row)
    return str(path)


@pytest.mark.parametrize("chunk", [1, 50, 1 << 20])
@pytest.mark.parametrize("rows", [[], ROWS])
def test_lots_are_the_rows_of_tensorflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, rows: list[bytes]
) -> None:
    monkeypatch.setattr(module, "_CHUNK", chunk)
    file = _write(tmp_path / "rows.gz", rows)
    lots = list(read_lots(file, 10))
    assert [row for lot in lots for row in lot] == list(tf.data.TFRecordDataset(file, "GZIP").as_numpy_iterator())
    assert [len(lot) for lot in lots] == [10] * (len(rows) // 10) + [len(rows) % 10] * (len(rows) % 10 > 0)


def test_a_file_without_compression_is_read_too(tmp_path: Path) -> None:
    with tf.io.TFRecordWriter(str(tmp_path / "rows")) as writer:
        for row in ROWS:
            writer.write(row)
    assert [row for lot in read_lots(str(tmp_path / "rows"), 10) for row in lot] == ROWS


def _cut(data: bytes) -> bytes:
    return data[:-20]


def _changed(data: bytes) -> bytes:
    raw = gzip.decompress(data)
    return gzip.compress(raw)[:-8] + data[-8:-5] + b"\0" + data[-4:]


def _cut_inside(data: bytes) -> bytes:
    return gzip.compress(gzip.decompress(data)[:-2])


def _longer(data: bytes) -> bytes:
    return data + b"more"


@pytest.mark.parametrize("damage", [_cut, _changed, _cut_inside, _longer])
def test_a_damaged_file_is_an_error(tmp_path: Path, damage: object) -> None:
    file = Path(_write(tmp_path / "rows.gz", ROWS))
    file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]
    with pytest.raises(tf.errors.DataLossError, match=r"rows\.gz"):
        list(read_lots(str(file), 10))
