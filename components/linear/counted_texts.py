"""Texts as linear models read them: cut and counted once, for any number of models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agnews.components.linear.configure_ngrams import ngram_hash
from agnews.components.linear.count_ngrams import Counts, count_ngrams
from agnews.components.linear.cut_texts import Cut, character_vocabulary, text_cutter
from agnews.components.linear.ngram_hash import NgramHash
from agnews.schemas.learning_config import LinearConfig


@dataclass(frozen=True)
class CountedTexts:
    """The n-grams of some texts.

    Attributes:
        settings: Of the models that learn from them.
        ngrams: What found the n-grams.
        cut: What cut the texts before.
        families: Counts of words, and of characters, as far as the settings ask for them.
    """

    settings: LinearConfig
    ngrams: NgramHash
    cut: Cut
    families: tuple[Counts, ...]

    def without_characters(self) -> CountedTexts:
        """Returns the same for models of words alone; itself where words are not counted."""
        return replace(self, families=self.families[:1]) if self.settings.word_ngrams else self


def count_texts(texts: Sequence[str], settings: LinearConfig | None = None) -> CountedTexts:
    """Cuts texts into characters, in any language, up to 4,096 of them, and counts their n-grams.

    Args:
        texts: As they stand in the corpus.
        settings: Of the models that learn from them; None for those of `--model linear`.
    """
    settings = settings or LinearConfig()
    vocabulary = character_vocabulary(texts)
    ngrams, cut = ngram_hash(vocabulary, settings), text_cutter(vocabulary)
    return CountedTexts(settings, ngrams, cut, count_ngrams(ngrams, *cut(texts)))
