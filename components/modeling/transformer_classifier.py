"""The transformer that is trained from scratch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.frequent_tokens import FrequentTokens
from agnews.components.modeling.masked_mean_pooling import MaskedMeanPooling
from agnews.components.modeling.token_and_position_embedding import TokenAndPositionEmbedding
from agnews.components.modeling.transformer_block import TransformerBlock
from agnews.components.modeling.word_dropout import WordDropout
from agnews.schemas.features import PADDING_MASK, TOKEN_IDS


class TransformerClassifier(keras.Model):
    """Token ids to class logits: embeddings, transformer blocks, the mean over tokens, and a small dense head.

    Args:
        token_table: For each id of the vocabulary, the id that the model knows it by; see `FrequentTokens`.
        max_length: Longest sequence in word pieces.
        num_classes: Classes to tell apart.
        unknown_id: Id of [UNK] in the vocabulary.
        kept_ids: Ids of the vocabulary that word dropout leaves alone.
        hidden_dim: Width of embeddings and blocks.
        num_heads: Heads of each block.
        key_dim: Width of each head.
        num_layers: Blocks.
        intermediate_dim: Width inside the blocks' feed-forward networks.
        head_dim: Width of the dense layer before the classes.
        dropout: Share of values dropped in blocks and head while training.
        word_dropout: Share of word pieces replaced by [UNK] while training.
        **kwargs: Of `keras.Model`.

    References:
        The text classifier of the Keras examples, "Text classification with Transformer" (Nandan, 2020),
        https://keras.io/examples/nlp/text_classification_with_transformer/. We differ by masking padding, in
        attention and in the mean, so that a row's result does not depend on what it is batched with.
    """

    def __init__(
        self,
        *,
        token_table: Sequence[int],
        max_length: int,
        num_classes: int,
        unknown_id: int,
        kept_ids: Sequence[int],
        hidden_dim: int,
        num_heads: int,
        key_dim: int,
        num_layers: int,
        intermediate_dim: int,
        head_dim: int,
        dropout: float,
        word_dropout: float,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.word_dropout = WordDropout(word_dropout, unknown_id, kept_ids, name="word_dropout")
        self.frequent_tokens = FrequentTokens(token_table, name="frequent_tokens")
        self.embedding = TokenAndPositionEmbedding(max(token_table) + 1, max_length, hidden_dim, name="embedding")
        self.blocks = [
            TransformerBlock(num_heads, key_dim, intermediate_dim, dropout, name=f"block_{number}")
            for number in range(num_layers)
        ]
        self.pooling = MaskedMeanPooling(name="pooling")
        self.pooled_dropout = keras.layers.Dropout(dropout)
        self.head = keras.layers.Dense(head_dim, activation="relu", name="head")
        self.head_dropout = keras.layers.Dropout(dropout)
        # Half precision is too coarse for probabilities, so logits are float32 under every policy.
        self.logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Scores the classes of each row.

        Args:
            inputs: `token_ids` (batch, length) int32, 0 on padding, and `padding_mask` (batch, length) bool,
                True on tokens.
            training: Whether dropout is in force.

        Returns:
            Logits (batch, num_classes) float32.
        """
        mask = inputs[PADDING_MASK]
        token_ids = self.frequent_tokens(self.word_dropout(inputs[TOKEN_IDS], training=training))
        hidden = self.embedding(token_ids)
        for block in self.blocks:
            hidden = block(hidden, padding_mask=mask, training=training)
        pooled = self.pooled_dropout(self.pooling(hidden, padding_mask=mask), training=training)
        return self.logits(self.head_dropout(self.head(pooled), training=training))
