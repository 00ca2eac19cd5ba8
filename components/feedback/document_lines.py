"""Files of JSON Lines, a document a line, in the folders of feedback. Files of other names there are none of these."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from pydantic import BaseModel

from agnews.components.storage.files_at import files_at

SUFFIX = ".jsonl"
"""Ends the names of the files."""

_Document = TypeVar("_Document", bound=BaseModel)


def read_lines(path: str, kind: type[_Document]) -> list[_Document]:
    """Reads a file.

    Args:
        path: The file.
        kind: Of its documents.

    Raises:
        OSError: It cannot be read.
        pydantic.ValidationError: A line is none of the kind.
    """
    return [kind.model_validate_json(line) for line in files_at(path).read_bytes(path).splitlines()]


def write_lines(path: str, documents: Iterable[BaseModel]) -> None:
    """Writes a file, in the place of the one that is there.

    Raises:
        OSError: It cannot be written.
    """
    files_at(path).write_private(path, [document.model_dump_json().encode() + b"\n" for document in documents])


def remove_lines(paths: Iterable[str], kind: type[_Document], has_to_go: Callable[[_Document], bool]) -> int:
    """Removes documents for good, and files of which nothing is left.

    Args:
        paths: The files; of other names they stay.
        kind: Of their documents.
        has_to_go: Which.

    Returns:
        How many.
    """
    removed = 0
    for path in (path for path in paths if path.endswith(SUFFIX)):
        documents = read_lines(path, kind)
        kept = [each for each in documents if not has_to_go(each)]
        removed += len(documents) - len(kept)
        if not kept:
            files_at(path).remove_file(path)
        elif len(kept) < len(documents):
            write_lines(path, kept)
    return removed
