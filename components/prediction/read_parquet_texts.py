"""Texts from Parquet files."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from agnews.components.corpus_files.read_parquet_records import PARQUET_ERRORS, first_line
from agnews.components.corpus_files.record import Reject, UnusableText, join_texts
from agnews.components.prediction.choose_columns import choose_columns, find_column
from agnews.components.prediction.text_input import TextInput, TextRow
from agnews.schemas.errors import AgnewsError

_BATCH = 1024
_BUFFER = 1 << 20


def open_parquet(stream: io.BufferedReader, path: str) -> pq.ParquetFile:
    """Opens a Parquet file.

    Args:
        stream: Its bytes; anything that can be sought in.
        path: What the file is called in messages.

    Returns:
        The file, read a page at a time and not a row group at once.

    Raises:
        AgnewsError: It is none, or damaged.
    """
    try:
        return pq.ParquetFile(stream, buffer_size=_BUFFER, pre_buffer=False)
    except PARQUET_ERRORS as error:
        raise AgnewsError(
            f"{path} is no Parquet file, or it is cut off.",
            found=first_line(error),
            fix="Write or download it again, or say what it is with --input-format.",
        ) from error


def read_parquet_texts(
    stream: io.BufferedReader, source: TextInput, *, first: int = 1, end: int | None = None
) -> Iterator[TextRow | Reject]:
    """Reads a Parquet file, no more than a few pages of it in memory. A text that is null counts as an empty one.

    Args:
        stream: Bytes of the file. It is closed at the end.
        source: Its columns and limits.
        first: 1-based number of the first row to read.
        end: 1-based number of the first row that is not read; None reads to the end.

    Yields:
        Texts and rejects.

    Raises:
        AgnewsError: A column is missing or holds no texts, or the file is damaged.
    """
    with stream:
        file = open_parquet(stream, source.path)
        names = file.schema_arrow.names
        texts = choose_columns(names, source.text_columns, source.corpus, source.path)
        for name in texts:
            _require_strings(file.schema_arrow, name, source.path)
        ids = find_column(names, source.id_column, source.path) if source.id_column else ""
        end = file.metadata.num_rows + 1 if end is None else end
        row = first
        try:
            for batch in _batches(file, [*texts, *([ids] if ids and ids not in texts else [])], first, end):
                columns = [_values(batch.column(name)) for name in texts]
                own_ids = _ids(batch.column(ids)) if ids else map(str, range(row, row + len(batch)))
                for own_id, *values in zip(own_ids, *columns, strict=True):
                    yield _row(row, own_id, values, texts, source)
                    row += 1
        except PARQUET_ERRORS as error:
            raise AgnewsError(
                f"{source.path} is damaged.",
                found=f"{first_line(error)}, at row {row:,} or behind it",
                fix="Write or download it again.",
            ) from error


def _require_strings(schema: pa.Schema, name: str, path: str) -> None:
    kind = schema.field(name).type
    if not _is_text(kind):
        strings = [field.name for field in schema if _is_text(field.type) and not pa.types.is_null(field.type)]
        raise AgnewsError(
            f"The column {name!r} of {path} holds no texts.",
            found=f"type {kind}; columns of strings: {', '.join(strings) or 'none'}",
            fix="Name a column of strings with --text-columns.",
        )


_TEXT_TYPES = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    # Spark and Impala write strings as plain BINARY; their bytes are checked like those of any other file.
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
    # pandas and Polars have no other type for a column that is null in all rows.
    pa.types.is_null,
)


def _is_text(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(is_type(value) for is_type in _TEXT_TYPES)


def _batches(file: pq.ParquetFile, columns: Sequence[str], first: int, end: int) -> Iterator[pa.RecordBatch]:
    """Yields the wanted rows, decoding no row group that holds none of them."""
    begin = 1
    for group in range(file.num_row_groups):
        behind = begin + file.metadata.row_group(group).num_rows
        if begin < end and behind > first:
            row = begin
            for batch in file.iter_batches(_BATCH, row_groups=[group], columns=columns, use_threads=False):
                low, high = max(first - row, 0), min(end - row, len(batch))
                if low < high:
                    yield batch.slice(low, high - low)
                row += len(batch)
                if row >= end:
                    return
        begin = behind


def _values(column: pa.Array) -> list[str]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    # As bytes, since nobody promises that a Parquet file holds UTF-8 where it says so.
    return [
        "" if value is None else value.decode("utf-8", "surrogateescape")
        for value in column.cast(pa.large_binary()).to_pylist()
    ]


def _ids(column: pa.Array) -> list[str]:
    """Writes ids so that different ones stay different, and as the same rows in JSON would have them."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    write: Callable[[Any], str] = str
    if _is_text(column.type):
        column, write = column.cast(pa.large_binary()), _text_or_digits
    elif pa.types.is_temporal(column.type) or pa.types.is_boolean(column.type):
        # Python has no type for nanoseconds.
        column = column.cast(pa.string())
    elif pa.types.is_float32(column.type) or pa.types.is_float16(column.type):
        # Digits of a double beyond those of the number are nobody's.
        write = lambda value: str(column.type.to_pandas_dtype()(value))  # noqa: E731
    elif pa.types.is_nested(column.type):
        write = partial(json.dumps, ensure_ascii=False, default=str)
    return ["" if value is None else write(value) for value in column.to_pylist()]


def _text_or_digits(value: bytes) -> str:
    """A UUID, say, is sixteen bytes and no text."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()


def _row(row: int, own_id: str, values: list[str], names: Sequence[str], source: TextInput) -> TextRow | Reject:
    try:
        _, encoded = join_texts(values, names, source.corpus.limits.max_field_bytes)
    except UnusableText as unusable:
        return Reject.of(row, 0, unusable.reason, unusable.detail, " ".join(values))
    return TextRow(row, 0, 0, own_id, encoded)
