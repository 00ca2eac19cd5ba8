"""The few file operations that everything here is built on, for a local disk and for object stores."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass


class ChangedError(OSError):
    """A file is not what it was when it was read: somebody has replaced or removed it meanwhile."""


@dataclass(frozen=True)
class Tagged:
    """What a file held at one moment.

    Attributes:
        content: All of it.
        etag: Tells this content from any other that the file had or will have, for `Files.replace`.
    """

    content: bytes
    etag: str


@dataclass(frozen=True)
class FileState:
    """What tells whether a file may have changed, without reading it.

    Attributes:
        size: Bytes.
        changed_ns: Time of the last change, nanoseconds since 1970.
    """

    size: int
    changed_ns: int


class Files(ABC):
    """File operations on one kind of storage. Paths are strings with `/` as the separator.

    All of them raise OSError where the storage says no: FileNotFoundError where there is nothing to read.

    Attributes:
        renames_atomically: Whether a folder gets its new name in one step that a reader sees either before or after.
        tensorflow_opens: Whether TensorFlow can load what is there by its path.
    """

    renames_atomically: bool
    tensorflow_opens: bool = True

    @abstractmethod
    def exists(self, path: str) -> bool:
        """Whether there is a file or folder."""

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """Names of the entries of a folder, sorted; none where there is no such folder."""

    @abstractmethod
    def files_below(self, folder: str) -> list[str]:
        """Paths, relative to the folder, of all files in it and below it, sorted.

        Raises:
            AgnewsError: A name would lead out of the folder that it is copied to.
        """

    @abstractmethod
    def state(self, path: str) -> FileState:
        """Size and age of a file."""

    @abstractmethod
    def open(self, path: str) -> io.BufferedReader:
        """Opens a file for buffered reading at any place of it."""

    @abstractmethod
    def read(self, path: str) -> Iterator[bytes]:
        """The content of a file in chunks."""

    @abstractmethod
    def read_tagged(self, path: str) -> Tagged:
        """The content of a small file, with the tag that `replace` compares."""

    @abstractmethod
    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        """Writes a file and the folders above it; returns once it is safe from a power cut."""

    def write_private(self, path: str, chunks: Iterable[bytes]) -> None:
        """Writes a file with rows of data: nobody but its owner may read it, where the storage knows users."""
        self.write(path, chunks)

    @abstractmethod
    def create(self, path: str, content: bytes) -> str:
        """Writes a small file that must not be there yet, whole and in one step.

        Returns:
            Its etag.

        Raises:
            FileExistsError: It is there. Of several who try at once, one succeeds where `decides_races`.
        """

    @abstractmethod
    def replace(self, path: str, content: bytes, expected_etag: str | None = None) -> str:
        """Writes a small file in one step: a reader finds the old content or the new, whole.

        Args:
            path: The file.
            content: What it holds from now on.
            expected_etag: Tag of what is replaced; None replaces whatever is there.

        Returns:
            The etag of the new content.

        Raises:
            ChangedError: The file has another tag than expected. Of several who expect the same, one succeeds where
                `decides_races`.
        """

    @abstractmethod
    def decides_races(self, folder: str) -> bool:
        """Whether the storage itself lets only one of several writers succeed in `create` and `replace`."""

    @abstractmethod
    def lock(self, folder: str, seconds: float) -> AbstractContextManager[None]:
        """Keeps other processes that ask for the same folder out, where the storage knows how.

        Where `decides_races` and nothing better is at hand, nobody is kept out: the one who is late finds out in
        `create` or `replace`.

        Args:
            folder: What is locked.
            seconds: How long to wait for another process.

        Raises:
            TimeoutError: Another process has held it for so long.
        """

    @abstractmethod
    def rename(self, source: str, target: str) -> None:
        """Gives a folder a new name that is not taken, safe from a power cut."""

    @abstractmethod
    def remove_file(self, path: str) -> None:
        """Removes a file; nothing happens where there is none."""

    @abstractmethod
    def remove(self, folder: str) -> None:
        """Removes a folder with all that is in it; nothing happens where there is none."""

    def sync_folder(self, path: str) -> None:  # noqa: B027 - an object store has nothing to sync
        """Makes names that were added to a folder, or removed from it, safe from a power cut."""

    def size(self, path: str) -> int:
        """Bytes in a file."""
        return self.state(path).size

    def read_bytes(self, path: str) -> bytes:
        """The content of a small file."""
        return b"".join(self.read(path))

    def write_text(self, path: str, text: str) -> None:
        """Writes a small file, in UTF-8."""
        self.write(path, [text.encode()])
