"""From texts to characters, for linear models that are measured before there is a vocabulary."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from agnews.components.text.clean import clean
from agnews.components.text.tokenizer import Tokenizer
from agnews.components.text.vocabulary import CLS, PAD, SEP, UNKNOWN, Vocabulary

_LONGEST = 4096
_ROWS_AT_ONCE = 1024

Cut = Callable[[Sequence[str]], tuple[NDArray[np.int32], NDArray[np.int64]]]


def character_vocabulary(texts: Sequence[str]) -> Vocabulary:
    """Returns a vocabulary that cuts texts into characters, and knows all of them.

    Args:
        texts: Some, in any language.
    """
    found = set().union(*texts)
    found |= set(unicodedata.normalize("NFD", "".join(found)).lower())
    letters = sorted(each for each in found if not each.isspace() and each.isprintable())
    return Vocabulary("characters", (PAD, UNKNOWN, CLS, SEP, *letters, *(f"##{each}" for each in letters)))


def text_cutter(vocabulary: Vocabulary) -> Cut:
    """Returns what cuts texts into word pieces.

    Args:
        vocabulary: The pieces.

    Returns:
        Texts go in; out come ids one behind the other, (pieces of all texts,), and (texts + 1,) positions at which each
        text begins and ends.
    """
    tokenizer = Tokenizer(vocabulary, lowercase=True, max_length=_LONGEST)
    graph = tf.function(
        lambda texts: tokenizer(clean(texts)), input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
    )

    def cut(texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        ids, lengths = [np.zeros(0, np.int32)], [np.zeros(1, np.int64)]
        for first in range(0, len(texts), _ROWS_AT_ONCE):
            found = graph(tf.constant(texts[first : first + _ROWS_AT_ONCE], tf.string))
            ids.append(found.flat_values.numpy().astype(np.int32))
            lengths.append(found.row_lengths().numpy())
        return np.concatenate(ids), np.cumsum(np.concatenate(lengths))

    return cut
