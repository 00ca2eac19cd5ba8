"""Word pieces that fit texts of any language: learnt from them, the same ones for the same texts."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import tensorflow as tf
from tensorflow_text.tools.wordpiece_vocab import wordpiece_tokenizer_learner_lib as learner

from agnews.components.text.clean import clean
from agnews.components.text.normalize import MAX_WORD_CHARACTERS, normalize
from agnews.components.text.vocabulary import CLS, PAD, SEP, UNKNOWN
from agnews.schemas.errors import AgnewsError, ExitCode

_RESERVED = (PAD, UNKNOWN, CLS, SEP)
_MOST_WORDS = 100_000
"""Rarer words are spelled with what these have taught; more would take minutes."""
_LEAST_COUNT = 2
"""A piece that occurs once is a word that one text has."""
_SHARE_OF_CHARACTERS = 4
"""A quarter of the pieces may be single characters: Chinese has thousands, and a few emojis must not push words out."""


def learn_vocabulary(
    batches: Callable[[], Iterable[tf.Tensor]], *, size: int, lowercase: bool, source: str
) -> tuple[str, ...]:
    """Learns word pieces.

    Texts are cleaned and cut into words as they are before they are cut into pieces, so that pieces fit: ideographs and
    punctuation are words by themselves.

    Args:
        batches: Called twice; yields texts, string (batch,) each, in an order that does not matter.
        size: Word pieces wanted, at most, but for texts with very many characters.
        lowercase: Drop case and accents before.
        source: What the texts are, for an error.

    Returns:
        The pieces by id: [PAD], [UNK], [CLS], [SEP], single characters, and longer pieces, frequent ones first.

    Raises:
        AgnewsError: The texts have no words.

    References:
        The top-down algorithm of TensorFlow Text's `wordpiece_tokenizer_learner_lib`. We differ: a character that no
        word has behind its first place, such as an ideograph, gets no piece of the form `##x`.
    """
    words = _count_words(batches, lowercase)
    if not words:
        raise AgnewsError(
            "There are no words to learn a vocabulary from.",
            found=source,
            fix="Check the rows with `agnews corpus check`.",
            exit_code=ExitCode.FAILED,
        )
    # Sorted, since the learner keeps the first of words that are equally frequent.
    counted = dict(sorted(words.items()))
    pieces = learner.learn(
        counted,
        vocab_size=size,
        reserved_tokens=list(_RESERVED),
        # The least count of the pieces that remain cannot be higher, and half of the search is saved.
        upper_thresh=max(_LEAST_COUNT, 8 * sum(counted.values()) // size),
        lower_thresh=_LEAST_COUNT,
        max_input_tokens=_MOST_WORDS,
        max_token_length=MAX_WORD_CHARACTERS,
        max_unique_chars=size // _SHARE_OF_CHARACTERS,
        slack_ratio=0.1,
    )
    inner = {character for word in counted for character in word[1:]}
    return tuple(piece for piece in pieces if len(piece) != 3 or not piece.startswith("##") or piece[2] in inner)


def _count_words(batches: Callable[[], Iterable[tf.Tensor]], lowercase: bool) -> Mapping[str, int]:
    alphabet = _alphabet(batches())
    graph = tf.function(
        lambda texts: normalize(clean(texts), alphabet=alphabet, lowercase=lowercase),
        input_signature=[tf.TensorSpec([None], tf.string)],
        autograph=False,
    )
    words: Counter[str] = Counter()
    for batch in batches():
        for text in graph(batch).numpy().tolist():
            words.update(text.decode(errors="replace").split())
    known = set(alphabet)
    # What stands in for a word that is too long is no word.
    return {word: count for word, count in words.items() if known.issuperset(word)}


def _alphabet(batches: Iterable[tf.Tensor]) -> str:
    found: set[str] = set()
    for batch in batches:
        found.update(*(text.decode(errors="replace") for text in batch.numpy().tolist()))
    found |= set(unicodedata.normalize("NFD", "".join(found)).lower()) | set("".join(found).lower())
    return "".join(sorted(each for each in found if not each.isspace() and each.isprintable()))
