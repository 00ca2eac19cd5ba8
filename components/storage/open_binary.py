"""One way to open a file, wherever it is."""

from __future__ import annotations

import hashlib
import io

from agnews.components.storage.files_at import files_at
from agnews.schemas.errors import AgnewsError

_CHUNK = 1 << 20


def open_binary(path: str) -> io.BufferedReader:
    """Opens a file for buffered reading.

    Local files need no TensorFlow, whose import takes seconds; it is loaded for a URI only.

    Args:
        path: A local path or a URI; see `files_at`.

    Returns:
        A stream of bytes that can be peeked into.

    Raises:
        AgnewsError: There is no such file, or it cannot be opened.
    """
    try:
        return files_at(path).open(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AgnewsError(
            "There is no such file.",
            found=path,
            fix="Name a folder or URI that holds the files; `agnews corpus fetch DIR` gets the official ones.",
        ) from error
    except OSError as error:
        raise AgnewsError(
            "The file cannot be opened.",
            found=f"{path}: {error.strerror or error}",
            fix="Check the name, and that you may read it.",
        ) from error


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
