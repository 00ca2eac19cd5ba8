"""From word pieces to the n-grams of words and characters in a text: one definition for training and serving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

_MODULUS = 2**31 - 1
"""A prime, so that products of two hashes fit into int64 and nothing overflows."""
_MULTIPLIER, _OF_WORDS, _MIXER, _SALT = 1_103_515_245, 1_566_083_941, 1_812_433_253, 104_729
"""Numbers below the modulus, without a meaning."""
_SPACE, _UNKNOWN = " ", "\ufffd"
_LONGEST_WORD = 128


@dataclass(frozen=True)
class Spelling:
    """The characters of some texts, one behind the other, a space before each word and behind the last.

    Attributes:
        codes: int64 (characters,), code points.
        token: int32 (characters,), position in the flattened batch of word pieces that a character belongs to.
        row: int32 (characters,), text that it belongs to; does not fall.
    """

    codes: tf.Tensor
    token: tf.Tensor
    row: tf.Tensor


@dataclass(frozen=True)
class Occurrences:
    """N-grams as they stand in texts, a repeated one each time.

    Attributes:
        bucket: int32 (occurrences,), what the n-gram is hashed into.
        row: int32 (occurrences,), text that it stands in.
        start: int32 (occurrences,), its first character in the spelling.
        end: int32 (occurrences,), the character behind its last.
    """

    bucket: tf.Tensor
    row: tf.Tensor
    start: tf.Tensor
    end: tf.Tensor


class NgramHash:
    """Finds the n-grams of texts that were cut into word pieces, by what they spell.

    How a vocabulary cuts a word makes no difference: `un ##happy` and `unhappy` have the same n-grams. So a model
    may be trained on the pieces of one vocabulary and measured on those of another. A word that the vocabulary does not
    know is one odd character.

    Args:
        tokens: The word pieces by id; continuations start with `##`.
        silent_ids: Ids that spell nothing: [PAD] and [CLS].
        end_id: Id of [SEP], which closes the last word.
        unknown_id: Id of [UNK].
        buckets: What n-grams are hashed into.
        word_ngrams: Longest run of words that is one n-gram; 0 for none.
        char_ngrams: Shortest and longest run of characters, over the ends of words too; None for none.

    References:
        Weinberger et al. (2009), "Feature Hashing for Large Scale Multitask Learning",
        https://arxiv.org/abs/0902.2206. We differ: no signs, since buckets are many. The hash is that of Rabin and Karp
        (1987), polynomial, so that an n-gram costs a step from the one that is a character shorter.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        *,
        silent_ids: Sequence[int],
        end_id: int,
        unknown_id: int,
        buckets: int,
        word_ngrams: int,
        char_ngrams: tuple[int, int] | None,
    ) -> None:
        spelled = [token[2:] if token.startswith("##") and len(token) > 2 else f"{_SPACE}{token}" for token in tokens]
        spelled[end_id], spelled[unknown_id] = _SPACE, f"{_SPACE}{_UNKNOWN}"
        for silent in silent_ids:
            spelled[silent] = ""
        self.buckets = buckets
        self._end_id = end_id
        self._word_ngrams, self._char_ngrams = word_ngrams, char_ngrams
        self._lengths = np.array([len(each) for each in spelled], np.int32)
        self._starts = np.cumsum(self._lengths, dtype=np.int32) - self._lengths
        self._codes = np.array([ord(character) for each in spelled for character in each], np.int32)
        powers = [1]
        while len(powers) < _LONGEST_WORD:
            powers.append(powers[-1] * _MULTIPLIER % _MODULUS)
        self._powers = np.array(powers, np.int64)

    def spell(self, token_ids: tf.Tensor) -> Spelling:
        """Writes the characters of a batch down.

        Args:
            token_ids: int32 (batch, length), padded with [PAD].

        Returns:
            The characters. The space behind the last word belongs to the last word's piece.
        """
        flat = tf.reshape(token_ids, [-1])
        lengths = tf.gather(tf.constant(self._lengths), flat)
        token = tf.repeat(tf.range(tf.size(flat)), lengths)
        begin = tf.cumsum(lengths, exclusive=True)
        within = tf.range(tf.size(token)) - tf.gather(begin, token)
        places = tf.gather(tf.gather(tf.constant(self._starts), flat), token) + within
        row = token // tf.maximum(tf.shape(token_ids)[1], 1)
        owner = token - tf.cast(tf.gather(flat, token) == self._end_id, tf.int32)
        return Spelling(tf.cast(tf.gather(tf.constant(self._codes), places), tf.int64), tf.maximum(owner, 0), row)

    def find(self, spelling: Spelling) -> tuple[Occurrences, ...]:
        """Finds the n-grams.

        Args:
            spelling: From `spell`.

        Returns:
            Those of words, and those of characters, as far as they are wanted.
        """
        words = (self._words(spelling),) if self._word_ngrams else ()
        return (*words, self._characters(spelling, *self._char_ngrams)) if self._char_ngrams else words

    def _words(self, spelling: Spelling) -> Occurrences:
        number = tf.size(spelling.codes)
        places = tf.range(number)
        is_new_row = tf.concat([tf.ones([tf.minimum(number, 1)], tf.bool), spelling.row[1:] != spelling.row[:-1]], 0)
        is_start = (spelling.codes == ord(_SPACE)) | is_new_row
        start = tf.cast(tf.reshape(tf.where(is_start), [-1]), tf.int32)
        end = tf.concat([start[1:], [number]], 0)[: tf.size(start)]
        word = tf.cumsum(tf.cast(is_start, tf.int32)) - 1
        offset = tf.minimum(places - tf.gather(start, word), _LONGEST_WORD - 1)
        spelled = tf.math.segment_sum(spelling.codes * tf.gather(tf.constant(self._powers), offset), word) % _MODULUS
        row = tf.gather(spelling.row, start)
        is_word = end - start > 1
        parts: list[Occurrences] = []
        hashed = spelled
        for length in range(1, self._word_ngrams + 1):
            if length > 1:
                hashed = (hashed[:-1] * _OF_WORDS + spelled[length - 1 :]) % _MODULUS
            count = tf.size(hashed)
            is_one = is_word[length - 1 :] & (row[:count] == row[length - 1 :]) & is_word[:count]
            parts.append(self._select(is_one, hashed, -length, row[:count], start[:count], end[length - 1 :]))
        return _concat(parts)

    def _characters(self, spelling: Spelling, shortest: int, longest: int) -> Occurrences:
        parts: list[Occurrences] = []
        hashed = spelling.codes
        for length in range(1, longest + 1):
            if length > 1:
                hashed = (hashed[:-1] * _MULTIPLIER + spelling.codes[length - 1 :]) % _MODULUS
            if length >= shortest:
                count = tf.size(hashed)
                row, places = spelling.row[:count], tf.range(count)
                is_one = row == spelling.row[length - 1 :]
                parts.append(self._select(is_one, hashed, length, row, places, places + length))
        return _concat(parts)

    def _select(
        self, is_one: tf.Tensor, hashed: tf.Tensor, kind: int, row: tf.Tensor, start: tf.Tensor, end: tf.Tensor
    ) -> Occurrences:
        mixed = (hashed * _MIXER + kind * _SALT) % _MODULUS % self.buckets
        chosen = tf.reshape(tf.where(is_one), [-1])
        columns = (tf.gather(each, chosen) for each in (tf.cast(mixed, tf.int32), row, start, end))
        return Occurrences(*columns)


def _concat(parts: Sequence[Occurrences]) -> Occurrences:
    columns = zip(*((each.bucket, each.row, each.start, each.end) for each in parts), strict=True)
    return Occurrences(*(tf.concat(column, axis=0) for column in columns))
