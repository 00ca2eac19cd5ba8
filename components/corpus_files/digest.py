"""One digest for all the data that a run reads."""

from __future__ import annotations

from agnews.components.corpus_files.read_state import read_state


def data_digest(source: str, corpus_name: str, window: int | None = None) -> str:
    """Digests the files of a corpus.

    Args:
        source: `sample`, a local folder, or the URI of one.
        corpus_name: Name of the corpus in the configuration.
        window: Take the newest that many spans; None takes all.

    Returns:
        sha256 over names and sha256 of the files, lower-case hexadecimal. It changes with any byte of a file and
        does not change with the folder.

    Raises:
        AgnewsError: The corpus is unknown, a file is missing, empty, or plainly something else than CSV, or spans are
            not as they should be.
    """
    return read_state(source, corpus_name, window).digest
