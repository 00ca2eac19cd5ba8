"""Headerless CSV to records, with every bad row located and explained and no good row lost."""

from __future__ import annotations

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterator

from agnews.components.corpus_files.record import Reason, Record, Reject
from agnews.schemas.corpus import Corpus

_FOUND_LENGTH = 120


def read_records(stream: io.BufferedReader, corpus: Corpus) -> Iterator[Record | Reject]:
    """Parses a corpus file.

    The parser is Python's `csv` in strict mode: commas, doubled quotes and line ends may stand inside quotes, lines
    may end in LF or CR LF, a byte-order mark is skipped, blank lines are not records.

    A quote that never closes would swallow the good rows behind it. So when a record of several lines turns out to
    be broken, only its first line is rejected and reading begins anew on the second.

    Args:
        stream: Bytes of the file, from its beginning. It is closed at the end.
        corpus: Columns, classes and limits.

    Yields:
        Records and rejects in the order of the file, as many as it has records.
    """
    check = _Checker(corpus)
    with _Lines(stream, longest=2 * len(corpus.columns) * corpus.max_field_bytes) as lines:
        row, line = 0, 1
        rows = csv.reader(iter(lines), strict=True)
        while True:
            lines.current.clear()
            try:
                fields = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                row += 1
                yield _broken(row, line, str(error), lines)
                # The parser has dropped what it held; what it swallowed beyond the first line is read again.
                lines.again.extendleft(reversed(lines.current[1:]))
                line += 1
                rows = csv.reader(iter(lines), strict=True)
                continue
            if fields:
                row += 1
                result = check(row, line, fields)
                if lines.at_ragged_end() and (len(fields) < len(corpus.columns) or not fields[-1]):
                    result = _cut_off(row, line, lines)
                yield result
            line += len(lines.current)


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
            return _reject(row, line, Reason.COLUMNS, detail, ",".join(fields))
        label = self._classes.get(fields[self._label])
        if label is None:
            return self._unknown_class(row, line, fields)
        text = " ".join([fields[i] for i in self._texts])
        try:
            encoded = text.encode()
        except UnicodeEncodeError as error:
            byte = ord(text[error.start]) & 0xFF
            detail = f"byte 0x{byte:02x} at character {error.start + 1} of the text is not UTF-8"
            return _reject(row, line, Reason.ENCODING, detail, text)
        if b"\0" in encoded:
            detail = f"NUL byte at character {text.index(chr(0)) + 1} of the text"
            return _reject(row, line, Reason.NUL, detail, text)
        if len(encoded) > self._corpus.max_field_bytes:
            # The sum is within the limit for nearly every row, so single columns are looked at only now.
            for i in self._texts:
                size = len(fields[i].encode())
                if size > self._corpus.max_field_bytes:
                    detail = f"{self._corpus.columns[i]} has {size} bytes, allowed are {self._corpus.max_field_bytes}"
                    return _reject(row, line, Reason.OVERSIZE, detail, text)
        if not text or text.isspace():
            detail = f"{' and '.join(self._corpus.text_columns)} are blank"
            return _reject(row, line, Reason.EMPTY, detail, ",".join(fields))
        return Record(row, line, label, text, encoded)

    def _unknown_class(self, row: int, line: int, fields: list[str]) -> Reject:
        value = fields[self._label]
        detail = f"{self._corpus.label_column} is {_shorten(value, 40)!r}, allowed are {self._allowed}"
        if row == 1 and not value.strip().lstrip("+-").isdecimal():
            detail += "; this looks like a header, and the format has none"
        return _reject(row, line, Reason.CLASS, detail, ",".join(fields))


class _Lines:
    """Physical lines of a stream, with those of the record being read at hand.

    Attributes:
        current: Lines taken since it was last cleared.
        again: Lines to hand out before the stream goes on.
    """

    def __init__(self, stream: io.BufferedReader, longest: int) -> None:
        # utf-8-sig would drop a byte-order mark too, but decodes at a fraction of the speed.
        if stream.peek(len(codecs.BOM_UTF8)).startswith(codecs.BOM_UTF8):
            stream.read(len(codecs.BOM_UTF8))
        self._text = io.TextIOWrapper(stream, "utf-8", errors="surrogateescape", newline="\n")
        self._longest = longest
        self.current: list[str] = []
        self.again: deque[str] = deque()

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        self._text.close()

    def __iter__(self) -> Iterator[str]:
        readline, longest = self._text.readline, self._longest
        while line := self.again.popleft() if self.again else readline(longest):
            if len(line) == longest and line[-1] != "\n":
                while (rest := readline(longest)) and rest[-1] != "\n":
                    pass
                line += "\n"
            self.current.append(line)
            if len(line) > longest:
                raise csv.Error(f"a line of more than {longest} characters")
            yield line

    def at_ragged_end(self) -> bool:
        """Whether the last line taken is the last one of the stream and has no line end."""
        return bool(self.current) and not self.again and not self.current[-1].endswith("\n")


def _broken(row: int, line: int, error: str, lines: _Lines) -> Reject:
    first = lines.current[0]
    alone = len(lines.current) == 1
    if error == "unexpected end of data" and alone:
        return _cut_off(row, line, lines)
    if "field limit" in error or error.startswith("a line of more"):
        detail = f"{error}; is a quote never closed?" if not alone else error
        return _reject(row, line, Reason.OVERSIZE, detail, first)
    if not alone:
        detail = "a quote opens in this line and is not closed where the next record begins"
    elif "expected after" in error:
        detail = "a column goes on behind its closing quote; quotes inside quotes must be doubled"
    else:
        detail = error
    return _reject(row, line, Reason.QUOTING, detail, first)


def _cut_off(row: int, line: int, lines: _Lines) -> Reject:
    return _reject(row, line, Reason.CUT_OFF, "the file ends inside this record", lines.current[0])


def _reject(row: int, line: int, reason: Reason, detail: str, found: str) -> Reject:
    return Reject(row, line, reason, detail, _shorten(found, _FOUND_LENGTH))


def _shorten(value: str, length: int) -> str:
    """Makes a piece of unknown data safe to print: one short line, with bytes and control characters escaped."""
    cut = value if len(value) <= length else value[: length - 1] + "…"
    raw = cut.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in raw)
