"""Rows are read from whole files alone, in their order, compressed or not."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf

from agnews.components.example_files.read_records import open_records, read_texts, record_files
from agnews.components.example_files.write_records import whole_records


def _example(text: str) -> bytes:
    example = tf.train.Example()
    example.features.feature["text"].bytes_list.value.append(text.encode())
    return example.SerializeToString()


def test_texts_are_those_of_all_files_of_all_folders_in_order(tmp_path: Path) -> None:
    for folder, numbers in (("b", range(3, 5)), ("a", range(3))):
        (tmp_path / folder).mkdir()
        for number in numbers:
            with whole_records(f"{tmp_path}/{folder}/rows-{number}.gz") as writer:
                writer.write(_example(f"text {number}"))
                writer.write(_example("ü"))
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]
    found = [text.decode() for batch in read_texts(folders, rows_at_once=1) for text in batch.numpy()]
    assert found == [text for number in range(5) for text in (f"text {number}", "ü")]


def test_a_file_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    with whole_records(f"{tmp_path}/rows.gz") as writer:
        writer.write(b"whole")
    with whole_records(f"{tmp_path}/more.gz") as writer:
        writer.write(b"half")
        assert record_files([str(tmp_path)]) == [f"{tmp_path}/rows.gz"]


def test_a_file_without_compression_is_opened_too(tmp_path: Path) -> None:
    with tf.io.TFRecordWriter(str(tmp_path / "rows")) as writer:
        writer.write(b"row")
    (file,) = record_files([str(tmp_path)])
    assert list(open_records(file).as_numpy_iterator()) == [b"row"]
