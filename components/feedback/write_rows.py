"""Writes labelled texts as a corpus file describes them, so that what reads the corpus reads them too."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from agnews.components.storage.files_at import files_at
from agnews.schemas.corpus import Corpus
from agnews.schemas.errors import AgnewsError

Row = tuple[str, str]
"""A text and the name of its class."""


def write_rows(path: str, rows: Sequence[Row], corpus: Corpus) -> None:
    """Writes a file of labelled texts, or a folder with a folder for each class.

    Of several text columns the first one holds the text, and the others nothing.

    Args:
        path: What is written, whole or not at all; a folder is first removed.
        rows: The rows.
        corpus: The form.

    Raises:
        AgnewsError: A text cannot be written in the encoding of the corpus.
        OSError: The file cannot be written.
    """
    values = {each.name: each.value for each in corpus.classes}
    labelled = [(_without_nul(text), values[name]) for text, name in rows]
    if corpus.form == "folders":
        files = files_at(path)
        files.remove(path)
        for text, value in labelled:
            name = hashlib.sha256(text.encode()).hexdigest()[:20]
            files.write_private(f"{path}/{value}/{name}.txt", [_encode(text, corpus)])
        return
    content = _parquet(labelled, corpus) if corpus.form == "parquet" else _encode(_lines(labelled, corpus), corpus)
    if path.lower().endswith(".gz"):
        content = gzip.compress(content, mtime=0)
    files_at(path).write_private(path, [content])


def _without_nul(text: str) -> str:
    return text.replace("\0", " ").encode(errors="replace").decode()


def _columns(text: str, value: str, corpus: Corpus) -> dict[str, str]:
    first, *others = corpus.texts
    return {corpus.label_column: value, first: text, **dict.fromkeys(others, "")}


def _lines(rows: Sequence[Row], corpus: Corpus) -> str:
    if corpus.form == "jsonl":
        return "".join(json.dumps(_columns(*row, corpus), ensure_ascii=False) + "\n" for row in rows)
    names = list(corpus.columns) or [corpus.label_column, *corpus.texts]
    sink = io.StringIO()
    if corpus.read.quotes:
        writer = csv.DictWriter(sink, names, restval="", delimiter=corpus.delimiter, lineterminator="\n")
        if corpus.read.header:
            writer.writeheader()
        writer.writerows(_columns(*row, corpus) for row in rows)
        return sink.getvalue()
    # Where quotes are letters, nothing keeps a line end or a delimiter from ending the column.
    lines = [names] if corpus.read.header else []
    for text, value in rows:
        found = _columns(" ".join(text.replace(corpus.delimiter, " ").split()), value, corpus)
        lines.append([found.get(name, "") for name in names])
    return "".join(corpus.delimiter.join(line) + "\n" for line in lines)


def _encode(content: str, corpus: Corpus) -> bytes:
    try:
        return content.encode(corpus.read.encoding)
    except UnicodeEncodeError as error:
        found = content[error.start : error.start + 1]
        raise AgnewsError(
            f"A text holds a character that {corpus.read.encoding} does not have.",
            found=f"{found!r} in {content[max(0, error.start - 30) : error.start + 30]!r}",
            fix="Write the corpus in UTF-8 (read.encoding: utf-8), or remove the text with `agnews feedback erase`.",
        ) from error


def _parquet(rows: Sequence[Row], corpus: Corpus) -> bytes:
    names = [corpus.label_column, *corpus.texts]
    found = [_columns(*row, corpus) for row in rows]
    sink = io.BytesIO()
    pq.write_table(pa.table({name: pa.array([each[name] for each in found], pa.string()) for name in names}), sink)
    return sink.getvalue()
