"""The folder that a source stands for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from agnews.components.corpus_files.sample import SAMPLE, write_sample
from agnews.schemas.corpus import Corpus


@contextmanager
def corpus_folder(source: str, corpus: Corpus) -> Iterator[str]:
    """Lends the folder with the files of a corpus.

    Args:
        source: `sample`, a local folder, or the URI of one.
        corpus: The corpus.

    Yields:
        The source itself, or for the sample a temporary folder that is gone afterwards.
    """
    if source != SAMPLE:
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="agnews-sample-") as folder:
        write_sample(folder, corpus)
        yield folder
