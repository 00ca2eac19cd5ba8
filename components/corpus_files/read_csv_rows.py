"""CSV to fields, with every broken row located and explained and no good row lost."""

from __future__ import annotations

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterator
from typing import Literal, NamedTuple

from agnews.components.corpus_files.record import Reason, Reject

BOM_SIZE = len(codecs.BOM_UTF8)

LONGEST_LINE = 16 << 20
"""Bytes of a line, and characters of a field, that are read whatever is in them: no row is lost for a column nobody
asks for. It bounds memory alone; how long a text may be is checked where its column is known."""


def physical_lines(stream: io.BufferedReader, longest: int) -> Iterator[tuple[bytes, int]]:
    """Reads lines without ever holding much more than the longest that is of use.

    Args:
        stream: Where to read; it stays open.
        longest: Bytes of a line that are kept, its end included.

    Yields:
        The beginning of each line, with its LF if it fits, and how many bytes the whole line has in the stream.
    """
    readline = stream.readline
    while line := readline(longest):
        size = len(line)
        if size == longest and line[-1] != 10:
            while rest := readline(longest):
                size += len(rest)
                if rest[-1] == 10:
                    break
        yield line, size


def skip_byte_order_mark(stream: io.BufferedReader) -> int:
    """Moves a stream that stands at its beginning behind UTF-8's byte-order mark, if it has one.

    Args:
        stream: Where to read.

    Returns:
        How many bytes were skipped.
    """
    # utf-8-sig would drop it too, but decodes at a fraction of the speed.
    if not stream.peek(BOM_SIZE).startswith(codecs.BOM_UTF8):
        return 0
    return len(stream.read(BOM_SIZE))


class Place(NamedTuple):
    """Where reading begins.

    Attributes:
        row: 1-based number of the row.
        line: 1-based number of the physical line.
        offset: 0-based number of the byte.
    """

    row: int = 1
    line: int = 1
    offset: int = 0


BEGINNING = Place()
"""Of a file."""


class MisplacedEndError(ValueError):
    """The byte where reading was to end is within a row."""


class CsvRow(NamedTuple):
    """A row as it stands in the file.

    Attributes:
        row: 1-based number of the row in its file; blank lines are no rows.
        line: 1-based number of the physical line on which it begins.
        offset: 0-based number of the byte with which it begins.
        fields: The fields; bytes that are no UTF-8 stand in them as surrogates.
        ragged: Whether the file ends with this row and without a line end, so that something may be missing.
    """

    row: int
    line: int
    offset: int
    fields: list[str]
    ragged: bool


def read_csv_rows(
    stream: io.BufferedReader,
    *,
    longest: int = LONGEST_LINE,
    start: Place = BEGINNING,
    end: int | None = None,
    delimiter: str = ",",
    quotes: bool = True,
) -> Iterator[CsvRow | Reject]:
    """Parses CSV.

    The parser is Python's `csv` in strict mode: delimiters, doubled quotes and line ends may stand inside quotes, lines
    may end in LF or CR LF, a byte-order mark is skipped, blank lines are not rows.

    A quote that never closes would swallow the good rows behind it. So when a row of several lines turns out to
    be broken, only its first line is rejected and reading begins anew on the second.

    Args:
        stream: Bytes of the file, standing where `start` says. It is closed at the end.
        longest: Bytes of the longest line, and characters of the longest field, that are accepted.
        start: The row to begin with.
        end: No row is begun at this byte or behind it; None reads to the end of the file. Read in parts that meet at
            the beginnings of rows, a file gives the rows that it gives when read at once.
        delimiter: What stands between fields.
        quotes: Whether a field may stand in quotes; otherwise quotes are letters like others.

    Yields:
        Rows and rejects in the order of the file.

    Raises:
        MisplacedEndError: No row begins at `end`.
    """
    # The limit is the process's, not a reader's, and 131,072 characters unless somebody raises it.
    csv.field_size_limit(max(csv.field_size_limit(), longest))
    row, line, offset = start.row - 1, start.line, start.offset
    with stream:
        if not offset:
            offset = skip_byte_order_mark(stream)
        lines = _Lines(stream, longest)
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
        rows = csv.reader(iter(lines), strict=True, delimiter=delimiter, quoting=quoting)
        while end is None or offset < end:
            lines.current.clear()
            lines.sizes.clear()
            try:
                fields = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                row += 1
                yield _broken(row, line, str(error), lines)
                line += 1
                offset += lines.sizes[0]
                # The parser has dropped what it held; what it swallowed beyond the first line is read again.
                lines.again.extendleft(zip(lines.current[:0:-1], lines.sizes[:0:-1], strict=True))
                rows = csv.reader(iter(lines), strict=True, delimiter=delimiter, quoting=quoting)
                continue
            if fields:
                row += 1
                yield CsvRow(row, line, offset, fields, lines.at_ragged_end())
            line += len(lines.current)
            offset += sum(lines.sizes)
        if end is not None and offset > end:
            raise MisplacedEndError(f"byte {end} is within the row before byte {offset}")


class _Lines:
    """Physical lines of a stream, with those of the row being read at hand.

    Attributes:
        current: Lines taken since it was last cleared.
        sizes: Their bytes in the stream.
        again: Lines to hand out before the stream goes on, with their bytes.
    """

    def __init__(self, stream: io.BufferedReader, longest: int) -> None:
        self._physical = physical_lines(stream, longest)
        self._longest = longest
        self.current: list[str] = []
        self.sizes: list[int] = []
        self.again: deque[tuple[str, int]] = deque()

    def __iter__(self) -> Iterator[str]:
        longest = self._longest
        while True:
            if self.again:
                line, size = self.again.popleft()
            else:
                raw, size = next(self._physical, (b"", 0))
                if not raw:
                    return
                line = raw.decode("utf-8", "surrogateescape")
            self.current.append(line)
            self.sizes.append(size)
            if size > longest:
                raise csv.Error(f"a line of more than {longest} bytes")
            yield line

    def at_ragged_end(self) -> bool:
        """Whether the last line taken is the last one of the stream and has no line end."""
        return not self.current[-1].endswith("\n") and not self.again


def _broken(row: int, line: int, error: str, lines: _Lines) -> Reject:
    first = lines.current[0]
    alone = len(lines.current) == 1
    if error == "unexpected end of data" and alone:
        return cut_off(row, line, first)
    if "field limit" in error or error.startswith("a line of more"):
        detail = f"{error}; is a quote never closed?" if not alone else error
        return Reject.of(row, line, Reason.OVERSIZE, detail, first)
    if not alone:
        detail = "a quote opens in this line and is not closed where the next record begins"
    elif "expected after" in error:
        detail = "a column goes on behind its closing quote; quotes inside quotes must be doubled"
    else:
        detail = error
    return Reject.of(row, line, Reason.QUOTING, detail, first)


def cut_off(row: int, line: int, found: str) -> Reject:
    """Returns the reject for a row within which the file ends."""
    return Reject.of(row, line, Reason.CUT_OFF, "the file ends inside this record", found)
