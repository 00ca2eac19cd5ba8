"""The training files of a corpus as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from agnews.components.corpus_files.row_batch import RowBatch, read_batches
from agnews.schemas.corpus import Corpus


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
