"""From clean texts to token ids, inside the graph."""

from __future__ import annotations

import tensorflow as tf
import tensorflow_text as tf_text

from agnews.components.text.normalize import MAX_WORD_CHARACTERS, normalize
from agnews.components.text.vocabulary import UNKNOWN, Vocabulary

# The tokenizer counts bytes where BERT counts characters; a UTF-8 character has four at most. Longer words in
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
        Song et al., "Fast WordPiece Tokenization", EMNLP 2021: linear in the length of the text. TensorFlow Text's
        implementation, behind our own normalisation (see normalize.py).
    """

    def __init__(self, vocabulary: Vocabulary, *, lowercase: bool, max_length: int) -> None:
        self._vocabulary = vocabulary
        self._alphabet = "".join(sorted(set("".join(vocabulary.tokens))))
        self._lowercase = lowercase
        self._max_length = max_length
        self._pieces = tf_text.FastBertTokenizer(
            vocab=list(vocabulary.tokens),
            max_bytes_per_word=_MAX_WORD_BYTES,
            token_out_type=tf.int32,
            unknown_token=UNKNOWN,
            # Case and accents are gone by then, and TensorFlow Text's way to drop them is not BERT's.
            lower_case_nfd_strip_accents=False,
        )

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenises and packs texts.

        Args:
            texts: string (batch,), clean UTF-8.

        Returns:
            int64 (batch, ragged): [CLS], word pieces, [SEP]; what would be longer than max_length is cut off.
        """
        words = normalize(texts, alphabet=self._alphabet, lowercase=self._lowercase)
        pieces = self._pieces.tokenize(words)[:, : self._max_length - 2]
        edge = tf.ones([tf.shape(texts)[0], 1], tf.int32)
        packed = tf.concat([edge * self._vocabulary.cls_id, pieces, edge * self._vocabulary.sep_id], axis=1)
        return tf.cast(packed, tf.int64)
