"""Records of a corpus' file, of any format that a description can name, with every bad row explained."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import partial

from agnews.components.corpus_files.check_record import RecordChecker, as_label
from agnews.components.corpus_files.open_corpus_file import open_corpus_file
from agnews.components.corpus_files.parse_json import kind_of_json, parse_json
from agnews.components.corpus_files.read_csv_rows import (
    BEGINNING,
    LONGEST_LINE,
    CsvLot,
    CsvRow,
    Place,
    cut_off,
    physical_lines,
    read_csv_lots,
    skip_byte_order_mark,
)
from agnews.components.corpus_files.record import Reason, Record, Reject, UnusableText
from agnews.components.storage.files_at import files_at
from agnews.components.storage.open_binary import open_binary
from agnews.schemas.corpus import Corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import TRAIN


def read_records(
    path: str, corpus: Corpus, part: str = TRAIN, start: Place = BEGINNING, end: int | None = None
) -> Iterator[Record | Reject]:
    """Reads a corpus' file.

    Args:
        path: A local path or a URI; of a folder where the description says `folders`.
        corpus: Format, columns, classes and limits.
        part: `test` or `train`, where a column tells the rows of a test split; it changes nothing otherwise.
        start: Of a table: the row to begin with.
        end: Of a table: the byte with which the first row begins that is not wanted.

    Yields:
        Records and rejects in the order of the file, as many as it has records. Bad rows are of the training part.

    Raises:
        AgnewsError: The file cannot be opened, or lacks a column.
        MisplacedEndError: No row begins at `end`.
    """
    check = RecordChecker(corpus, part)
    if corpus.form == "folders":
        return _read_folders(path, corpus, check)
    stream = open_corpus_file(path, corpus)
    if corpus.form == "jsonl":
        return _read_objects(stream, corpus, check)
    if corpus.form == "parquet":
        from agnews.components.corpus_files.read_parquet_records import read_parquet_records

        return read_parquet_records(stream, path, check)
    return read_table(stream, corpus, check, path, start, end)


def read_table(
    stream: io.BufferedReader,
    corpus: Corpus,
    check: RecordChecker,
    path: str = "the file",
    start: Place = BEGINNING,
    end: int | None = None,
) -> Iterator[Record | Reject]:
    """Parses lines of columns; see `read_csv_rows` for the dialect, and for what becomes of broken rows.

    Args:
        stream: Bytes of the file, from its beginning. It is closed at the end.
        corpus: Columns, delimiter and quotes.
        check: Decides about rows.
        path: What the file is called in messages.
        start: The row to begin with; the header is read in any case.
        end: The byte with which the first row begins that is not wanted.

    Yields:
        Records and rejects in the order of the file, as many as it has records.

    Raises:
        AgnewsError: The header lacks a column.
        MisplacedEndError: No row begins at `end`.
    """
    headers = int(corpus.read.header)
    rows, header = _open_rows(stream, corpus, path, start, end)
    first = next(header, None) if headers else None
    if headers and first is None:
        return
    names = _header(first, check.columns, corpus, path) if headers else corpus.columns
    judge = _Judge(corpus, check, names)
    for found in rows:
        if isinstance(found, CsvLot):
            yield from judge.lot(found._replace(row=found.row - headers))
        elif isinstance(found, CsvRow):
            yield from judge.row(found.row - headers, found.line, found.fields, ragged=found.ragged)
        elif check.reports_broken:
            yield found._replace(row=found.row - headers)


class _Judge:
    """Makes records of the fields of rows."""

    def __init__(self, corpus: Corpus, check: RecordChecker, names: Sequence[str]) -> None:
        at = {name: i for i, name in reversed(list(enumerate(names)))}
        self._corpus, self._check, self._names = corpus, check, names
        self._label, self._texts = at[corpus.label_column], tuple(at[name] for name in corpus.texts)
        self._part = at[check.part_column] if check.part_column is not None else None

    def row(self, row: int, line: int, fields: list[str], *, ragged: bool) -> Iterator[Record | Reject]:
        check, expected = self._check, len(self._names)
        if (ragged and not fields[-1]) or len(fields) != expected:
            if check.reports_broken:
                cut = ragged and (len(fields) < expected or not fields[-1])
                yield _ragged(row, line, self._corpus.delimiter.join(fields), len(fields), self._names, cut=cut)
        elif self._part is None or not check.skips(fields[self._part]):
            record = check(row, line, fields[self._label], [fields[i] for i in self._texts], "")
            if isinstance(record, Record):
                yield record
            else:
                yield _explained(check, record, fields, self._texts, self._label, self._corpus)

    def lot(self, lot: CsvLot) -> Iterator[Record | Reject]:
        if self._part is None and set(map(len, lot.fields)) == {len(self._names)}:
            label, *texts = ([fields[i] for fields in lot.fields] for i in (self._label, *self._texts))
            records = self._check.check_all(lot.row, lot.lines, label, zip(*texts, strict=True))
            if records is not None:
                yield from records
                return
        for row, (line, fields) in enumerate(zip(lot.lines, lot.fields, strict=True), lot.row):
            yield from self.row(row, line, fields, ragged=False)


def _open_rows(
    stream: io.BufferedReader, corpus: Corpus, path: str, start: Place, end: int | None
) -> tuple[Iterator[CsvLot | CsvRow | Reject], Iterator[CsvLot | CsvRow | Reject]]:
    """Rows, and where the header is the next one."""
    read = partial(read_csv_lots, delimiter=corpus.delimiter, quotes=corpus.read.quotes, single=int(corpus.read.header))
    if start == BEGINNING:
        rows = read(stream, end=end)
        return rows, rows
    stream.seek(start.offset)
    header = read(open_corpus_file(path, corpus)) if corpus.read.header else iter(())
    return read(stream, start=start, end=end), header


def _ragged(row: int, line: int, whole: str, count: int, names: Sequence[str], *, cut: bool) -> Reject:
    if cut:
        return cut_off(row, line, whole)
    columns = "1 column" if count == 1 else f"{count} columns"
    detail = f"{columns}, where there must be {len(names)}: {', '.join(names)}"
    return Reject.of(row, line, Reason.COLUMNS, detail, whole)


def _explained(
    check: RecordChecker, bad: Reject, fields: list[str], texts: Sequence[int], label: int, corpus: Corpus
) -> Reject:
    """Says the whole row, which good rows do not pay for."""
    explained = check(bad.row, bad.line, fields[label], [fields[i] for i in texts], corpus.delimiter.join(fields))
    assert isinstance(explained, Reject)  # noqa: S101 - the same columns give the same answer
    looks_like_header = bad.row == 1 and not corpus.read.header and bad.reason in (Reason.CLASS, Reason.CLASS_SET)
    if looks_like_header and not fields[label].strip().lstrip("+-").isdecimal():
        hint = "this looks like a header, and the description says that there is none"
        return explained._replace(detail=f"{explained.detail}; {hint}")
    return explained


def _header(first: object, wanted: Sequence[str], corpus: Corpus, path: str) -> list[str]:
    if isinstance(first, Reject):
        raise AgnewsError(
            f"The header of {path}, line {first.line}, cannot be read.",
            found=f"{first.detail}: {first.found}",
            fix="Mend the first line, or say read.header: false and name the columns.",
        )
    names: list[str] = first.fields  # type: ignore[attr-defined]
    _require_columns(names, wanted, corpus, f"{path}, line 1,")
    return names


def _require_columns(names: Sequence[str], wanted: Sequence[str], corpus: Corpus, where: str) -> None:
    for name in wanted:
        found = names.count(name) if isinstance(names, list) else list(names).count(name)
        if found == 1:
            continue
        fix = "Name a column that is there in the description (label, texts)"
        if len(names) == 1 and corpus.is_table:
            fix += ", or say the right read.delimiter"
        raise AgnewsError(
            f"{where} has {'more than one' if found else 'no'} column {name!r}.",
            found=f"columns {', '.join(map(repr, names[:40]))}",
            fix=fix + ".",
        )


def _read_objects(stream: io.BufferedReader, corpus: Corpus, check: RecordChecker) -> Iterator[Record | Reject]:
    row = line = 0
    with stream:
        skip_byte_order_mark(stream)
        for raw, size in physical_lines(stream, LONGEST_LINE):
            line += 1
            if raw.isspace():
                continue
            row += 1
            try:
                if size > LONGEST_LINE:
                    raise UnusableText(Reason.OVERSIZE, f"a line of {size} bytes, allowed are {LONGEST_LINE}")
                value = _object(raw)
                texts = [_text(value, name) for name in corpus.texts]
                label = _key(value, corpus.label_column)
                if check.part_column is not None and check.skips(as_label(_key(value, check.part_column)) or ""):
                    continue
            except UnusableText as unusable:
                if check.reports_broken:
                    yield Reject.of(row, line, unusable.reason, unusable.detail, _shown(raw))
            else:
                record = check(row, line, as_label(label), texts, "")
                if isinstance(record, Reject):
                    record = check(row, line, as_label(label), texts, _shown(raw))
                yield record


def _object(raw: bytes) -> dict[str, object]:
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise UnusableText(Reason.JSON, f"{kind_of_json(value)}, where there must be an object")
    return value


def _key(value: dict[str, object], name: str) -> object:
    if name not in value:
        raise UnusableText(Reason.COLUMNS, f"no key {name!r}")
    return value[name]


def _text(value: dict[str, object], name: str) -> str:
    text = _key(value, name)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise UnusableText(Reason.TYPE, f"{name} is {kind_of_json(text)}, where there must be a string")
    return text


def _shown(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape").rstrip("\r\n")


def _read_folders(path: str, corpus: Corpus, check: RecordChecker) -> Iterator[Record | Reject]:
    """Reads a text of each file; the folder that it lies in is its class."""
    for row, name in enumerate(folder_files(path), 1):
        folder, _, file = name.rpartition("/")
        text_path = f"{path.rstrip('/')}/{name}"
        opened = (
            open_corpus_file(text_path, corpus) if file.endswith(".gz") or _is_odd(corpus) else open_binary(text_path)
        )
        with opened as stream:
            skip_byte_order_mark(stream)
            text = stream.read(corpus.limits.max_field_bytes + 1).decode("utf-8", "surrogateescape")
        record = check(row, 1, folder, [text], name)
        if isinstance(record, Reject):
            record = record._replace(detail=f"{name}: {record.detail}")
        yield record


def _is_odd(corpus: Corpus) -> bool:
    return corpus.read.encoding not in ("utf-8", "utf-8-sig")


def folder_files(path: str) -> list[str]:
    """Lists the text files of a folder with a folder for each class, without hidden ones.

    Args:
        path: A local folder or the URI of one.

    Returns:
        `CLASS/FILE` each, sorted.
    """
    names = files_at(path).files_below(path)
    return [name for name in names if "/" in name and not any(part.startswith(".") for part in name.split("/"))]
