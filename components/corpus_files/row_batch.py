"""Rows in lots: big enough that the work per lot does not count, small enough that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agnews.components.corpus_files.label_arrays import Labels, stack_labels
from agnews.components.corpus_files.measure_texts import measure_texts
from agnews.components.corpus_files.read_records import read_records
from agnews.components.corpus_files.record import Record, Reject
from agnews.schemas.corpus import Corpus
from agnews.schemas.features import TEST, TRAIN

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
        labels: 0-based classes, uint16 (n,); where a text has several, a mark for each, uint8 (n, classes).
        rows: 1-based numbers of the records among all that are read together, int64 (n,).
        words: Words a text, int32 (n,).
        characters: Characters a text, int32 (n,).
        markup: Whether a text holds remnants of markup, bool (n,).
        last_row: Number of the last record that was read for it, within its file.
    """

    file: str
    index: int
    records: list[Record]
    rejects: list[Reject]
    keys: npt.NDArray[np.uint64]
    labels: Labels
    rows: npt.NDArray[np.int64]
    words: npt.NDArray[np.int32]
    characters: npt.NDArray[np.int32]
    markup: npt.NDArray[np.bool_]
    last_row: int = 0


class LeftOut(NamedTuple):
    """Rows of a batch that go to no split.

    Attributes:
        as_test: Because test has their texts.
        as_corrected: Because people have labelled their texts anew.
    """

    as_test: int = 0
    as_corrected: int = 0


Ranks = npt.NDArray[np.uint64]


def rank_rows(keys: npt.NDArray[np.uint64], seed: int) -> Ranks:
    """Puts rows into an order that looks random and depends on nothing but their texts and a seed.

    Args:
        keys: Digests of the normalised texts, uint64 (n,).
        seed: Another seed gives another order.

    Returns:
        Ranks, uint64 (n,): the finaliser of SplitMix64 over key and seed, one to one in the key.

    References:
        Steele, Lea, Flood: Fast splittable pseudorandom number generators. OOPSLA 2014.
    """
    x = keys ^ np.uint64((seed * 0x9E3779B97F4A7C15) % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def read_batches(path: str, file: str, corpus: Corpus, size: int = BATCH_ROWS, part: str = TRAIN) -> Iterator[RowBatch]:
    """Reads a corpus file.

    Args:
        path: Where it is, a local path or a URI.
        file: Its name.
        corpus: Columns, classes and limits.
        size: Records a batch, bad ones included.
        part: `test` or `train`: which rows, where the description takes test rows out of the training file.

    Yields:
        Batches in the order of the file, none where the file has no record.

    Raises:
        AgnewsError: The file cannot be opened.
    """
    return in_batches(read_records(path, corpus, part), file, corpus, size, part)


def in_batches(
    results: Iterator[Record | Reject], file: str, corpus: Corpus, size: int, part: str = TRAIN
) -> Iterator[RowBatch]:
    """Makes batches of records.

    Args:
        results: Records and rejects in their order.
        file: Name of their file.
        corpus: Says which share of the rows is of test, if one is, and of what shape labels are.
        size: Records a batch, bad ones included.
        part: `test` or `train`.

    Yields:
        Batches, numbered from 0.
    """
    share = corpus.files.test.share
    index = 0
    while lot := list(islice(results, size)):
        batch = _measure(file, index, lot, corpus.label_shape)
        yield batch if share is None else _part_of(batch, share, part)
        index += 1


_TEST_SEED = 0x7E57


def _part_of(batch: RowBatch, share: float, part: str) -> RowBatch:
    """Keeps the rows of one part. What decides is the text alone: rows that are added move no other row."""
    is_test = rank_rows(batch.keys, _TEST_SEED) < np.uint64(round(share * 2**64) - 1)
    mask = is_test if part == TEST else ~is_test
    return replace(
        batch,
        records=[record for record, taken in zip(batch.records, mask.tolist(), strict=True) if taken],
        rejects=[] if part == TEST else batch.rejects,
        **{name: getattr(batch, name)[mask] for name in ("keys", "labels", "rows", "words", "characters", "markup")},
    )


def _measure(file: str, index: int, lot: list[Record | Reject], label_shape: tuple[int, ...]) -> RowBatch:
    records = [result for result in lot if isinstance(result, Record)]
    measured = measure_texts([record.text for record in records])
    return RowBatch(
        file=file,
        index=index,
        records=records,
        rejects=[result for result in lot if isinstance(result, Reject)],
        keys=measured.keys,
        labels=stack_labels(records, label_shape),
        rows=np.array([record.row for record in records], np.int64),
        words=measured.words,
        characters=measured.characters,
        markup=measured.markup,
        last_row=lot[-1].row,
    )


def read_files(paths: Mapping[str, str], corpus: Corpus, part: str = TRAIN) -> Iterator[RowBatch]:
    """Reads files one after the other.

    Args:
        paths: Path or URI by name, in the order in which they are read.
        corpus: Columns, classes and limits.
        part: `test` or `train`: which rows, where the description takes test rows out of the training file.

    Yields:
        Batches, none of rows of two files. Numbers of batches and `RowBatch.rows` go on from file to file, so they
        name a row; records and rejects keep their numbers within their own file, where people look for them.

    Raises:
        AgnewsError: A file cannot be opened.
    """
    index = done = 0
    for name, path in paths.items():
        before = done
        for batch in read_batches(path, name, corpus, part=part):
            yield replace(batch, index=index, rows=batch.rows + before)
            index += 1
            done = before + batch.last_row
