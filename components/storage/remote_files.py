"""File operations through TensorFlow's file layer: `gs://` and whatever else it has a driver for."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import tensorflow as tf
from typing_extensions import override

from agnews.components.storage.files import Files

_CHUNK = 1 << 22


class RemoteFiles(Files):
    """See `Files` for what each operation promises.

    An object store has no folders, so `rename` would copy object by object: it is refused.
    """

    renames_atomically = False

    @override
    def exists(self, path: str) -> bool:
        with _os_errors():
            return bool(tf.io.gfile.exists(path))

    @override
    def names(self, folder: str) -> list[str]:
        with _os_errors():
            if not tf.io.gfile.isdir(folder):
                return []
            return sorted(name.rstrip("/") for name in tf.io.gfile.listdir(folder))

    @override
    def files_below(self, folder: str) -> list[str]:
        found: list[str] = []
        with _os_errors():
            for parent, _, names in tf.io.gfile.walk(folder):
                below = parent.rstrip("/")[len(folder.rstrip("/")) :].lstrip("/")
                found.extend(f"{below}/{name}" if below else name for name in names)
        return sorted(found)

    @override
    def size(self, path: str) -> int:
        with _os_errors():
            return int(tf.io.gfile.stat(path).length)

    @override
    def read(self, path: str) -> Iterator[bytes]:
        with _os_errors(), tf.io.gfile.GFile(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    @override
    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        with _os_errors():
            tf.io.gfile.makedirs(path.rsplit("/", 1)[0])
            with tf.io.gfile.GFile(path, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)

    @override
    def replace(self, path: str, content: bytes) -> None:
        folder, name = path.rsplit("/", 1)
        # Not every file system replaces an open file in one step; all of them rename a single file in one.
        temporary = f"{folder}/.incoming-{name}"
        self.write(temporary, [content])
        with _os_errors():
            tf.io.gfile.rename(temporary, path, overwrite=True)

    @override
    def rename(self, source: str, target: str) -> None:
        raise NotImplementedError(f"An object store cannot rename a folder: {source} to {target}.")

    @override
    def remove_file(self, path: str) -> None:
        with _os_errors():
            if tf.io.gfile.exists(path):
                tf.io.gfile.remove(path)

    @override
    def remove(self, folder: str) -> None:
        with _os_errors():
            if tf.io.gfile.isdir(folder):
                tf.io.gfile.rmtree(folder)


@contextmanager
def _os_errors() -> Iterator[None]:
    """Turns TensorFlow's errors into the kind that `Files` promises."""
    try:
        yield
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, error.message) from error
    except tf.errors.PermissionDeniedError as error:
        raise PermissionError(errno.EACCES, error.message) from error
    except tf.errors.OpError as error:
        raise OSError(errno.EIO, error.message) from error
