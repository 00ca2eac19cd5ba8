"""From the settings of a linear model to what finds its n-grams."""

from __future__ import annotations

from agnews.components.linear.ngram_hash import NgramHash
from agnews.components.text.vocabulary import PAD, Vocabulary
from agnews.schemas.learning_config import LinearConfig


def ngram_hash(vocabulary: Vocabulary, settings: LinearConfig) -> NgramHash:
    """Returns what finds the n-grams that a configuration asks for.

    Args:
        vocabulary: What texts are cut into.
        settings: The section `model`.
    """
    return NgramHash(
        vocabulary.tokens,
        silent_ids=(vocabulary.tokens.index(PAD), vocabulary.cls_id),
        end_id=vocabulary.sep_id,
        unknown_id=vocabulary.unknown_id,
        buckets=settings.buckets,
        word_ngrams=settings.word_ngrams,
        char_ngrams=settings.char_range,
    )
