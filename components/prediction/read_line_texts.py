"""Texts that stand one a line, as they are or in a JSON object."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

from agnews.components.corpus_files.parse_json import kind_of_json, parse_json
from agnews.components.corpus_files.read_csv_rows import (
    BEGINNING,
    LONGEST_LINE,
    Place,
    physical_lines,
    skip_byte_order_mark,
)
from agnews.components.corpus_files.record import Reason, Reject, UnusableText, join_texts
from agnews.components.prediction.choose_columns import choose_columns, find_column
from agnews.components.prediction.text_input import TextInput, TextRow
from agnews.schemas.features import TEXT


def read_line_texts(
    stream: io.BufferedReader, source: TextInput, *, start: Place = BEGINNING, end: int | None = None
) -> Iterator[TextRow | Reject]:
    """Reads plain text, one text a line.

    Args:
        stream: Bytes of the file, standing where `start` says. It is closed at the end.
        source: Its limits.
        start: The line to begin with.
        end: No line is begun at this byte or behind it.

    Yields:
        Texts and rejects; blank lines are passed over.
    """
    max_bytes = source.corpus.limits.max_field_bytes

    def parse(row: int, raw: bytes) -> tuple[str, bytes]:
        text = raw.decode("utf-8", "surrogateescape").rstrip("\r\n")
        return str(row), join_texts([text], [TEXT], max_bytes)[1]

    return _read(stream, source, start, end, parse)


def read_json_texts(
    stream: io.BufferedReader, source: TextInput, *, start: Place = BEGINNING, end: int | None = None
) -> Iterator[TextRow | Reject]:
    """Reads JSON Lines, an object a line. A text that is `null` counts as an empty one.

    Args:
        stream: Bytes of the file, standing where `start` says. It is closed at the end.
        source: Its keys and limits. Where it names no text columns, those of the first object that can be read are
            taken.
        start: The line to begin with; behind the beginning, the input has to name the keys.
        end: No line is begun at this byte or behind it.

    Yields:
        Texts and rejects; blank lines are passed over.

    Raises:
        AgnewsError: The first object does not have the keys.
    """
    return _read(stream, source, start, end, _JsonParser(source, resolved=start != BEGINNING))


class _JsonParser:
    """Takes the text out of an object."""

    def __init__(self, source: TextInput, *, resolved: bool) -> None:
        self._source = source
        self._keys = tuple(source.text_columns) if resolved else ()
        self._id = source.id_column

    def __call__(self, row: int, raw: bytes) -> tuple[str, bytes]:
        value = parse_json(raw)
        if not isinstance(value, dict):
            raise UnusableText(Reason.JSON, f"{kind_of_json(value)}, where there must be an object")
        keys = self._keys or self._settle(value)
        texts = [self._text(value, key) for key in keys]
        own_id = self._own_id(value, raw) if self._id else str(row)
        return own_id, join_texts(texts, keys, self._source.corpus.limits.max_field_bytes)[1]

    def _settle(self, value: dict[str, Any]) -> tuple[str, ...]:
        names, path = list(value), self._source.path
        self._keys = choose_columns(names, self._source.text_columns, self._source.corpus, path)
        if self._id:
            self._id = find_column(names, self._id, path)
        return self._keys

    def _text(self, value: dict[str, Any], key: str) -> str:
        if key not in value:
            raise UnusableText(Reason.COLUMNS, f"no key {key!r}")
        text = value[key]
        if text is None:
            return ""
        if not isinstance(text, str):
            raise UnusableText(Reason.TYPE, f"{key} is {kind_of_json(text)}, where there must be a string")
        return text

    def _own_id(self, value: dict[str, Any], raw: bytes) -> str:
        if self._id not in value:
            raise UnusableText(Reason.COLUMNS, f"no key {self._id!r}")
        found = value[self._id]
        if isinstance(found, str):
            return found
        return "" if found is None else _as_written(raw, self._id)


def _as_written(raw: bytes, key: str) -> str:
    """Returns the text of a value of an object: 1.10 is not 1.1, and two large numbers are not one float.

    Args:
        raw: The object, UTF-8, which can be parsed.
        key: A key that it has.
    """
    text = raw.decode("utf-8", "surrogateescape")
    decoder = json.JSONDecoder(parse_int=len, parse_float=len)
    found = ""
    at = _skip_blanks(text, text.index("{") + 1)
    while text[at] != "}":
        name, at = decoder.raw_decode(text, at)
        begin = _skip_blanks(text, text.index(":", at) + 1)
        _, end = decoder.raw_decode(text, begin)
        if name == key:  # The last one counts, as it does for every parser used here.
            found = text[begin:end]
        at = _skip_blanks(text, end)
        if text[at] == ",":
            at = _skip_blanks(text, at + 1)
    return found


def _skip_blanks(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at


def _read(
    stream: io.BufferedReader,
    source: TextInput,
    start: Place,
    end: int | None,
    parse: Callable[[int, bytes], tuple[str, bytes]],
) -> Iterator[TextRow | Reject]:
    row, offset = start.row - 1, start.offset
    with stream:
        if not offset:
            offset = skip_byte_order_mark(stream)
        for raw, size in physical_lines(stream, LONGEST_LINE):
            if end is not None and offset >= end:
                return
            row += 1
            begin, offset = offset, offset + size
            if raw.isspace():
                continue
            try:
                if size > LONGEST_LINE:
                    raise UnusableText(Reason.OVERSIZE, f"a line of {size} bytes, allowed are {LONGEST_LINE}")
                own_id, text = parse(row, raw)
            except UnusableText as unusable:
                found = raw.decode("utf-8", "surrogateescape").rstrip("\r\n")
                yield Reject.of(row, row, unusable.reason, unusable.detail, found)
            else:
                yield TextRow(row, row, begin, own_id, text)
