"""However files are cut into shards, the shards give the rows of the files, once each."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agnews.components.batch_prediction.plan_batch import find_inputs, plan_batch, shard_source
from agnews.components.corpus_files.read_csv_rows import Place
from agnews.components.prediction.read_texts import open_texts, read_texts
from agnews.components.prediction.text_input import TextFormat, TextInput, text_format
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import AgnewsError

AG_NEWS = packaged_corpus()

TEXTS = [f'row {i}, "quoted"\nover two lines ü' for i in range(25)]
QUOTED = [f'"{text.replace(chr(34), 2 * chr(34))}"' for text in TEXTS]
BAD = b'"never closed,1\n'


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The same texts in all formats, with a bad row in the middle where there are lines."""
    half = len(TEXTS) // 2
    lines = [f"{text},{i}\n".encode() for i, text in enumerate(QUOTED)]
    headerless = [f'"1",{text},""\n'.encode() for text in QUOTED]
    objects = [json.dumps({"text": text, "n": i}).encode() + b"\n" for i, text in enumerate(TEXTS)]
    content = {
        "header.csv": b"\xef\xbb\xbftext,n\n" + b"".join([*lines[:half], BAD, *lines[half:]]),
        "corpus.csv": b"".join([*headerless[:half], BAD, *headerless[half:]]),
        "a.jsonl": b"".join([*objects[:half], b'{"n": 1}\n\n', *objects[half:]]),
        "a.txt": b"".join(text.replace("\n", " ").encode() + b"\n" for text in TEXTS),
        "packed.csv.gz": gzip.compress(b"text,n\n" + b"".join(lines)),
        "empty.csv": b"",
    }
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
    pq.write_table(pa.table({"n": range(25), "text": TEXTS}), tmp_path / "a.parquet", row_group_size=7)
    return [str(tmp_path / name) for name in [*content, "a.parquet"]]


@pytest.mark.parametrize("shard_rows", [1, 4, 1000])
def test_shards_give_the_rows_of_the_files(files: list[str], shard_rows: int) -> None:
    sources = [TextInput(path, text_format(path), AG_NEWS) for path in files]

    inputs, shards = plan_batch(sources, shard_rows=shard_rows, max_bad_share=0.5)

    assert [shard.number for shard in shards] == list(range(len(shards)))
    counts = {}
    for position, (given, source) in enumerate(zip(inputs, sources, strict=True)):
        whole = list(read_texts(open_texts(source), source))
        parts = []
        mine = [shard for shard in shards if shard.input == position]
        for shard in mine:
            part = shard_source(given, shard, AG_NEWS)
            stream = open_texts(part)
            if part.format is not TextFormat.PARQUET:
                stream.seek(shard.offset) if shard.offset else None
            place = Place(shard.row, shard.line, shard.offset)
            parts.append(list(read_texts(stream, part, start=place, end=shard.end)))
        assert [row for rows in parts for row in rows] == whole
        counts[given.name] = len(mine)
    pieces = -(-25 // shard_rows)
    assert counts == {
        "header.csv": pieces,
        "corpus.csv": pieces,
        "a.jsonl": pieces,
        "a.txt": pieces,
        "packed.csv.gz": 1,
        "empty.csv": 0,
        "a.parquet": pieces,
    }


def test_files_that_share_a_name_keep_their_paths(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "news.txt").write_text(f"{folder}\n")
    (tmp_path / "other.txt").write_text("c\n")
    found = find_inputs([f"{tmp_path}/*/news.txt", f"{tmp_path}/other.txt", f"{tmp_path}/a/*"])
    assert found == tuple(f"{tmp_path}/{name}" for name in ("a/news.txt", "b/news.txt", "other.txt"))
    sources = [TextInput(path, TextFormat.TEXT, AG_NEWS) for path in found]
    inputs, _ = plan_batch(sources, shard_rows=10, max_bad_share=0.5)
    assert [given.name for given in inputs] == [found[0], found[1], "other.txt"]


def test_patterns_that_stand_for_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="No file has this name"):
        find_inputs([f"{tmp_path}/*.csv"])
    with pytest.raises(AgnewsError, match="is a folder"):
        find_inputs([str(tmp_path)])


def test_a_file_of_mostly_bad_rows_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "news.csv"
    file.write_bytes(b"text,n\n" + b"good,1\n" * 50 + b"one,two,three\n" * 300)
    sources = [TextInput(str(file), TextFormat.CSV, AG_NEWS)]
    with pytest.raises(AgnewsError, match=r"100 of 150 rows of .* cannot be used, more than 50%") as caught:
        plan_batch(sources, shard_rows=10, max_bad_share=0.5)
    assert "row 51: wrong number of columns" in str(caught.value.found)
    assert plan_batch(sources, shard_rows=10, max_bad_share=1.0)[1][-1].rows == 10
