"""One way to open a file, wherever it is."""

from __future__ import annotations

import hashlib
import io
from typing import Any

from agnews.components.storage.files import is_s3
from agnews.schemas.errors import AgnewsError

_CHUNK = 1 << 20


def open_binary(path: str) -> io.BufferedReader:
    """Opens a file for buffered reading.

    Local files need no TensorFlow, whose import takes seconds; it is loaded for a URI only.

    Args:
        path: A local path, `s3://` or `minio://`, or any URI that `tf.io.gfile` opens.

    Returns:
        A stream of bytes that can be peeked into.

    Raises:
        AgnewsError: There is no such file, or it cannot be opened.
    """
    try:
        if "://" not in path:
            return io.BufferedReader(io.FileIO(path), _CHUNK)
        if is_s3(path):
            # It reads ahead by itself, and pyarrow is loaded for such a path only.
            from agnews.components.storage.s3_files import connect_s3, s3_path

            return io.BufferedReader(connect_s3().open_input_file(s3_path(path)), _CHUNK)
        return io.BufferedReader(_RawUri(path), _CHUNK)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AgnewsError(
            "There is no such file.",
            found=path,
            fix="Name a folder or URI that holds the files; `agnews data fetch DIR` gets the official ones.",
        ) from error
    except OSError as error:
        raise AgnewsError(
            "The file cannot be opened.",
            found=f"{path}: {error.strerror or error}",
            fix="Check the name, and that you may read it.",
        ) from error


class _RawUri(io.RawIOBase):
    """Lets Python's buffering and decoding work on a file of TensorFlow's file layer."""

    def __init__(self, uri: str) -> None:
        # Only URIs need it, and its import takes seconds.
        import tensorflow as tf

        self._file = tf.io.gfile.GFile(uri, "rb")
        try:
            self._file.size()
        except tf.errors.NotFoundError as error:
            raise FileNotFoundError(uri) from error
        except tf.errors.OpError as error:
            raise OSError(error.message) from error

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
        data: bytes = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def sha256_of(path: str) -> str:
    """Digests one file.

    Args:
        path: A local path or a URI.

    Returns:
        sha256 of its bytes, lower-case hexadecimal, as `sha256sum` prints it.
    """
    digest = hashlib.sha256()
    with open_binary(path) as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
