from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agnews.components.corpus_files import read_csv_rows as module
from agnews.components.corpus_files.check_record import RecordChecker
from agnews.components.corpus_files.read_csv_rows import CsvLot, read_csv_lots, read_csv_rows
from agnews.components.corpus_files.read_records import read_table
from agnews.components.corpus_files.record import Reason, Record, Reject
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.features import TRAIN

AG_NEWS = packaged_corpus()


def read(data: bytes) -> list[Record | Reject]:
    return list(read_table(io.BufferedReader(io.BytesIO(data)), AG_NEWS, RecordChecker(AG_NEWS, TRAIN)))


def good(data: bytes) -> list[tuple[int, int, int, str]]:
    return [(r.row, r.line, r.label, r.text) for r in read(data) if isinstance(r, Record)]


def bad(data: bytes) -> list[tuple[int, int, Reason]]:
    return [(r.row, r.line, r.reason) for r in read(data) if isinstance(r, Reject)]


def test_reads_the_official_format() -> None:
    data = b'"3","Title, with comma","A ""quoted"" word"\n"1","Second","on\ntwo lines"\n"4","Third","x"\n'
    assert read(data) == [
        Record(1, 1, 2, 'Title, with comma A "quoted" word', b'Title, with comma A "quoted" word'),
        Record(2, 2, 0, "Second on\ntwo lines", b"Second on\ntwo lines"),
        Record(3, 4, 3, "Third x", b"Third x"),
    ]


def test_backslashes_are_text_and_not_escapes() -> None:
    assert good(rb'"3","a\b","ends in a backslash\"' + b"\n") == [(1, 1, 2, "a\\b ends in a backslash\\")]


def test_skips_a_byte_order_mark_and_blank_lines_and_accepts_crlf_and_a_missing_last_line_end() -> None:
    data = '\ufeff"1","a","b"\r\n\r\n"2","ü","d"'.encode()
    assert good(data) == [(1, 1, 0, "a b"), (2, 3, 1, "ü d")]
    assert bad(data) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'"1","only two"', Reason.COLUMNS),
        (b'"1","a","b","four"', Reason.COLUMNS),
        (b'"5","fifth class","b"', Reason.CLASS),
        (b'"0","a","b"', Reason.CLASS),
        (b'"","a","b"', Reason.CLASS),
        (b'" 1","a","b"', Reason.CLASS),
        ('"\u0661","an Arabic digit","b"'.encode(), Reason.CLASS),
        (b'"1","caf\xe9","b"', Reason.ENCODING),
        (b'"1","a\xed\xa0\x80","b"', Reason.ENCODING),
        (b'"1","nul\0","b"', Reason.NUL),
        (b'"1","","  "', Reason.EMPTY),
        (b'"1","a","' + b"x" * 70_000 + b'"', Reason.OVERSIZE),
        (b'"1","a","' + b"x" * 500_000 + b'"', Reason.OVERSIZE),
        (b"y" * 1_000_000, Reason.COLUMNS),
        (b"y" * 17_000_000, Reason.OVERSIZE),
        (b'"1","he said "no" twice","b"', Reason.QUOTING),
        (b'"1","never closed,"b"', Reason.QUOTING),
        (b'1,unquoted columns,"never closed', Reason.QUOTING),
        (b'"1","a","never closed', Reason.QUOTING),
    ],
)
def test_a_bad_row_is_located_and_costs_no_other_row(line: bytes, reason: Reason) -> None:
    data = b'"1","before","x"\n' + line + b'\n"2","after","y"\n"3","last","z"\n'
    assert bad(data) == [(2, 2, reason)]
    assert good(data) == [(1, 1, 0, "before x"), (3, 3, 1, "after y"), (4, 4, 2, "last z")]


def test_a_quote_that_never_closes_gives_back_the_lines_it_swallowed() -> None:
    rows = b"".join(b"2,title %d,text\n" % i for i in range(50))
    data = b'1,a,"never closed\n' + rows
    assert bad(data) == [(1, 1, Reason.QUOTING)]
    assert len(good(data)) == 50
    assert good(data)[-1] == (51, 51, 1, "title 49 text")


@pytest.mark.parametrize(
    "end", [b'"3","Ti', b'"3","Title"', b'"3","Title",', b'"3","Title","half a sent', b'"3","Title","a line\n', b'"3']
)
def test_a_file_that_was_cut_off_is_noticed(end: bytes) -> None:
    data = b'"1","before","x"\n' + end
    assert bad(data) == [(2, 2, Reason.CUT_OFF)]
    assert good(data) == [(1, 1, 0, "before x")]


def test_explains_what_was_found_and_what_is_allowed() -> None:
    (header, control, columns) = read(b'"Class Index","Title","Description"\n"7","\x1b[31m","b"\n"1","a"\n')
    assert isinstance(header, Reject)
    assert isinstance(control, Reject)
    assert isinstance(columns, Reject)
    assert (
        header.detail == "class is 'Class Index', allowed are 1 to 4; this looks like a header, and the description "
        "says that there is none"
    )
    assert control.found == "7,\\x1b[31m,b"  # printing it must not change the terminal's colours
    assert columns.detail == "2 columns, where there must be 3: class, title, description"


def test_a_long_value_is_shown_cut() -> None:
    (reject,) = read(b'"5","' + b"x" * 10_000 + b'","b"\n')
    assert isinstance(reject, Reject)
    assert len(reject.found) == 120
    assert reject.found.endswith("…")


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
    lambda text: not text.isspace()
)


@given(st.lists(st.tuples(st.integers(1, 4), texts, texts), max_size=20), st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=150, deadline=None)
def test_reads_back_whatever_the_csv_module_writes(rows: list[tuple[int, str, str]], end: str) -> None:
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator=end).writerows(rows)
    results = read(file.getvalue().encode())
    assert [(r.label + 1, r.text) for r in results if isinstance(r, Record)] == [
        (label, f"{title} {text}") for label, title, text in rows
    ]
    assert len(results) == len(rows)


@given(st.binary(max_size=400).map(lambda data: data.replace(b"x", b'"').replace(b"y", b"\n").replace(b"z", b",")))
@settings(max_examples=300, deadline=None)
def test_survives_any_bytes_and_keeps_the_rows_around_them(junk: bytes) -> None:
    before, after = b'"1","before","x"\n', b'\n"2","after","y"\n'
    results = read(before + junk + after)
    assert results[0] == Record(1, 1, 0, "before x", b"before x")
    assert [r.row for r in results] == list(range(1, len(results) + 1))
    lines = [r.line for r in results]
    assert lines == sorted(lines)
    if b'"' not in junk:
        assert results[-1].line == 2 + junk.count(b"\n") + 1
        assert isinstance(results[-1], Record)


JUNK = st.lists(
    st.sampled_from(
        [b'"', b"\n", b"\r\n", b"\r", b",", b"a", b"\xe9", "\u00fc".encode(), b'"1","a","b"\n', b'"1","a\nb","c"\n']
    )
).map(b"".join)


@given(JUNK, st.integers(1, 30), st.integers(0, 2))
@settings(max_examples=1000, deadline=None)
def test_rows_in_lots_are_the_rows_one_by_one(junk: bytes, block: int, single: int) -> None:
    def opened() -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(junk))

    wanted = [r if isinstance(r, Reject) else (r.row, r.line, r.fields, r.ragged) for r in read_csv_rows(opened())]
    found: list[object] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK", block)
        for each in read_csv_lots(opened(), single=single):
            if isinstance(each, CsvLot):
                assert each.row > single
                found += [
                    (each.row + i, *row, False) for i, row in enumerate(zip(each.lines, each.fields, strict=True))
                ]
            else:
                found.append(each if isinstance(each, Reject) else (each.row, each.line, each.fields, each.ragged))
    assert found == wanted


def test_rows_of_many_lines_are_read_in_lots_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly every block ends within one."""
    monkeypatch.setattr(module, "_BLOCK", 1000)
    data = b'"1","a","two\nlines"\n\n' * 500
    lots = list(read_csv_lots(io.BufferedReader(io.BytesIO(data))))
    assert all(isinstance(each, CsvLot) for each in lots)
    assert [row.line for row in read(data) if isinstance(row, Record)] == list(range(1, 1500, 3))


def test_a_lot_with_one_bad_row_has_all_others() -> None:
    rows = [b'"1","a","b"\n'] * 100
    rows[70] = b'"9","a","b"\n'
    assert bad(b"".join(rows)) == [(71, 71, Reason.CLASS)]
    assert len(good(b"".join(rows))) == 99
