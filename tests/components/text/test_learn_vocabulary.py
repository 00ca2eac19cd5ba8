"""Word pieces learnt from texts in scripts that the vocabulary which comes along hardly knows."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from agnews.components.text.clean import clean
from agnews.components.text.learn_vocabulary import learn_vocabulary
from agnews.components.text.tokenizer import Tokenizer
from agnews.components.text.vocabulary import EMBEDDED, Vocabulary, load_vocabulary, make_vocabulary
from agnews.schemas.errors import AgnewsError

HEBREW = [chr(code) for code in range(0x5D0, 0x5EB)]
# As many as a small corpus has, and each a word by itself.
IDEOGRAPHS = [chr(code) for code in range(0x4E00, 0x4E00 + 600)]


def hebrew(rows: int, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    words = ["".join(np.random.default_rng(number).choice(HEBREW, 3 + number % 5)) for number in range(200)]
    return [" ".join(random.choice(words, 12)) + "." for _ in range(rows)]


def chinese(rows: int, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    return ["".join(random.choice(IDEOGRAPHS, 20)) + "\u3002" for _ in range(rows)]


def learn(texts: list[str], size: int = 2000, *, lowercase: bool = True, batch: int = 64) -> Vocabulary:
    batches = [tf.constant(texts[first : first + batch]) for first in range(0, len(texts), batch)]
    pieces = learn_vocabulary(lambda: batches, size=size, lowercase=lowercase, source="a test")
    return make_vocabulary("learnt", pieces)


def measure(vocabulary: Vocabulary, texts: list[str]) -> tuple[float, float]:
    """Share of pieces that are [UNK], and mean length of a text, on rows that nothing was learnt from."""
    tokens = Tokenizer(vocabulary, lowercase=True, max_length=512)(clean(tf.constant(texts)))
    pieces = tokens.flat_values.numpy()
    return float((pieces == vocabulary.unknown_id).mean()), float(tokens.row_lengths().numpy().mean())


@pytest.fixture(scope="module")
def embedded() -> Vocabulary:
    return load_vocabulary(EMBEDDED)


def test_hebrew_words_become_whole_pieces(embedded: Vocabulary) -> None:
    vocabulary = learn(hebrew(300))
    unknown, length = measure(vocabulary, hebrew(50, seed=1))
    # Twelve words and a full stop, between [CLS] and [SEP].
    assert (unknown, length) == (0.0, 15.0)
    assert measure(embedded, hebrew(50, seed=1))[1] > 50


def test_ideographs_are_known_and_none_goes_on_with_a_word(embedded: Vocabulary) -> None:
    vocabulary = learn(chinese(300), size=4000)
    assert measure(embedded, chinese(50, seed=1))[0] > 0.4
    assert measure(vocabulary, chinese(50, seed=1))[0] == 0.0
    assert not [piece for piece in vocabulary.tokens if piece.startswith("##")]


def test_the_same_texts_give_the_same_pieces_in_whatever_order_they_come() -> None:
    texts = hebrew(200)
    assert learn(texts).tokens == learn(texts[::-1], batch=7).tokens


def test_a_word_that_was_never_seen_is_spelled() -> None:
    vocabulary = learn(hebrew(300), size=512)
    assert len(vocabulary) <= 512
    assert measure(vocabulary, ["".join(HEBREW)]) == (0.0, pytest.approx(20, abs=10))


def test_case_and_accents_stay_where_they_are_wanted() -> None:
    texts = ["\u00c9t\u00e9 Stra\u00dfe"] * 9
    assert "Stra\u00dfe" in learn(texts, lowercase=False).tokens
    assert {"stra\u00dfe", "ete"} <= set(learn(texts).tokens)


def test_texts_without_words_are_refused() -> None:
    with pytest.raises(AgnewsError, match="no words"):
        learn(["", " \u200b "])
