"""The columns of a file, found out once for all its parts."""

from __future__ import annotations

from dataclasses import replace

from agnews.components.corpus_files.parse_json import parse_json
from agnews.components.corpus_files.read_csv_rows import LONGEST_LINE, physical_lines, skip_byte_order_mark
from agnews.components.corpus_files.record import UnusableText
from agnews.components.prediction.choose_columns import choose_columns, find_column
from agnews.components.prediction.read_csv_texts import read_csv_header
from agnews.components.prediction.read_parquet_texts import open_parquet
from agnews.components.prediction.read_texts import open_texts
from agnews.components.prediction.text_input import TextFormat, TextInput


def resolve_columns(source: TextInput) -> tuple[TextInput, bool]:
    """Reads as much of a file as tells its columns.

    Args:
        source: The file, and what the user said about its columns.

    Returns:
        The same with all columns named as the file spells them, so that a part of it can be read without its
        beginning; and whether its first row is a header. A file without rows is returned as it is.

    Raises:
        AgnewsError: A column is missing, or the file cannot be read.
    """
    names, has_header = _names(source)
    if not names:
        return source, False
    resolved = replace(
        source,
        text_columns=choose_columns(names, source.text_columns, source.corpus, source.path),
        id_column=find_column(names, source.id_column, source.path) if source.id_column else "",
        header=names if source.format is TextFormat.CSV else (),
    )
    return resolved, has_header


def _names(source: TextInput) -> tuple[tuple[str, ...], bool]:
    stream = open_texts(source)
    match source.format:
        case TextFormat.CSV:
            return read_csv_header(stream, source)
        case TextFormat.PARQUET:
            with stream:
                return tuple(open_parquet(stream, source.path).schema_arrow.names), False
        case TextFormat.JSONL:
            with stream:
                skip_byte_order_mark(stream)
                for raw, _ in physical_lines(stream, LONGEST_LINE):
                    try:
                        value = parse_json(raw)
                    except UnusableText:
                        continue
                    if isinstance(value, dict):
                        return tuple(value), False
            return (), False
        case TextFormat.TEXT:
            stream.close()
            return (), False
