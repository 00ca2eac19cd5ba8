"""File operations through TensorFlow's file layer: whatever it has a driver for."""

from __future__ import annotations

import errno
import hashlib
import io
import secrets
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import tensorflow as tf
from typing_extensions import override

from agnews.components.storage.claim_lock import claim_lock
from agnews.components.storage.files import ChangedError, Files, FileState, Tagged
from agnews.components.storage.safe_relative import safe_relative

_CHUNK = 1 << 22


class RemoteFiles(Files):
    """See `Files` for what each operation promises.

    An object store has no folders, so `rename` would copy object by object: it is refused. TensorFlow's file layer
    knows no conditions: `create` and `replace` look first, and whoever needs more takes the lock.
    """

    renames_atomically = False

    @override
    def exists(self, path: str) -> bool:
        with os_errors():
            return bool(tf.io.gfile.exists(path))

    @override
    def names(self, folder: str) -> list[str]:
        with os_errors():
            if not tf.io.gfile.isdir(folder):
                return []
            return sorted(name.rstrip("/") for name in tf.io.gfile.listdir(folder))

    @override
    def files_below(self, folder: str) -> list[str]:
        found: list[str] = []
        with os_errors():
            for parent, _, names in tf.io.gfile.walk(folder):
                below = parent.rstrip("/")[len(folder.rstrip("/")) :].lstrip("/")
                found.extend(f"{below}/{name}" if below else name for name in names)
        return sorted(safe_relative(path, within=folder) for path in found)

    @override
    def state(self, path: str) -> FileState:
        with os_errors():
            found = tf.io.gfile.stat(path)
            return FileState(int(found.length), int(found.mtime_nsec))

    @override
    def open(self, path: str) -> io.BufferedReader:
        return io.BufferedReader(_RawUri(path), _CHUNK)

    @override
    def read(self, path: str) -> Iterator[bytes]:
        with os_errors(), tf.io.gfile.GFile(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    @override
    def read_tagged(self, path: str) -> Tagged:
        content = self.read_bytes(path)
        return Tagged(content, _etag(content))

    @override
    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        folder, name = path.rsplit("/", 1)
        # Not every file system replaces an open file in one step; all of them rename a single file in one.
        temporary = f"{folder}/.{name}.{secrets.token_hex(8)}.new"
        self._put(temporary, chunks)
        with os_errors():
            tf.io.gfile.rename(temporary, path, overwrite=True)

    def _put(self, path: str, chunks: Iterable[bytes]) -> None:
        with os_errors():
            tf.io.gfile.makedirs(path.rsplit("/", 1)[0])
            with tf.io.gfile.GFile(path, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)

    @override
    def create(self, path: str, content: bytes) -> str:
        if self.exists(path):
            raise FileExistsError(errno.EEXIST, "It exists", path)
        return self.replace(path, content)

    @override
    def replace(self, path: str, content: bytes, expected_etag: str | None = None) -> str:
        if expected_etag is not None and (not self.exists(path) or self.read_tagged(path).etag != expected_etag):
            raise ChangedError(errno.ESTALE, "It was replaced meanwhile", path)
        self.write(path, [content])
        return _etag(content)

    @override
    def decides_races(self, folder: str) -> bool:
        return False

    @override
    def lock(self, folder: str, seconds: float) -> AbstractContextManager[None]:
        return claim_lock(self, folder, seconds)

    @override
    def rename(self, source: str, target: str) -> None:
        raise NotImplementedError(f"An object store cannot rename a folder: {source} to {target}.")

    @override
    def remove_file(self, path: str) -> None:
        with os_errors():
            if tf.io.gfile.exists(path):
                tf.io.gfile.remove(path)

    @override
    def remove(self, folder: str) -> None:
        with os_errors():
            if tf.io.gfile.isdir(folder):
                tf.io.gfile.rmtree(folder)


def _etag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def os_errors() -> Iterator[None]:
    """Turns TensorFlow's errors into the kind that `Files` promises."""
    try:
        yield
    except tf.errors.NotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, error.message) from error
    except tf.errors.PermissionDeniedError as error:
        raise PermissionError(errno.EACCES, error.message) from error
    except tf.errors.OpError as error:
        raise OSError(errno.EIO, error.message) from error


class _RawUri(io.RawIOBase):
    """Lets Python's buffering and decoding work on a file of TensorFlow's file layer."""

    def __init__(self, uri: str) -> None:
        self._file = tf.io.gfile.GFile(uri, "rb")
        with os_errors():
            self._file.size()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._file.seek(offset, whence)
        return self.tell()

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        with os_errors():
            data: bytes = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
