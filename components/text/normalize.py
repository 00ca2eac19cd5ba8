"""Spells words as BERT's vocabulary does: control characters, accents, case, punctuation, inside the graph."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_text as tf_text

from agnews.components.text import character_classes as classes

MAX_WORD_CHARACTERS = 100
"""A longer word is unknown, whatever it is made of."""

# Printable ASCII without very long words needs lower case and nothing else.
_PLAIN_TEXT = rf"[\t\n\r ]*(?:[!-~]{{1,{MAX_WORD_CHARACTERS}}}[\t\n\r ]+)*[!-~]{{0,{MAX_WORD_CHARACTERS}}}"


def normalize(texts: tf.Tensor, *, alphabet: str, lowercase: bool) -> tf.Tensor:
    """Rewrites texts so that FastBertTokenizer makes the tokens of Hugging Face's BertTokenizerFast from them.

    TensorFlow Text's own normaliser decomposes by compatibility (`™` to `tm`, `…` to `...`), puts a
    space where BERT drops a control character, and takes its character classes from whatever ICU it was built
    with; it also measures the longest word in bytes. Texts of printable ASCII, all of AG News, have none of this and
    take a short way.

    Args:
        texts: string (batch,), UTF-8; bytes that are not count as U+FFFD, which is dropped.
        alphabet: Every character that the vocabulary's tokens are made of. A word with any other is unknown.
        lowercase: Drop case and accents.

    Returns:
        string (batch,). Without `lowercase`, case and accents are as they were.
    """
    lowered = tf.strings.lower(texts) if lowercase else texts
    others = tf.where(tf.logical_not(tf.strings.regex_full_match(texts, _PLAIN_TEXT)))
    spelled = _normalize_any(tf.gather_nd(texts, others), alphabet=alphabet, lowercase=lowercase)
    return tf.tensor_scatter_nd_update(lowered, others, spelled)


def _normalize_any(texts: tf.Tensor, *, alphabet: str, lowercase: bool) -> tf.Tensor:
    """Follows Hugging Face's BertNormalizer and BertPreTokenizer step by step, on any text."""
    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace")
    texts = tf.strings.regex_replace(texts, f"[{classes.REMOVED}]+", "")
    texts = tf.strings.regex_replace(texts, f"[{classes.SPACES}]+", " ")
    texts = tf.strings.regex_replace(texts, f"([{classes.IDEOGRAPHS}])", r" \1 ")
    if lowercase:
        texts = tf_text.normalize_utf8(texts, "NFD")
        texts = tf.strings.regex_replace(texts, f"[{classes.ACCENTS}]+", "")
        # ICU lowers by context and locale: a last sigma becomes another letter, and a Turkish I has no dot. So
        # ASCII and sigma go first, a character at a time.
        texts = tf.strings.regex_replace(tf.strings.lower(texts), "\u03a3", "\u03c3")
        texts = tf.strings.lower(texts, encoding="utf-8")
    texts = tf.strings.regex_replace(texts, f"([{classes.PUNCTUATION}])", r" \1 ")
    # What no token holds makes its word unknown. One stand-in for all of it keeps the tokenizer's own, newer
    # Unicode tables from seeing punctuation or an ideograph where the encoder's training saw an odd letter.
    unknown = _stand_in(alphabet)
    texts = tf.strings.regex_replace(texts, f"[^ {_character_class(alphabet)}]+", unknown)
    words = tf.strings.split(texts)
    is_long = tf.strings.length(words.flat_values, unit="UTF8_CHAR") > MAX_WORD_CHARACTERS
    words = words.with_flat_values(tf.where(is_long, tf.constant(unknown), words.flat_values))
    return tf.strings.reduce_join(words, axis=-1, separator=" ")


def _character_class(characters: str) -> str:
    """The inside of an RE2 character class that holds these characters."""
    codes = sorted({ord(character) for character in characters})
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in ranges)


def _stand_in(alphabet: str) -> str:
    """A letter of Linear B that the vocabulary does not know: letters for every Unicode table, and in no news."""
    return next(chr(code) for code in range(0x10000, 0x10100) if chr(code) not in alphabet)
