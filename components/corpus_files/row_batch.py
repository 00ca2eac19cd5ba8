"""Rows in lots: big enough that the work per lot does not count, small enough that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from agnews.components.corpus_files.has_markup import has_markup
from agnews.components.corpus_files.open_binary import open_binary
from agnews.components.corpus_files.read_records import read_records
from agnews.components.corpus_files.record import Record, Reject
from agnews.components.corpus_files.text_key import text_key
from agnews.schemas.corpus import Corpus

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
