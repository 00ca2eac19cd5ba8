"""What steps hand on: frozen JSON documents, each a file of its own name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of a document: never changed, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())


class Document(Part):
    """A part that is a file by itself, in a folder of its own: the output of a step, for example."""

    FILE: ClassVar[str]

    @classmethod
    def read(cls, folder: str, read: Callable[[str], Iterable[bytes]]) -> Self:
        """Reads it from a folder or URI; `read` gives the bytes of a file, as `files_at(folder).read` does."""
        return cls.model_validate_json(b"".join(read(f"{folder}/{cls.FILE}")))

    def write(self, folder: str, write: Callable[[str, Iterable[bytes]], None]) -> None:
        """Writes it into a folder or URI; `write` fills a file, as `files_at(folder).write` does."""
        write(f"{folder}/{self.FILE}", [self.model_dump_json(indent=2).encode() + b"\n"])
