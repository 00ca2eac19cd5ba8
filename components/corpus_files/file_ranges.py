"""Where a file of rows can be cut, so that several workers read it at once, in the batches that one would read."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agnews.components.corpus_files.check_record import RecordChecker
from agnews.components.corpus_files.read_csv_rows import BEGINNING, BOM_SIZE, Place
from agnews.components.corpus_files.row_batch import BATCH_ROWS
from agnews.components.storage.open_binary import open_binary
from agnews.schemas.corpus import Corpus
from agnews.schemas.features import TRAIN

_BLOCK = 8 << 20
_LF, _CR, _QUOTE = b"\n"[0], b"\r"[0], b'"'[0]
_PLAIN = ("utf-8", "utf-8-sig")


@dataclass(frozen=True)
class FileRange:
    """Consecutive rows of a file.

    Attributes:
        name: Name of the file.
        path: Where it is.
        start: Its first row, counted with the header.
        end: The byte with which the range behind it begins; None for the last of the file.
        records: Records in it, bad ones included; the header is none.
        batch: Number of its first batch among those of all files.
        before: Records of the files before.
    """

    name: str
    path: str
    start: Place
    end: int | None
    records: int
    batch: int
    before: int


def cut_files(paths: Mapping[str, str], corpus: Corpus, batches: int) -> list[FileRange] | None:
    """Looks for places to cut files at, from their line ends and quotes alone.

    A quote that is never closed misleads it. Whoever reads a range notices: it does not end where the next one begins,
    or holds another number of records.

    Args:
        paths: Path or URI by name, in the order in which they are read.
        corpus: Form, header and quotes.
        batches: Batches of a range.

    Returns:
        The ranges in the order of the rows, none of rows of two files; None where the files must be read from their
        beginning: compressed ones, other encodings than UTF-8, other forms than tables, and where a column says which
        rows are of test.
    """
    compressed = any(path.lower().endswith(".gz") for path in paths.values())
    takes_some = RecordChecker(corpus, TRAIN).part_column is not None
    if not corpus.is_table or corpus.read.encoding not in _PLAIN or compressed or takes_some:
        return None
    ranges: list[FileRange] = []
    batch = before = 0
    for name, path in paths.items():
        in_file = 0
        for start, end, records in _cut(path, corpus, batches * BATCH_ROWS):
            ranges.append(FileRange(name, path, start, end, records, batch, before))
            batch += -(-records // BATCH_ROWS)
            in_file += records
        before += in_file
    return ranges


def _cut(path: str, corpus: Corpus, rows: int) -> Iterator[tuple[Place, int | None, int]]:
    headers = int(corpus.read.header)
    start, seen, first = BEGINNING, 0, True
    for ends, lines in _record_ends(path, quotes=corpus.read.quotes):
        done = 0
        while True:
            wanted = rows + (headers if first else 0) - seen
            if len(ends) - done < wanted:
                seen += len(ends) - done
                break
            at = done + wanted - 1
            end = int(ends[at])
            yield start, end, rows
            start = Place(start.row + rows + (headers if first else 0), int(lines[at]) + 1, end)
            done, seen, first = at + 1, 0, False
    left = seen - (headers if first else 0)
    if left > 0 or first:
        yield start, None, max(left, 0)


def _record_ends(path: str, *, quotes: bool) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yields block by block the bytes behind records, and the physical lines up to there; blank lines end none."""
    offset = lines = quoted = 0
    before = np.zeros(0, np.uint8)
    last = 0
    with open_binary(path) as stream:
        if stream.peek(BOM_SIZE).startswith(codecs.BOM_UTF8):
            offset = last = len(stream.read(BOM_SIZE))
        while block := stream.read(_BLOCK):
            data = np.frombuffer(block, np.uint8)
            at = np.flatnonzero(data == _LF)
            counted = lines + 1 + np.arange(len(at))
            lines += len(at)
            outside = np.ones(len(at), np.bool_)
            if quotes:
                marks = np.flatnonzero(data == _QUOTE)
                outside = (quoted + np.searchsorted(marks, at)) % 2 == 0
                quoted += len(marks)
            ends = at[outside] + 1 + offset
            counted = counted[outside]
            lengths = np.diff(ends, prepend=last)
            padded = np.concatenate([before[-1:], data])
            shift = len(padded) - len(data)
            previous = padded[np.maximum(at[outside] - 1 + shift, 0)]
            blank = (lengths == 1) | ((lengths == 2) & (previous == _CR))
            last = int(ends[-1]) if len(ends) else last
            offset += len(block)
            before = data
            yield ends[~blank], counted[~blank]
    if offset > last:
        # A last line without its end; it counts where it is a record, which whoever reads it sees.
        yield np.array([offset], np.int64), np.array([lines + 1], np.int64)
