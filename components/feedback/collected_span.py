"""A span of a corpus whose rows are labels that came back.

`provenance.jsonl` beside them has a line for each: what was said, by whom, when, and about which request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from agnews.components.corpus_files.corrections import PROVENANCE, damaged_provenance
from agnews.components.corpus_files.find_spans import INCOMPLETE
from agnews.components.feedback.resolve_labels import LabelledText
from agnews.components.feedback.write_rows import write_rows
from agnews.components.storage.files_at import files_at
from agnews.schemas.corpus import Corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.first_problem import first_problem


class CollectedRow(BaseModel):
    """A row of a span, and where it is from."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    key: str
    """`text_key` of the text, hexadecimal."""
    text: str
    label: str
    said: tuple[dict[str, str], ...]
    """For each person that labelled it: `by`, `at`, `row` of the log, `source`, `id` of the label."""

    @classmethod
    def of(cls, text: LabelledText) -> CollectedRow:
        """Makes a row of a text that all agree on.

        Args:
            text: With a label.
        """
        said = tuple(
            {"by": each.by, "at": each.at.isoformat(), "row": each.row, "source": each.source.value, "id": each.id}
            for each in text.said
        )
        return cls(key=f"{text.key:016x}", text=text.text, label=text.label or "", said=said)


@dataclass(frozen=True)
class CollectedSpan:
    """A span that `agnews feedback collect` has written.

    Attributes:
        folder: Its folder.
        rows: Its rows.
        is_whole: Whether its writing came to an end; runs pass over it otherwise.
    """

    folder: str
    rows: tuple[CollectedRow, ...]
    is_whole: bool


def find_collected_spans(data: str) -> Iterator[CollectedSpan]:
    """Finds the spans of a folder that hold labels that came back.

    Args:
        data: Folder or URI.

    Yields:
        The spans, oldest first.

    Raises:
        AgnewsError: A file that says where rows are from is damaged.
    """
    files = files_at(data)
    for name in files.names(data):
        folder = f"{data}/{name}"
        if files.exists(f"{folder}/{PROVENANCE}"):
            rows = tuple(_rows(f"{folder}/{PROVENANCE}"))
            yield CollectedSpan(folder, rows, is_whole=not files.exists(f"{folder}/{INCOMPLETE}"))


def _rows(path: str) -> Iterator[CollectedRow]:
    for number, line in enumerate(files_at(path).read_bytes(path).splitlines(), start=1):
        try:
            yield CollectedRow.model_validate_json(line)
        except ValidationError as error:
            raise damaged_provenance(path, number, first_problem(error)) from None


def write_span(folder: str, rows: Sequence[CollectedRow], corpus: Corpus) -> None:
    """Writes a span, or writes it again; runs pass over it until it is whole.

    Args:
        folder: Of the span. Where no row is left it is removed.
        rows: Its rows.
        corpus: The form of the file.

    Raises:
        AgnewsError: The folder holds rows of somebody else.
        OSError: It cannot be written.
    """
    files = files_at(folder)
    if files.exists(f"{folder}/{corpus.train_file}") and not files.exists(f"{folder}/{PROVENANCE}"):
        raise AgnewsError(
            "This span is there already, and holds rows that are no collected labels.",
            found=f"{folder}/{corpus.train_file}",
            fix="Choose another day: --span YYYY-MM-DD.",
        )
    files.write(f"{folder}/{INCOMPLETE}", [b""])
    # In this order: a span with rows and no provenance would be somebody else's, and one that was cut is written to the
    # end from its provenance.
    lines = [json.dumps(row.model_dump(), ensure_ascii=False).encode() + b"\n" for row in rows]
    files.write_private(f"{folder}/{PROVENANCE}", lines)
    if not rows:
        files.remove_file(f"{folder}/{corpus.train_file}")
        files.remove(folder)
        return
    write_rows(f"{folder}/{corpus.train_file}", [(row.text, row.label) for row in rows], corpus)
    files.remove_file(f"{folder}/{INCOMPLETE}")


def remove_collected(data: str, corpus: Corpus, has_to_go: Callable[[CollectedRow], bool]) -> int:
    """Removes rows from spans of collected labels, and writes those to the end that a killed process has left.

    Args:
        data: Folder of the spans.
        corpus: The form of their files.
        has_to_go: Which rows.

    Returns:
        How many.
    """
    removed = 0
    for span in find_collected_spans(data):
        kept = [row for row in span.rows if not has_to_go(row)]
        if len(kept) < len(span.rows) or not span.is_whole:
            removed += len(span.rows) - len(kept)
            write_span(span.folder, kept, corpus)
    return removed
