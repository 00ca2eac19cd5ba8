"""Texts from a stream or file of any format that is understood, row by row, with every bad row explained."""

from __future__ import annotations

import io
from collections.abc import Iterator

from agnews.components.corpus_files.place import BEGINNING, Place
from agnews.components.corpus_files.record import Reject
from agnews.components.prediction.read_csv_texts import read_csv_texts
from agnews.components.prediction.read_line_texts import read_json_texts, read_line_texts
from agnews.components.prediction.read_parquet_texts import read_parquet_texts
from agnews.components.prediction.text_format import TextFormat
from agnews.components.prediction.text_input import TextInput
from agnews.components.prediction.text_row import TextRow


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
