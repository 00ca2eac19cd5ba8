"""The digest of a file."""

from __future__ import annotations

import hashlib

from agnews.components.corpus_files.open_binary import open_binary

_CHUNK = 1 << 20


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
