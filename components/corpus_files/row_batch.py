"""Rows in lots: big enough that the work per lot does not count, small enough that memory stays flat."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from agnews.components.corpus_files.read_csv_rows import cut_off, read_csv_rows
from agnews.components.corpus_files.record import Reason, Record, Reject, UnusableText, join_texts, printable
from agnews.components.corpus_files.text_key import has_markup, text_key
from agnews.components.storage.open_binary import open_binary
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
    for found in read_csv_rows(stream):
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


BATCH_ROWS = 16_384


@dataclass(frozen=True, eq=False)
class RowBatch:
    """Consecutive rows of a file with what the later steps ask about each.

    Attributes:
        file: Name of the file.
        index: 0-based number of the batch among all that are read together.
        records: The usable rows, n of them.
        rejects: The others.
        keys: Digests of the normalised texts, uint64 (n,).
        labels: 0-based classes, uint8 (n,).
        rows: 1-based numbers of the records among all that are read together, int64 (n,).
        words: Words a text, int32 (n,).
        characters: Characters a text, int32 (n,).
        markup: Whether a text holds remnants of markup, bool (n,).
    """

    file: str
    index: int
    records: list[Record]
    rejects: list[Reject]
    keys: npt.NDArray[np.uint64]
    labels: npt.NDArray[np.uint8]
    rows: npt.NDArray[np.int64]
    words: npt.NDArray[np.int32]
    characters: npt.NDArray[np.int32]
    markup: npt.NDArray[np.bool_]


def read_batches(path: str, file: str, corpus: Corpus, size: int = BATCH_ROWS) -> Iterator[RowBatch]:
    """Reads a corpus file.

    Args:
        path: Where it is, a local path or a URI.
        file: Its name.
        corpus: Columns, classes and limits.
        size: Records a batch, bad ones included.

    Yields:
        Batches in the order of the file, none where the file has no record.

    Raises:
        AgnewsError: The file cannot be opened.
    """
    results = read_records(open_binary(path), corpus)
    index = 0
    while lot := list(islice(results, size)):
        yield _measure(file, index, lot)
        index += 1


def _measure(file: str, index: int, lot: list[Record | Reject]) -> RowBatch:
    records = [result for result in lot if isinstance(result, Record)]
    texts = [record.text for record in records]
    n = len(records)
    return RowBatch(
        file=file,
        index=index,
        records=records,
        rejects=[result for result in lot if isinstance(result, Reject)],
        keys=np.fromiter(map(text_key, texts), np.uint64, n),
        labels=np.fromiter((record.label for record in records), np.uint8, n),
        rows=np.fromiter((record.row for record in records), np.int64, n),
        words=np.fromiter((len(text.split()) for text in texts), np.int32, n),
        characters=np.fromiter(map(len, texts), np.int32, n),
        markup=np.fromiter(map(has_markup, texts), np.bool_, n),
    )


def read_files(paths: Mapping[str, str], corpus: Corpus) -> Iterator[RowBatch]:
    """Reads files one after the other.

    Args:
        paths: Path or URI by name, in the order in which they are read.
        corpus: Columns, classes and limits.

    Yields:
        Batches, none of rows of two files. Numbers of batches and `RowBatch.rows` go on from file to file, so they
        name a row; records and rejects keep their numbers within their own file, where people look for them.

    Raises:
        AgnewsError: A file cannot be opened.
    """
    index = done = 0
    for name, path in paths.items():
        before = done
        for batch in read_batches(path, name, corpus):
            yield replace(batch, index=index, rows=batch.rows + before)
            index += 1
            done += len(batch.records) + len(batch.rejects)
