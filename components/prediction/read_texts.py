"""Texts from a stream or file of any format that is understood, row by row, with every bad row explained."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from agnews.components.corpus_files.find_spans import is_blank
from agnews.components.corpus_files.open_corpus_file import Gunzipped
from agnews.components.corpus_files.read_csv_rows import BEGINNING, Place
from agnews.components.corpus_files.record import Reject, UnusableText, join_texts
from agnews.components.corpus_files.sources import require_text
from agnews.components.prediction.read_csv_texts import read_csv_texts
from agnews.components.prediction.read_line_texts import read_json_texts, read_line_texts
from agnews.components.prediction.read_parquet_texts import read_parquet_texts
from agnews.components.prediction.text_input import TextFormat, TextInput, TextRow, is_gzipped
from agnews.components.storage.open_binary import open_binary
from agnews.schemas.features import TEXT


def read_texts(
    stream: io.BufferedReader, source: TextInput, *, start: Place = BEGINNING, end: int | None = None
) -> Iterator[TextRow | Reject]:
    """Reads a file, or a part of one.

    Args:
        stream: Its bytes, from the beginning or, but for Parquet, from where `start` says. It is closed at the end.
        source: What is in it.
        start: The first row to read.
        end: No row is begun at this byte or behind it; of a Parquet file, it is the number of the first row that is
            not read. None reads to the end.

    Yields:
        Texts and rejects in the order of the file. Blank lines are no rows.

    Raises:
        AgnewsError: The columns are not there, or the file is plainly something else.
    """
    match source.format:
        case TextFormat.CSV:
            return read_csv_texts(stream, source, start=start, end=end)
        case TextFormat.PARQUET:
            return read_parquet_texts(stream, source, first=start.row, end=end)
        case TextFormat.JSONL:
            return read_json_texts(stream, source, start=start, end=end)
        case TextFormat.TEXT:
            return read_line_texts(stream, source, start=start, end=end)


_LOOKED_AT = 1 << 16
_CHUNK = 1 << 18


def open_texts(source: TextInput) -> io.BufferedReader:
    """Opens a file of texts and makes sure that it is of the kind that it should be.

    Args:
        source: The file.

    Returns:
        Its bytes from the beginning, decompressed if its name ends in `.gz`.

    Raises:
        AgnewsError: There is no such file, it cannot be opened, or it is plainly something else. While a compressed
            file is read, the same where it is damaged or cut off.
    """
    stream = open_binary(source.path)
    if source.format is TextFormat.PARQUET:
        return stream
    if is_gzipped(source.path):
        stream = io.BufferedReader(Gunzipped(stream, source.path), _CHUNK)
    head = stream.peek(_LOOKED_AT)[:_LOOKED_AT]
    if not is_blank(head):  # An empty file is one without rows.
        require_text(source.path, head, "lines of text" if source.format is TextFormat.TEXT else source.format.upper())
    return stream


def read_argument_texts(texts: Sequence[str], source: TextInput) -> Iterator[TextRow | Reject]:
    """Checks texts as those of a file are checked.

    Args:
        texts: The texts; bytes that are no UTF-8 stand in them as surrogates.
        source: Its limits.

    Yields:
        Texts and rejects, numbered from 1.
    """
    for row, text in enumerate(texts, 1):
        try:
            _, encoded = join_texts([text], [TEXT], source.corpus.limits.max_field_bytes)
        except UnusableText as unusable:
            yield Reject.of(row, 0, unusable.reason, unusable.detail, text)
        else:
            yield TextRow(row, 0, 0, str(row), encoded)
