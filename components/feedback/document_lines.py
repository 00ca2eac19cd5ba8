"""Files of JSON Lines, a document a line, in the folders of feedback. Files of other names there are none of these."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from pydantic import BaseModel

from agnews.components.storage.files import ChangedError
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
    return _documents(files_at(path).read_bytes(path), kind)


def _documents(content: bytes, kind: type[_Document]) -> list[_Document]:
    return [kind.model_validate_json(line) for line in content.splitlines()]


def _lines(documents: Iterable[BaseModel]) -> list[bytes]:
    return [document.model_dump_json().encode() + b"\n" for document in documents]


def rewrite(path: str, without: Callable[[bytes], tuple[bytes | None, int]]) -> int:
    """Takes something out of a file for good, also where somebody else takes something else out of it meanwhile.

    Args:
        path: The file; nothing happens where there is none.
        without: Gets the content; gives what stays of it, None for nothing, and how much goes.

    Returns:
        How much went.

    Raises:
        OSError: It cannot be read or written.
    """
    files = files_at(path)
    while True:
        try:
            found = files.read_tagged(path)
        except FileNotFoundError:
            return 0
        content, gone = without(found.content)
        try:
            if content is None:
                files.remove_file(path)
            elif gone:
                files.replace(path, content, found.etag)
        except ChangedError:
            # What the other one has taken out must not come back.
            continue
        return gone


def write_lines(path: str, documents: Iterable[BaseModel]) -> None:
    """Writes a file, in the place of the one that is there.

    Raises:
        OSError: It cannot be written.
    """
    files_at(path).write_private(path, _lines(documents))


def remove_lines(paths: Iterable[str], kind: type[_Document], has_to_go: Callable[[_Document], bool]) -> int:
    """Removes documents for good, and files of which nothing is left.

    Args:
        paths: The files; of other names they stay.
        kind: Of their documents.
        has_to_go: Which.

    Returns:
        How many.
    """

    def without(content: bytes) -> tuple[bytes | None, int]:
        documents = _documents(content, kind)
        kept = [each for each in documents if not has_to_go(each)]
        return b"".join(_lines(kept)) or None, len(documents) - len(kept)

    return sum(rewrite(path, without) for path in paths if path.endswith(SUFFIX))
