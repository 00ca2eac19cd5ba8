"""Records of a Parquet file."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from agnews.components.corpus_files.check_record import RecordChecker, as_label
from agnews.components.corpus_files.record import Record, Reject
from agnews.schemas.errors import AgnewsError

_ROWS = 4096
_BUFFER = 1 << 20
PARQUET_ERRORS = (pa.ArrowException, OSError, ValueError, LookupError, ArithmeticError, TypeError, MemoryError)
"""What pyarrow raises for files that nobody has written whole: names that are no UTF-8, sizes that cannot be."""


def first_line(error: BaseException) -> str:
    """Returns what an error says, without the lines that name places in a library."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def damaged_parquet(path: str, error: BaseException, row: int) -> AgnewsError:
    """Makes the error of a file that cannot be read.

    Args:
        path: What the file is called in messages.
        error: One of `PARQUET_ERRORS`.
        row: The last row that was read.
    """
    return AgnewsError(
        f"{path} is no Parquet file, or it is damaged.",
        found=f"{first_line(error)}, behind row {row:,}",
        fix="Write or download it again, or say what it is with read.format.",
    )


def read_parquet_records(stream: io.BufferedReader, path: str, check: RecordChecker) -> Iterator[Record | Reject]:
    """Reads a Parquet file, no more than a few pages of it in memory. A text that is null counts as an empty one.

    Args:
        stream: Bytes of the file, which can be sought in. It is closed at the end.
        path: What the file is called in messages.
        check: Decides about rows.

    Yields:
        Records and rejects; their line is 0.

    Raises:
        AgnewsError: A column is missing or holds no texts, or the file is none or damaged.
    """
    label_name, *names = check.columns
    texts = names[:-1] if check.part_column is not None else names
    row = 0
    with stream:
        try:
            file = pq.ParquetFile(stream, buffer_size=_BUFFER, pre_buffer=False)
            _require(file.schema_arrow, check.columns, texts, path)
            for batch in file.iter_batches(_ROWS, columns=list(dict.fromkeys(check.columns)), use_threads=False):
                labels = [as_label(value) for value in batch.column(label_name).to_pylist()]
                columns = [_texts(batch.column(name)) for name in texts]
                parts = batch.column(check.part_column).to_pylist() if check.part_column is not None else None
                for i, (label, *values) in enumerate(zip(labels, *columns, strict=True)):
                    row += 1
                    if parts is None or not check.skips(as_label(parts[i]) or ""):
                        record = check(row, 0, label, values, "")
                        yield record if isinstance(record, Record) else check(row, 0, label, values, " ".join(values))
        except PARQUET_ERRORS as error:
            raise damaged_parquet(path, error, row) from error


def _require(schema: pa.Schema, wanted: tuple[str, ...], texts: list[str], path: str) -> None:
    for name in wanted:
        if schema.names.count(name) != 1:
            raise AgnewsError(
                f"{path} has {'more than one' if name in schema.names else 'no'} column {name!r}.",
                found=f"columns {', '.join(map(repr, schema.names[:40]))}",
                fix="Name a column that is there in the description (label, texts).",
            )
    for name in texts:
        kind = schema.field(name).type
        value = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not any(part in str(value) for part in ("string", "binary", "null")):
            raise AgnewsError(
                f"The column {name!r} of {path} holds no texts.",
                found=f"type {kind}",
                fix="Name a column of strings under texts in the description.",
            )


def _texts(column: pa.Array) -> list[str]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    # As bytes, since nobody promises that a Parquet file holds UTF-8 where it says so.
    return [
        "" if value is None else value.decode("utf-8", "surrogateescape")
        for value in column.cast(pa.large_binary()).to_pylist()
    ]
