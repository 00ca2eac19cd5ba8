"""The transformer that is trained from scratch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.bigram_branch import BigramBranch
from agnews.components.modeling.dropout import Dropout, WordDropout, add_salt, step_seed
from agnews.components.modeling.frequent_tokens import FrequentTokens
from agnews.components.modeling.transformer_block import MaskedMeanPooling, PositionEmbedding, TransformerBlock
from agnews.schemas.features import PADDING_MASK, TOKEN_IDS

_SALTS_OF_A_BLOCK = 16


class TransformerClassifier(keras.Model):
    """Token ids to class logits: embedding, transformer blocks, pooling over tokens, and a small dense head.

    Args:
        token_table: For each id of the vocabulary, the id that the model knows it by; see `FrequentTokens`.
        max_length: Longest sequence in word pieces.
        num_classes: Classes to tell apart.
        unknown_id: Id of [UNK] in the vocabulary.
        special_ids: Ids of [PAD], [CLS] and [SEP] in the vocabulary.
        hidden_dim: Width of embedding and blocks.
        num_heads: Heads of each block.
        key_dim: Width of each head.
        num_layers: Blocks.
        intermediate_dim: Width inside the blocks' feed-forward networks.
        head_dim: Width of the dense layer before the classes.
        dropout: Share of values dropped in blocks and head while training.
        word_dropout: Share of word pieces replaced by [UNK] while training.
        bigram_buckets: Size of the table of a linear branch on word pairs; 0 leaves the branch out.
        bigram_dropout: Share of the pairs left out while training.
        seed: Of all that is left out while training.
        **kwargs: Of `keras.Model`.

    References:
        The text classifier of the Keras examples, "Text classification with Transformer" (Nandan, 2020),
        https://keras.io/examples/nlp/text_classification_with_transformer/. We differ by masking padding, in
        attention and in pooling, so that a row's result does not depend on what it is batched with.
    """

    def __init__(
        self,
        *,
        token_table: Sequence[int],
        max_length: int,
        num_classes: int,
        unknown_id: int,
        special_ids: Sequence[int],
        hidden_dim: int,
        num_heads: int,
        key_dim: int,
        num_layers: int,
        intermediate_dim: int,
        head_dim: int,
        dropout: float,
        word_dropout: float,
        bigram_buckets: int,
        bigram_dropout: float,
        seed: int = 0,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.word_dropout = WordDropout(word_dropout, unknown_id, special_ids, name="word_dropout")
        self.frequent_tokens = FrequentTokens(token_table, name="frequent_tokens")
        self.token_embedding = keras.layers.Embedding(
            max(token_table) + 1,
            hidden_dim,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="token_embedding",
        )
        self.position_embedding = PositionEmbedding(max_length, name="position_embedding")
        self.blocks = [
            TransformerBlock(num_heads, key_dim, intermediate_dim, dropout, name=f"block_{number}")
            for number in range(num_layers)
        ]
        self.pooling = MaskedMeanPooling(name="pooling")
        self.pooled_dropout = Dropout(dropout)
        self.head = keras.layers.Dense(head_dim, activation="relu", name="head")
        self.head_dropout = Dropout(dropout)
        # Half precision is too coarse for probabilities, so logits are float32 under every policy.
        self.logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")
        self.bigrams = (
            BigramBranch(num_classes, bigram_buckets, special_ids, bigram_dropout, name="bigrams")
            if bigram_buckets
            else None
        )

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Scores the classes of each row.

        Args:
            inputs: `token_ids` (batch, length) int32, 0 on padding, and `padding_mask` (batch, length) bool,
                True on tokens.
            training: Whether dropout is in force.

        Returns:
            Logits (batch, num_classes) float32. While training, with a branch of word pairs: the logits of the
            transformer and of the branch (batch, 2, num_classes), for each to have a loss of its own; their sum is
            what the model says.
        """
        seed = step_seed(self, self.seed) if training else None
        known = self.frequent_tokens(self.word_dropout(inputs[TOKEN_IDS], training=training, seed=add_salt(seed, 1)))
        logits = self._transform(self.token_embedding(known), inputs[PADDING_MASK], training, seed)
        if self.bigrams is None:
            return logits
        from_pairs = self.bigrams(inputs[TOKEN_IDS], training=training, seed=add_salt(seed, 2))
        return tf.stack([logits, from_pairs], axis=1) if training else logits + from_pairs

    def embed(self, token_ids: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """See `EmbeddingNetwork`: vectors of word pieces, and what each brings to the branch of word pairs."""
        of_tokens = self.token_embedding(self.frequent_tokens(token_ids))
        return (of_tokens,) if self.bigrams is None else (of_tokens, self.bigrams.shares(token_ids))

    def classify(self, embedded: tuple[tf.Tensor, ...], padding_mask: tf.Tensor) -> tf.Tensor:
        """See `EmbeddingNetwork`."""
        logits = self._transform(embedded[0], padding_mask, training=False, seed=None)
        if self.bigrams is None:
            return logits
        return logits + tf.reduce_sum(embedded[1], axis=1) + self.bigrams.bias

    def _transform(self, embedded: tf.Tensor, mask: tf.Tensor, training: bool, seed: tf.Tensor | None) -> tf.Tensor:
        hidden = self.position_embedding(embedded)
        for number, block in enumerate(self.blocks, start=1):
            salted = add_salt(seed, _SALTS_OF_A_BLOCK * number)
            hidden = block(hidden, padding_mask=mask, training=training, seed=salted)
        pooled = self.pooling(hidden, padding_mask=mask)
        pooled = self.pooled_dropout(pooled, training=training, seed=add_salt(seed, 3))
        return self.logits(self.head_dropout(self.head(pooled), training=training, seed=add_salt(seed, 4)))
