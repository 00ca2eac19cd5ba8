"""Texts from CSV with a header, or from a corpus' own files, which have none."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import chain

from agnews.components.corpus_files.read_csv_rows import BEGINNING, CsvRow, Place, cut_off, read_csv_rows
from agnews.components.corpus_files.record import Reason, Reject, UnusableText, join_texts
from agnews.components.prediction.choose_columns import choose_columns, find_column
from agnews.components.prediction.text_input import TextInput, TextRow
from agnews.schemas.corpus import Corpus
from agnews.schemas.errors import AgnewsError


def read_csv_texts(
    stream: io.BufferedReader, source: TextInput, *, start: Place = BEGINNING, end: int | None = None
) -> Iterator[TextRow | Reject]:
    """Reads CSV; see `read_csv_rows` for the dialect, and for what becomes of broken rows.

    The first row is the header, unless the input names the columns, or the row has the form of a record of the corpus.

    Args:
        stream: Bytes of the file, standing where `start` says. It is closed at the end.
        source: Its columns and limits.
        start: The row to begin with; behind the beginning, the input has to name the columns.
        end: No row is begun at this byte or behind it.

    Yields:
        Texts and rejects. Rows are counted without the header.

    Raises:
        AgnewsError: A column is missing.
    """
    rows = read_csv_rows(stream, start=start, end=end)
    names: Sequence[str] = source.header
    has_header = False
    if not names:
        first = next(rows, None)
        if first is None:
            return
        names, has_header = _header(first, source)
        if not has_header:
            rows = chain([first], rows)
    columns = _Columns(names, source, has_header=has_header)
    for found in rows:
        if isinstance(found, CsvRow):
            yield columns(found)
        else:
            yield found._replace(row=found.row - columns.headers)


def read_csv_header(stream: io.BufferedReader, source: TextInput) -> tuple[tuple[str, ...], bool]:
    """Finds out the names of the columns.

    Args:
        stream: Bytes of the file, from its beginning. It is closed.
        source: What is known of it.

    Returns:
        The names, none of a file without rows, and whether they stand in its first row.

    Raises:
        AgnewsError: The first row cannot be read.
    """
    if source.header:
        stream.close()
        return tuple(source.header), False
    with stream:
        first = next(read_csv_rows(stream), None)
        return ((), False) if first is None else _header(first, source)


def _header(first: CsvRow | Reject, source: TextInput) -> tuple[tuple[str, ...], bool]:
    if isinstance(first, Reject):
        raise AgnewsError(
            f"The first row of {source.path} cannot be read, so nobody knows the columns.",
            found=f"{first.detail}: {first.found}",
            fix="Mend the header, or name the columns of a file without one with --header NAME,NAME,...",
        )
    if _is_record(first.fields, source.corpus):
        return source.corpus.columns, False
    return tuple(first.fields), True


def _is_record(fields: Sequence[str], corpus: Corpus) -> bool:
    """Whether a first row looks like a record of the corpus and not like a header."""
    if not corpus.columns or len(fields) != len(corpus.columns):
        return False
    label = fields[corpus.columns.index(corpus.label_column)]
    return any(label == each.value for each in corpus.classes)


class _Columns:
    """Takes from a row what belongs to its text."""

    def __init__(self, names: Sequence[str], source: TextInput, *, has_header: bool) -> None:
        self.headers = int(has_header)
        self._names = choose_columns(names, source.text_columns, source.corpus, source.path)
        self._texts = [names.index(name) for name in self._names]
        self._id = names.index(find_column(names, source.id_column, source.path)) if source.id_column else None
        self._count = len(names)
        self._expected = ", ".join(names)
        self._max_bytes = source.corpus.limits.max_field_bytes

    def __call__(self, found: CsvRow) -> TextRow | Reject:
        row, line, offset, fields, ragged = found
        row -= self.headers
        if len(fields) != self._count:
            whole = ",".join(fields)
            if ragged and len(fields) < self._count:
                return cut_off(row, line, whole)
            columns = "1 column" if len(fields) == 1 else f"{len(fields)} columns"
            detail = f"{columns}, where there must be {self._count}: {self._expected}"
            return Reject.of(row, line, Reason.COLUMNS, detail, whole)
        values = [fields[i] for i in self._texts]
        try:
            _, encoded = join_texts(values, self._names, self._max_bytes)
        except UnusableText as unusable:
            return Reject.of(row, line, unusable.reason, unusable.detail, ",".join(fields))
        own_id = str(row) if self._id is None else fields[self._id]
        return TextRow(row, line, offset, own_id, encoded)
