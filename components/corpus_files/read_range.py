"""Reads a part of a file that `cut_files` has found, and notices if that was no place to cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from agnews.components.corpus_files.file_ranges import FileRange
from agnews.components.corpus_files.read_csv_rows import MisplacedEndError
from agnews.components.corpus_files.read_records import read_records
from agnews.components.corpus_files.row_batch import BATCH_ROWS, RowBatch, in_batches
from agnews.schemas.corpus import Corpus


def read_range(part: FileRange, corpus: Corpus) -> Iterator[RowBatch]:
    """Reads a range of the training files.

    Args:
        part: Which.
        corpus: Columns, classes and limits.

    Yields:
        The batches that `read_files` makes of these rows.

    Raises:
        MisplacedEndError: The range is none: it ends within a row, or holds another number of records.
        AgnewsError: The file cannot be opened.
    """
    records = read_records(part.path, corpus, start=part.start, end=part.end)
    first = part.start.row - (int(corpus.read.header) if part.start.offset else 0)
    done = 0
    for batch in in_batches(records, part.name, corpus, BATCH_ROWS):
        done = batch.last_row - first + 1
        yield replace(batch, index=batch.index + part.batch, rows=batch.rows + part.before)
    if done != part.records:
        raise MisplacedEndError(f"{done} records, {part.records} expected")
