"""Texts are read from every format, all of them, in order, and what cannot be used is located and explained."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agnews.components.corpus_files.read_csv_rows import Place
from agnews.components.corpus_files.record import Reason, Reject
from agnews.components.prediction.read_texts import open_texts, read_texts
from agnews.components.prediction.text_input import TextFormat, TextInput, TextRow, text_format
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import AgnewsError

AG_NEWS = packaged_corpus()

Read = Callable[..., list[TextRow | Reject]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes bytes to a file of some name, and reads it as texts."""

    def read(name: str, data: bytes, **settings: object) -> list[TextRow | Reject]:
        path = tmp_path / name
        path.write_bytes(data)
        source = TextInput(str(path), text_format(name), AG_NEWS, **settings)  # type: ignore[arg-type]
        return list(read_texts(open_texts(source), source))

    return read


def texts(found: list[TextRow | Reject]) -> list[tuple[str, str]]:
    return [(row.id, row.text.decode()) for row in found if isinstance(row, TextRow)]


def bad(found: list[TextRow | Reject]) -> list[tuple[int, int, Reason]]:
    return [(row.row, row.line, row.reason) for row in found if isinstance(row, Reject)]


def parquet(table: dict[str, object]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(table), out)
    return out.getvalue()


NEWS = [("Stocks fall", 'Oil, "again"\nhigher'), ("日本 🚀", "naïve"), ("No description", "")]
JOINED = [f"{title} {text}" for title, text in NEWS]


def csv_of(rows: list[tuple[str, ...]], end: str = "\n") -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end).writerows(rows)
    return out.getvalue().encode()


def test_columns_are_joined_as_in_training_whatever_the_format(read: Read) -> None:
    titles, descriptions = ([row[i] for row in NEWS] for i in (0, 1))
    objects = [{"title": title, "description": text, "n": 1} for title, text in NEWS]
    expected = [(str(i), text) for i, text in enumerate(JOINED, 1)]

    assert texts(read("a.csv", csv_of([("title", "description"), *NEWS]))) == expected
    assert texts(read("a.csv", b"\xef\xbb\xbf" + csv_of([(" Title", "DESCRIPTION "), *NEWS], "\r\n"))) == expected
    assert texts(read("a.jsonl", "\n".join(map(json.dumps, objects)).encode())) == expected
    assert texts(read("a.parquet", parquet({"title": titles, "n": [1, 2, 3], "description": descriptions}))) == expected


def test_the_corpus_own_file_is_recognised(read: Read, real_data: Path) -> None:
    assert texts(read("a.csv", csv_of([("3", *row) for row in NEWS]))) == [
        (str(i), text) for i, text in enumerate(JOINED, 1)
    ]
    with (real_data / "test.csv").open(newline="", encoding="utf-8") as file:
        expected = [" ".join(row[1:]) for row in csv.reader(file)]
    assert [text for _, text in texts(read("b.csv", (real_data / "test.csv").read_bytes()))] == expected


def test_a_file_without_a_header_loses_no_row(read: Read) -> None:
    data = csv_of([("7", "a"), ("8", "b")])
    with pytest.raises(AgnewsError, match="None of the columns") as caught:
        read("a.csv", data)
    assert "--header" in caught.value.fix
    assert texts(read("a.csv", data, header=("id", "text"), id_column="id")) == [("7", "a"), ("8", "b")]


def test_columns_and_identifiers_can_be_named(read: Read) -> None:
    settings = {"text_columns": ("body", "head"), "id_column": "url"}
    expected = [("x/1", "b h"), ("7", "c i")]
    rows = [("url", "head", "body"), ("x/1", "h", "b"), ("7", "i", "c")]
    objects = [{"url": "x/1", "head": "h", "body": "b"}, {"body": "c", "head": "i", "url": 7}]
    assert texts(read("a.csv", csv_of(rows), **settings)) == expected
    assert texts(read("a.jsonl", "\n".join(map(json.dumps, objects)).encode(), **settings)) == expected
    table = {"body": ["b", "c"], "head": ["h", "i"], "url": ["x/1", "7"]}
    assert texts(read("a.parquet", parquet(table), **settings)) == expected


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_column_that_is_not_there_is_answered_with_those_that_are(read: Read, name: str) -> None:
    data = {
        "a.csv": csv_of([("head", "body"), ("h", "b")]),
        "a.jsonl": b'{"head": "h", "body": "b"}\n',
        "a.parquet": parquet({"head": ["h"], "body": ["b"]}),
    }[name]
    with pytest.raises(AgnewsError, match="no column 'headline'") as caught:
        read(name, data, text_columns=("headline",))
    assert caught.value.found == "columns 'head', 'body'"


def test_other_separators_are_named(read: Read) -> None:
    with pytest.raises(AgnewsError) as caught:
        read("a.csv", b"title;description\na;b\n")
    assert "semicolons" in str(caught.value.found)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b'"never closed,b', Reason.QUOTING),
        (b"only one", Reason.COLUMNS),
        (b"one,two,three", Reason.COLUMNS),
        (b"nul\0,b", Reason.NUL),
        (b"caf\xe9,b", Reason.ENCODING),
        (b'"",  ', Reason.EMPTY),
        (b'"",' + b"x" * 70_000, Reason.OVERSIZE),
        (b"y" * 2_000_000, Reason.COLUMNS),
        (b"z" * 17_000_000, Reason.OVERSIZE),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value[:12]),
)
def test_a_bad_row_of_csv_costs_no_other(read: Read, row: bytes, reason: Reason) -> None:
    found = read("a.csv", b"title,description\nbefore,x\n" + row + b'\n"two\nlines",y\nlast,z\n')
    assert bad(found) == [(2, 3, reason)]
    assert texts(found) == [("1", "before x"), ("3", "two\nlines y"), ("4", "last z")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "a"', Reason.JSON),
        (b'["a"]', Reason.JSON),
        (b'{"txt": "a"}', Reason.COLUMNS),
        (b'{"text": 7}', Reason.TYPE),
        (b'{"text": null}', Reason.EMPTY),
        (b'{"text": "nul\\u0000"}', Reason.NUL),
        (b'{"text": "caf\xe9"}', Reason.ENCODING),
        (b'{"text": "\\ud800"}', Reason.ENCODING),
        (b'{"text": NaN}', Reason.TYPE),
        (b'{"text": "a", "n": 1.}', Reason.JSON),
        (b'{"text": "a", "n": ' + b"[" * 100_000 + b"}", Reason.JSON),
        (b'{"text": "' + b"x" * 70_000 + b'"}', Reason.OVERSIZE),
        (b'{"text": "' + b"x" * 2_000_000 + b'"}', Reason.OVERSIZE),
        (b'{"text": "' + b"x" * 17_000_000 + b'"}', Reason.OVERSIZE),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value[:12]),
)
def test_a_bad_line_of_json_costs_no_other(read: Read, line: bytes, reason: Reason) -> None:
    found = read("a.jsonl", b'{"text": "before"}\n' + line + b'\n\n{"text": "after"}')
    assert bad(found) == [(2, 2, reason)]
    assert texts(found) == [("1", "before"), ("4", "after")]


@pytest.mark.parametrize(
    "other",
    [
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"9" * 5_000,
        b'"caf\xe9"',
        b'"\\ud800"',
        b'"' + b"x" * 1_000_000 + b'"',
        b'{"deep": [NaN, {"x": [1.10]}]}',
    ],
    ids=lambda value: repr(value[:12]),
)
def test_no_line_of_json_is_lost_for_a_key_that_nobody_asks_for(read: Read, other: bytes) -> None:
    data = b'{"other": ' + other + b', "text": "a", "id": 1.10}\n{"text": "b", "other": ' + other + b', "id": "2"}\n'
    assert texts(read("a.jsonl", data)) == [("1", "a"), ("2", "b")]
    assert texts(read("a.jsonl", data, text_columns=("text",), id_column="id")) == [("1.10", "a"), ("2", "b")]


def test_no_row_of_csv_is_lost_for_a_column_that_nobody_asks_for(read: Read) -> None:
    rows = [("html", "text"), ("x" * 1_000_000, "a"), ('two\nlines "quoted"' * 20_000, "b"), ("", "c")]
    assert texts(read("a.csv", csv_of(rows))) == [("1", "a"), ("2", "b"), ("3", "c")]


@pytest.mark.parametrize(
    "written",
    [
        "123456789012345678901",
        "123456789012345678902",
        "1.10",
        "1e5",
        "-0",
        "0.1e-7",
        "true",
        "[1.0, 2]",
        '{"a": 1.50}',
    ],
)
def test_an_identifier_in_json_is_text_as_it_is_written(read: Read, written: str) -> None:
    line = f'{{"id": "no", "x": {{"id": 1}}, "text": "a",\t"id" : {written}, "last": ":,}}"}}'.encode()
    assert texts(read("a.jsonl", line + b"\n", id_column="id")) == [(written, "a")]


def test_an_identifier_in_parquet_is_what_csv_would_say(read: Read) -> None:
    columns: dict[str, object] = {
        "binary": pa.array([b"k1", b"k2"]),
        "dictionary": pa.array([b"k1", b"k2"]).dictionary_encode(),
        "big": pa.array([2**63 - 1, 2**63 - 2]),
        "time": pa.array([1, 2], pa.timestamp("ns")),
        "missing": pa.array([None, 7]),
        "uuid": pa.array([b"\xff\xfe", b"\xff\xfd"], pa.binary(2)),
        "bool": pa.array([True, False]),
        "half": pa.array(np.array([0.1, 2.0], np.float16)),
        "single": pa.array(np.array([0.1, 1e-7], np.float32)),
        "double": pa.array([0.1, 1e22]),
        "decimal": pa.array([Decimal("1.10"), Decimal("2.00")]),
        "struct": pa.array([{"a": 1, "b": "x"}, {"a": None, "b": "\u00e9"}]),
        "list": pa.array([[1, 2], []]),
    }
    data = parquet({**columns, "text": ["a", "b"]})
    found = {name: [own for own, _ in texts(read("a.parquet", data, id_column=name))] for name in columns}
    assert found == {
        "binary": ["k1", "k2"],
        "dictionary": ["k1", "k2"],
        "big": ["9223372036854775807", "9223372036854775806"],
        "time": ["1970-01-01 00:00:00.000000001", "1970-01-01 00:00:00.000000002"],
        "missing": ["", "7"],
        "uuid": ["fffe", "fffd"],
        "bool": ["true", "false"],
        "half": ["0.1", "2.0"],
        "single": ["0.1", "1e-07"],
        "double": ["0.1", "1e+22"],
        "decimal": ["1.10", "2.00"],
        "struct": ['{"a": 1, "b": "x"}', '{"a": null, "b": "\u00e9"}'],
        "list": ["[1, 2]", "[]"],
    }


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.string(), pa.null()])
def test_parquet_gives_the_rows_that_csv_gives(read: Read, kind: pa.DataType) -> None:
    """Spark and Impala write strings as BINARY; a column that is null in all rows has no type at all."""
    titles = [None] * len(NEWS) if kind == pa.null() else [title.encode() for title, _ in NEWS]
    table = {"title": pa.array(titles).cast(kind), "description": [text for _, text in NEWS]}
    rows = [("" if kind == pa.null() else title, text) for title, text in NEWS]
    from_csv = read("a.csv", csv_of([("title", "description"), *rows]))
    from_parquet = read("a.parquet", parquet(table))
    assert texts(from_parquet) == texts(from_csv)
    assert [row for row, _, _ in bad(from_parquet)] == [row for row, _, _ in bad(from_csv)]


@pytest.mark.parametrize(
    "data", [b"\x1b[31mred\x1b[0m\n\x1b[32mgreen\x1b[0m\n" * 2000, b"a b\0\n", b"bell\a and \b back\n"]
)
def test_a_few_control_characters_make_no_file_binary(read: Read, data: bytes) -> None:
    assert len(read("a.txt", data)) == data.count(b"\n")
    with pytest.raises(AgnewsError, match="is binary"):
        read("a.txt", bytes(range(32)) * 20)


def test_plain_lines_are_texts_but_for_blank_ones(read: Read) -> None:
    found = read("a.txt", b'\xef\xbb\xbfone, "two"\r\n\n  \nthree\nnul\0\ncaf\xe9\n' + b"x" * 2_000_000 + b"\nlast")
    assert texts(found) == [("1", 'one, "two"'), ("4", "three"), ("8", "last")]
    assert bad(found) == [(5, 5, Reason.NUL), (6, 6, Reason.ENCODING), (7, 7, Reason.OVERSIZE)]


def test_parquet_of_other_types(read: Read) -> None:
    encoded = pa.array(["a", None, "a"]).dictionary_encode()
    found = read("a.parquet", parquet({"text": encoded}))
    assert texts(found) == [("1", "a"), ("3", "a")]
    assert bad(found) == [(2, 0, Reason.EMPTY)]
    with pytest.raises(AgnewsError, match=r"'text' of .* holds no texts") as caught:
        read("a.parquet", parquet({"text": [1, 2], "body": ["a", "b"]}))
    assert "columns of strings: body" in str(caught.value.found)
    with pytest.raises(AgnewsError, match="no Parquet file"):
        read("a.parquet", parquet({"text": ["a"]})[:-10])


@pytest.mark.parametrize("data", [b"", b"\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt", "a.csv.gz"])
def test_an_empty_file_has_no_texts(read: Read, name: str, data: bytes) -> None:
    assert read(name, gzip.compress(data) if name.endswith("gz") else data) == []


def test_compressed_files_are_read_and_cut_ones_refused(read: Read) -> None:
    packed = gzip.compress(csv_of([("title", "description"), *NEWS * 1000]))
    assert len(texts(read("a.csv.gz", packed))) == 3000
    with pytest.raises(AgnewsError, match="cut off or damaged"):
        read("a.csv.gz", packed[:-100])


def test_a_file_of_another_kind_is_told_by_its_content(read: Read) -> None:
    with pytest.raises(AgnewsError, match="Parquet file, not CSV"):
        read("a.csv", parquet({"text": ["a"]}))
    with pytest.raises(AgnewsError, match="does not say what is in it"):
        read("a.xlsx", b"PK")


@pytest.mark.parametrize("kind", [TextFormat.CSV, TextFormat.JSONL, TextFormat.TEXT])
def test_parts_give_what_the_whole_gives(kind: TextFormat) -> None:
    """Wherever a row begins, the file can be cut."""
    data = {
        TextFormat.CSV: csv_of([("7", *row) for row in NEWS * 3]) + b'9,"open,b\n1,c\n\n2,"x\ny",z\n\xff,a,b\nend,"a,b',
        TextFormat.JSONL: b'{"text": "a"}\n\n{broken\n{"text": "b"}\r\n{"text": ""}\n{"text": "c"}',
        TextFormat.TEXT: "\n eins\n\nzwei ü\r\n\0\ndrei".encode(),
    }[kind]
    data = b"\xef\xbb\xbf" + data
    source = TextInput("x", kind, AG_NEWS, ("c", "b") if kind is TextFormat.CSV else ("text",), "", ("a", "b", "c"))

    def part(start: Place, end: int | None) -> list[TextRow | Reject]:
        return list(read_texts(io.BufferedReader(io.BytesIO(data[start.offset :])), source, start=start, end=end))

    whole = part(Place(), None)
    begins = [Place(row.row, row.line, row.offset) for row in whole if isinstance(row, TextRow)]
    starts = [Place(), *begins[1:]]
    parts = [part(a, b.offset) for a, b in pairwise(starts)] + [part(starts[-1], None)]
    assert [row for found in parts for row in found] == whole
    assert any(isinstance(row, Reject) for row in whole)
