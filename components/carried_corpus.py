"""The description of a corpus as a value of an execution: nodes look for no file of a user's machine."""

from __future__ import annotations

import json

from agnews.components.storage.files_at import files_at
from agnews.schemas.corpus import Corpus
from agnews.schemas.errors import AgnewsError, ExitCode

MOST_CARRIED = 64 * 1024
"""Bytes of a description that travel as they are: one argument of a process on Linux holds 128 KiB, and the rest of
what a step is told needs room too."""
_DIGEST, _URI = "corpus_digest", "corpus_uri"


def carry_corpus(corpus: Corpus, scratch_uri: str) -> str:
    """Makes a value of a description.

    Args:
        corpus: The description, or the parts of it that a node reads.
        scratch_uri: Folder or URI that nodes can read; written to for a large description only.

    Returns:
        Its canonical content; for a large one its digest, and where its content lies.
    """
    content = corpus.canonical()
    if len(content.encode()) <= MOST_CARRIED:
        return content
    path = f"{scratch_uri.rstrip('/')}/corpora/{corpus.digest}.json"
    files = files_at(path)
    if not files.exists(path):
        files.write(path, [content.encode()])
    return json.dumps({_DIGEST: corpus.digest, _URI: path})


def read_carried_corpus(value: str) -> Corpus:
    """Reads what `carry_corpus` made.

    Args:
        value: A property of an execution.

    Returns:
        The description, as far as it was carried.

    Raises:
        AgnewsError: The content is gone, or is not the one that was meant.
    """
    if not value.startswith(f'{{"{_DIGEST}"'):
        return Corpus.model_validate_json(value)
    reference = json.loads(value)
    path = reference[_URI]
    try:
        corpus = Corpus.model_validate_json(b"".join(files_at(path).read(path)))
    except OSError as error:
        raise AgnewsError(
            "The description of the corpus is gone.",
            found=f"{path}: {error}",
            fix="Run the same command again: it writes it anew.",
            exit_code=ExitCode.FAILED,
        ) from error
    if corpus.digest != reference[_DIGEST]:
        raise AgnewsError(
            "The description of the corpus is not the one that this run began with.",
            found=f"{path}: digest {corpus.digest}, expected {reference[_DIGEST]}",
            fix="Run the same command again.",
            exit_code=ExitCode.FAILED,
        )
    return corpus
