"""Headerless CSV to records, with every bad row located and explained and no good row lost."""

from __future__ import annotations

import io
from collections.abc import Iterator

from agnews.components.corpus_files.join_texts import UnusableText, join_texts
from agnews.components.corpus_files.printable import printable
from agnews.components.corpus_files.read_csv_rows import cut_off, read_csv_rows
from agnews.components.corpus_files.record import Reason, Record, Reject
from agnews.schemas.corpus import Corpus


def read_records(stream: io.BufferedReader, corpus: Corpus) -> Iterator[Record | Reject]:
    """Parses a corpus file; see `read_csv_rows` for the dialect, and for what becomes of broken rows.

    Args:
        stream: Bytes of the file, from its beginning. It is closed at the end.
        corpus: Columns, classes and limits.

    Yields:
        Records and rejects in the order of the file, as many as it has records.
    """
    check = _Checker(corpus)
    for found in read_csv_rows(stream, longest=2 * len(corpus.columns) * corpus.max_field_bytes):
        if isinstance(found, Reject):
            yield found
            continue
        row, line, _, fields, ragged = found
        if ragged and (len(fields) < len(corpus.columns) or not fields[-1]):
            yield cut_off(row, line, ",".join(fields))
        else:
            yield check(row, line, fields)


class _Checker:
    """Decides whether the fields of one record can be used."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._columns = len(corpus.columns)
        self._label = corpus.columns.index(corpus.label_column)
        self._texts = tuple(corpus.columns.index(name) for name in corpus.text_columns)
        self._classes = {str(corpus.first_label + i): i for i in range(corpus.num_classes)}
        self._allowed = f"{corpus.first_label} to {corpus.last_label}"

    def __call__(self, row: int, line: int, fields: list[str]) -> Record | Reject:
        if len(fields) != self._columns:
            columns = "1 column" if len(fields) == 1 else f"{len(fields)} columns"
            detail = f"{columns}, where there must be {self._columns}: {', '.join(self._corpus.columns)}"
            return Reject.of(row, line, Reason.COLUMNS, detail, ",".join(fields))
        label = self._classes.get(fields[self._label])
        if label is None:
            return self._unknown_class(row, line, fields)
        values = [fields[i] for i in self._texts]
        try:
            text, encoded = join_texts(values, self._corpus.text_columns, self._corpus.max_field_bytes)
        except UnusableText as unusable:
            found = ",".join(fields) if unusable.reason is Reason.EMPTY else " ".join(values)
            return Reject.of(row, line, unusable.reason, unusable.detail, found)
        return Record(row, line, label, text, encoded)

    def _unknown_class(self, row: int, line: int, fields: list[str]) -> Reject:
        value = fields[self._label]
        detail = f"{self._corpus.label_column} is {printable(value, 40)!r}, allowed are {self._allowed}"
        if row == 1 and not value.strip().lstrip("+-").isdecimal():
            detail += "; this looks like a header, and the format has none"
        return Reject.of(row, line, Reason.CLASS, detail, ",".join(fields))
