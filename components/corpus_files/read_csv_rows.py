"""CSV to fields, with every broken row located and explained and no good row lost."""

from __future__ import annotations

import codecs
import csv
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import accumulate, islice
from typing import Any, Literal, NamedTuple

from agnews.components.corpus_files.record import Reason, Reject

BOM_SIZE = len(codecs.BOM_UTF8)

LONGEST_LINE = 16 << 20
"""Bytes of a line, and characters of a field, that are read whatever is in them: no row is lost for a column nobody
asks for. It bounds memory alone; how long a text may be is checked where its column is known."""

_BLOCK = 1 << 18
_UNFINISHED = "unexpected end of data"
"""What `csv` says where the lines end within quotes."""


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


class CsvLot(NamedTuple):
    """Rows that follow each other, none of them broken or at a ragged end.

    Attributes:
        row: 1-based number of the first row.
        lines: For each row the 1-based number of the physical line on which it begins.
        fields: The fields of each row; bytes that are no UTF-8 stand in them as surrogates.
    """

    row: int
    lines: Sequence[int]
    fields: list[list[str]]


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
    parse = _parser(delimiter, quotes=quotes)
    for found in _read(stream, parse, longest=longest, start=start, end=end, single=None):
        assert not isinstance(found, CsvLot)  # noqa: S101 - for the type checker
        yield found


def read_csv_lots(
    stream: io.BufferedReader,
    *,
    start: Place = BEGINNING,
    end: int | None = None,
    delimiter: str = ",",
    quotes: bool = True,
    single: int = 0,
) -> Iterator[CsvLot | CsvRow | Reject]:
    """Parses CSV as `read_csv_rows` does, in lots wherever rows are whole: a look at each costs more than parsing it.

    Args:
        stream: Bytes of the file, standing where `start` says. It is closed at the end.
        start: The row to begin with.
        end: No row is begun at this byte or behind it; None reads to the end of the file.
        delimiter: What stands between fields.
        quotes: Whether a field may stand in quotes.
        single: Rows up to this number come by themselves.

    Yields:
        Lots, rows and rejects in the order of the file.

    Raises:
        MisplacedEndError: No row begins at `end`.
    """
    parse = _parser(delimiter, quotes=quotes)
    yield from _read(stream, parse, longest=LONGEST_LINE, start=start, end=end, single=single)


_Parser = Callable[[Iterable[str]], Any]


def _parser(delimiter: str, *, quotes: bool) -> _Parser:
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    return partial(csv.reader, strict=True, delimiter=delimiter, quoting=quoting)


def _read(
    stream: io.BufferedReader, parse: _Parser, *, longest: int, start: Place, end: int | None, single: int | None
) -> Iterator[CsvLot | CsvRow | Reject]:
    # The limit is the process's, not a reader's, and 131,072 characters unless somebody raises it.
    csv.field_size_limit(max(csv.field_size_limit(), longest))
    row, line, offset = start.row - 1, start.line, start.offset
    with stream:
        if not offset:
            offset = skip_byte_order_mark(stream)
        lines = _Lines(stream, longest)
        rows = parse(iter(lines))
        while end is None or offset < end:
            if single is not None and row >= single and not lines.again:
                fields_of, begins, num_lines, num_bytes = lines.take_lot(parse, line, end and end - offset)
                if num_lines:
                    if fields_of:
                        yield CsvLot(row + 1, begins, fields_of)
                    row, line, offset = row + len(fields_of), line + num_lines, offset + num_bytes
                    continue
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
                rows = parse(iter(lines))
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
        self._stream = stream
        self._physical = physical_lines(stream, longest)
        self._longest = longest
        self._begun = b""
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

    def take_lot(
        self, parse: _Parser, line: int, at_most: int | None
    ) -> tuple[list[list[str]], Sequence[int], int, int]:
        """Takes whole rows from the stream, as long as there is nothing to say about any of them.

        Where a row does, or may, its lines and those behind it come `again`.

        Args:
            parse: From lines to fields.
            line: Number of the next line.
            at_most: Bytes up to where no row is begun any more.

        Returns:
            The fields of the rows, the lines where they begin, and how many lines and bytes they are.
        """
        block, last = self._take_block(at_most)
        found = parse(io.StringIO(block.decode("utf-8", "surrogateescape"), newline="\n"))
        fields: list[list[str]] = []
        rest, unfinished = b"", False
        try:
            fields.extend(found)
            num_lines = found.line_num
        except csv.Error as error:
            # What came before is in the list.
            num_lines = sum(map(_num_lines, fields))
            stream = io.BytesIO(block)
            block, rest = b"".join(islice(stream, num_lines)), stream.read()
            unfinished = str(error) == _UNFINISHED
        if unfinished and num_lines and last is None:
            self._begun = rest
        else:
            self.again.extend((each.decode("utf-8", "surrogateescape"), len(each)) for each in io.BytesIO(rest))
            if last is not None:
                self.again.append(last)
        if num_lines == len(fields) and all(fields):
            return fields, range(line, line + num_lines), num_lines, len(block)
        begins = accumulate(map(_num_lines, fields), initial=line)
        rows = [(each, begin) for each, begin in zip(fields, begins, strict=False) if each]
        return [each for each, _ in rows], [begin for _, begin in rows], num_lines, len(block)

    def _take_block(self, at_most: int | None) -> tuple[bytes, tuple[str, int] | None]:
        """Takes lines that are whole, and a last one where it is not: too long, or without a line end."""
        begun, self._begun = self._begun, b""
        size = _BLOCK if at_most is None else max(0, min(_BLOCK, at_most - len(begun)))
        block = begun + self._stream.read(size)
        end = block.rfind(b"\n") + 1
        if end == len(block):
            return block, None
        more, size = next(self._physical, (b"", 0))
        size += len(block) - end
        if size <= self._longest and more.endswith(b"\n"):
            return block + more, None
        return block[:end], ((block[end:] + more)[: self._longest].decode("utf-8", "surrogateescape"), size)

    def at_ragged_end(self) -> bool:
        """Whether the last line taken is the last one of the stream and has no line end."""
        return not self.current[-1].endswith("\n") and not self.again


def _num_lines(fields: list[str]) -> int:
    """A line end that a field holds is one of its quotes, and a blank line has no field."""
    return 1 + sum(field.count("\n") for field in fields)


def _broken(row: int, line: int, error: str, lines: _Lines) -> Reject:
    first = lines.current[0]
    alone = len(lines.current) == 1
    if error == _UNFINISHED and alone:
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
