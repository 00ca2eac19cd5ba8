"""From clean texts to token ids, inside the graph."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from agnews.components.text.normalize import MAX_WORD_CHARACTERS, normalize
from agnews.components.text.vocabulary import UNKNOWN, Vocabulary

# The tokenizer counts bytes where BERT counts characters; a UTF-8 character has four at most. Words of too many
# characters are unknown by then.
_MAX_WORD_BYTES = 4 * MAX_WORD_CHARACTERS


class Tokenizer:
    """Splits texts into the word pieces that a BERT encoder was trained on.

    The ids equal those of Hugging Face's `BertTokenizerFast`. Names of special tokens in a text (`[SEP]`) are
    words like any other, as with its `split_special_tokens`: a text cannot end its own sequence.

    Args:
        vocabulary: The word pieces.
        lowercase: Drop case and accents, as uncased encoders do.
        max_length: Longest sequence, [CLS] and [SEP] included; at least 2.

    References:
        Song et al., "Fast WordPiece Tokenization", EMNLP 2021: linear in the length of the text. This is TensorFlow
        Text's FastBertTokenizer with its first half, the normaliser, replaced by BERT's own (see normalize.py).
    """

    def __init__(self, vocabulary: Vocabulary, *, lowercase: bool, max_length: int) -> None:
        self._vocabulary = vocabulary
        self._alphabet = "".join(sorted(set("".join(vocabulary.tokens))))
        self._lowercase = lowercase
        self._max_length = max_length

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenises and packs texts.

        Args:
            texts: string (batch,), clean UTF-8.

        Returns:
            int64 (batch, ragged): [CLS], word pieces, [SEP]; what would be longer than max_length is cut off.
        """
        words = normalize(texts, alphabet=self._alphabet, lowercase=self._lowercase)
        # Made here, in the graph that calls: a constant belongs to one graph.
        splitter = tf_text.FastWordpieceTokenizer(
            model_buffer=tf.constant(_compile(self._vocabulary)), token_out_type=tf.int64
        )
        pieces = splitter.tokenize(words)[:, : self._max_length - 2]
        edge = tf.ones([tf.size(texts), 1], tf.int64)
        return tf.concat([edge * self._vocabulary.cls_id, pieces, edge * self._vocabulary.sep_id], axis=1)


@lru_cache(maxsize=4)
def _compile(vocabulary: Vocabulary) -> Any:
    """Builds the automaton that finds word pieces: uint8, some megabytes.

    Transform traces its graph nine times; building the automaton anew and handing it to TensorFlow byte by byte, as
    the tokenizer's own constructor does, costs a second each time.
    """
    model = tf_text.build_fast_wordpiece_model(list(vocabulary.tokens), _MAX_WORD_BYTES, "##", UNKNOWN, False, False)
    return np.frombuffer(bytes(model), np.uint8)
