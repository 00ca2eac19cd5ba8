"""The few file operations that the model store is built on, for a local disk and for object stores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

_SCHEMES = ("s3://", "minio://")
"""Kubeflow Pipelines writes `minio://` for the store that it brings."""


def is_s3(uri: str) -> bool:
    """Whether a place is in an object store that speaks S3, which TensorFlow's file layer cannot open."""
    return uri.startswith(_SCHEMES)


class Files(ABC):
    """File operations on one kind of storage. Paths are strings with `/` as the separator.

    All of them raise OSError where the storage says no.

    Attributes:
        renames_atomically: Whether a folder gets its new name in one step that a reader sees either before or after.
    """

    renames_atomically: bool

    @abstractmethod
    def exists(self, path: str) -> bool:
        """Whether there is a file or folder."""

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """Names of the entries of a folder, sorted; none where there is no such folder."""

    @abstractmethod
    def files_below(self, folder: str) -> list[str]:
        """Paths, relative to the folder, of all files in it and below it, sorted."""

    @abstractmethod
    def size(self, path: str) -> int:
        """Bytes in a file."""

    @abstractmethod
    def read(self, path: str) -> Iterator[bytes]:
        """The content of a file in chunks."""

    @abstractmethod
    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        """Writes a file and the folders above it; returns once it is safe from a power cut."""

    @abstractmethod
    def replace(self, path: str, content: bytes) -> None:
        """Writes a small file in one step: a reader finds the old content or the new, whole."""

    @abstractmethod
    def rename(self, source: str, target: str) -> None:
        """Gives a folder a new name that is not taken."""

    @abstractmethod
    def remove_file(self, path: str) -> None:
        """Removes a file; nothing happens where there is none."""

    @abstractmethod
    def remove(self, folder: str) -> None:
        """Removes a folder with all that is in it; nothing happens where there is none."""


def files_at(uri: str) -> Files:
    """Chooses the file operations for a place.

    Args:
        uri: A local path, `s3://` or `minio://`, or a URI that TensorFlow's file layer opens, such as
            `gs://bucket/models`.

    Returns:
        The operations. Those for a local disk and for S3 need no TensorFlow, so a command that only looks into such a
        store starts at once.
    """
    if is_s3(uri):
        from agnews.components.storage.s3_files import S3Files

        return S3Files()
    if "://" in uri:
        from agnews.components.storage.remote_files import RemoteFiles

        return RemoteFiles()
    from agnews.components.storage.local_files import LocalFiles

    return LocalFiles()
