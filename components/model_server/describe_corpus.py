"""What the page is told about the texts that a model is for: the words of its corpus, not of the page."""

from __future__ import annotations

from typing import Any

from agnews.schemas.corpus import Corpus

_EXAMPLES = 6
_LONGEST = 200
"""Characters of an example: a longer one is no longer read at a glance."""


def describe_corpus(corpus: Corpus) -> dict[str, Any]:
    """Puts a corpus into words for whoever asks a model.

    Args:
        corpus: What the model has learnt.

    Returns:
        `title`, `about` (words between "sorts" and "into 4 classes"), `text` (what one is called), `question`,
        `language` (a BCP 47 tag) and `examples`: texts to try, those of the description or else a golden text of each
        of the first classes.
    """
    golden = [texts[0] for texts in corpus.golden_texts.values() if texts]
    examples = [text for text in corpus.example_texts or golden if len(text) <= _LONGEST]
    return {
        "title": corpus.title or corpus.name,
        "about": corpus.about,
        "text": corpus.text,
        "question": corpus.question,
        "language": corpus.language,
        "examples": examples[:_EXAMPLES],
    }
