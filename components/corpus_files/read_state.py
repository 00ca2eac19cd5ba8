"""From what the configuration says about data to digests of it."""

from __future__ import annotations

from agnews.components.corpus_files.corpus_folder import corpus_folder
from agnews.components.corpus_files.corpus_state import CorpusState, corpus_state
from agnews.components.corpus_files.sources import require_corpus_files
from agnews.schemas.corpus import corpus_named


def read_state(source: str, corpus_name: str, window: int | None = None) -> CorpusState:
    """Finds and digests the files that a run would read now.

    Args:
        source: `sample`, a local folder, or the URI of one.
        corpus_name: Name of the corpus in the configuration.
        window: Take the newest that many spans; None takes all.

    Returns:
        Their state.

    Raises:
        AgnewsError: The corpus is unknown, a file is missing, empty, or plainly something else than CSV, or spans are
            not as they should be.
    """
    corpus = corpus_named(corpus_name)
    with corpus_folder(source, corpus) as folder:
        return corpus_state(require_corpus_files(folder, corpus, window))
