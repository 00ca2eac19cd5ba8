"""One digest for all the data that a run reads."""

from __future__ import annotations

import hashlib

from agnews.components.corpus_files.corpus_folder import corpus_folder
from agnews.components.corpus_files.open_binary import open_binary
from agnews.components.corpus_files.sources import require_corpus_files
from agnews.schemas.corpus import corpus_named

_CHUNK = 1 << 20


def data_digest(source: str, corpus_name: str) -> str:
    """Digests the files of a corpus.

    Args:
        source: `sample`, a local folder, or the URI of one.
        corpus_name: Name of the corpus in the configuration.

    Returns:
        sha256 over names and sha256 of the files, lower-case hexadecimal. It changes with any byte of a file and
        does not change with the folder.

    Raises:
        AgnewsError: The corpus is unknown, or a file is missing, empty, or plainly something else than CSV.
    """
    corpus = corpus_named(corpus_name)
    with corpus_folder(source, corpus) as folder:
        return digest_files(require_corpus_files(folder, corpus))


def digest_files(paths: dict[str, str]) -> str:
    """Digests files that are known to be there.

    Args:
        paths: Path or URI by file name.

    Returns:
        As `data_digest`.
    """
    lines = "".join(f"{sha256_of(path)}  {name}\n" for name, path in sorted(paths.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


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
