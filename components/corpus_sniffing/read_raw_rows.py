"""Rows of a file of which nobody knows yet which columns count."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agnews.components.corpus_files.check_record import as_label
from agnews.components.corpus_files.open_corpus_file import open_corpus_file
from agnews.components.corpus_files.parse_json import parse_json
from agnews.components.corpus_files.read_csv_rows import CsvRow, physical_lines, read_csv_rows, skip_byte_order_mark
from agnews.components.corpus_files.read_records import folder_files
from agnews.components.corpus_files.record import UnusableText
from agnews.components.corpus_sniffing.sniff_file import SniffedFile
from agnews.schemas.corpus import Corpus, Files

_LONGEST = 16 << 20
_SHOWN_TEXT = 1 << 20


def read_raw_rows(path: Path, sniffed: SniffedFile) -> Iterator[dict[str, str]]:
    """Reads a file; rows that are broken are passed over, `agnews corpus check` lists them.

    Args:
        path: The file, or a folder with a folder for each class.
        sniffed: How it is read.

    Yields:
        Values by column; what is no text is written as a class would be.

    Raises:
        AgnewsError: The file is damaged.
    """
    return (row for row in _rows(path, sniffed) if _is_unicode(row))


def _is_unicode(row: dict[str, str]) -> bool:
    """Whether all of it can be written: bytes that are no text, and halves of characters, cannot."""
    try:
        "".join((*row, *row.values())).encode()
    except UnicodeEncodeError:
        return False
    return True


def _rows(path: Path, sniffed: SniffedFile) -> Iterator[dict[str, str]]:
    corpus = Corpus.model_construct(
        format=1, name="sniffed", classes=(), files=Files(train=path.name), read=sniffed.reading
    )
    match corpus.form:
        case "folders":
            return _folders(path, corpus)
        case "parquet":
            return _parquet(path)
        case "jsonl":
            return _objects(path, corpus)
        case _:
            return _table(path, corpus, sniffed.columns)


def _folders(path: Path, corpus: Corpus) -> Iterator[dict[str, str]]:
    for name in folder_files(str(path)):
        with open_corpus_file(f"{path}/{name}", corpus) as stream:
            text = stream.read(_SHOWN_TEXT).decode("utf-8", "replace")
        yield {"label": name.rpartition("/")[0], "text": text}


def _parquet(path: Path) -> Iterator[dict[str, str]]:
    import pyarrow.parquet as pq

    from agnews.components.corpus_files.read_parquet_records import PARQUET_ERRORS, damaged_parquet

    rows = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(4096):
                for row in batch.to_pylist():
                    yield {name: as_label(value) or "" for name, value in row.items()}
                rows += len(batch)
    except PARQUET_ERRORS as error:
        raise damaged_parquet(str(path), error, rows) from error


def _objects(path: Path, corpus: Corpus) -> Iterator[dict[str, str]]:
    with open_corpus_file(str(path), corpus) as stream:
        skip_byte_order_mark(stream)
        for line, _ in physical_lines(stream, _LONGEST):
            try:
                value = parse_json(line) if line.strip() else None
            except UnusableText:
                continue
            if isinstance(value, dict):
                yield {name: as_label(each) or "" for name, each in value.items()}


def _table(path: Path, corpus: Corpus, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    rows = read_csv_rows(open_corpus_file(str(path), corpus), delimiter=corpus.delimiter, quotes=corpus.read.quotes)
    if corpus.read.header:
        next(rows, None)
    for row in rows:
        if isinstance(row, CsvRow) and len(row.fields) == len(columns):
            yield dict(zip(columns, row.fields, strict=True))
