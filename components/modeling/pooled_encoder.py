"""A pre-trained BERT encoder, from tokens to a vector a row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import tensorflow as tf
import tensorflow_hub as hub
import tf_keras as keras

from agnews.components.encoders.bert_network import BertNetwork
from agnews.components.encoders.encoder_card import read_encoder_card
from agnews.components.modeling.transformer_block import MaskedMeanPooling
from agnews.schemas.features import PADDING_MASK, TOKEN_IDS

_LAYER = re.compile(r"transformer/layer_(\d+)/")
_POOLER = "pooler_transform/"
_LAYERS_POOLED = 3


class PooledEncoder(keras.Model):
    """Runs an encoder and makes one vector of each row.

    Args:
        folder: SavedModel of the encoder; `Encoder.folder`.
        pooling: `mean` over the tokens of the last layer, `layers`: those means of the last three layers, side by side
            (of all where there are fewer), or `pooled`: the encoder's `pooled_output`.
        trainable: Whether the encoder learns; only then is its dropout in force.
        frozen_layers: Where it learns: embeddings and the first that many layers do not; 0 lets everything learn.
        takes_dropout_seed: `Encoder.takes_dropout_seed`; without it, dropout inside is drawn from TensorFlow's global
            generator.
        **kwargs: Of `keras.Model`.

    References:
        Devlin et al. (2018), "BERT", https://arxiv.org/abs/1810.04805, for `pooled`. Reimers, Gurevych (2019),
        "Sentence-BERT", section 3, https://arxiv.org/abs/1908.10084, for `mean`. Devlin et al., section 5.3,
        for several layers side by side.
    """

    def __init__(
        self,
        folder: str,
        *,
        pooling: Literal["mean", "layers", "pooled"],
        trainable: bool,
        frozen_layers: int = 0,
        takes_dropout_seed: bool = False,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.folder = folder
        self.takes_dropout_seed = takes_dropout_seed
        self.pooling = pooling
        self.frozen_layers = frozen_layers
        self.encoder = hub.KerasLayer(folder, trainable=trainable, name="encoder")
        self.mean = MaskedMeanPooling(name="mean", dtype="float32")

    def call(self, inputs: Mapping[str, tf.Tensor], training: bool = False, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Encodes.

        Args:
            inputs: `token_ids` (batch, length) int32, 0 on padding, and `padding_mask` (batch, length) bool, True on
                tokens.
            training: Whether dropout is in force.
            seed: int64 (2,) of what is dropped, for an encoder that takes one; see `step_seed`.

        Returns:
            float32 (batch, width of the encoder, for `layers` times the layers).
        """
        token_ids, mask = inputs[TOKEN_IDS], inputs[PADDING_MASK]
        words = {
            "input_word_ids": token_ids,
            "input_mask": tf.cast(mask, tf.int32),
            "input_type_ids": tf.zeros_like(token_ids),
        }
        if self.takes_dropout_seed and seed is not None:
            words["dropout_seed"] = seed
        return self._pool(self.encoder(words, training=training), mask)

    def embed(self, token_ids: tf.Tensor) -> tf.Tensor:
        """Looks up the vectors of word pieces.

        Args:
            token_ids: (batch, length) int32.

        Returns:
            float32 (batch, length, width of the encoder).
        """
        return self._network().embed(token_ids)

    def encode(self, embedded: tf.Tensor, padding_mask: tf.Tensor) -> tf.Tensor:
        """Encodes vectors in place of word pieces.

        Args:
            embedded: float32 (batch, length, width of the encoder), from `embed` or anything between two such.
            padding_mask: (batch, length) bool.

        Returns:
            float32, as of a call: for vectors from `embed`, what a call gives for their pieces.
        """
        mask = tf.cast(padding_mask, tf.int32)
        return self._pool(self._network().encode(embedded, mask, tf.zeros_like(mask)), padding_mask)

    def _network(self) -> BertNetwork:
        """The encoder's weights in a forward pass that can be entered behind the lookup, as a SavedModel's cannot.

        Made anew each time: what a Keras model holds on to becomes a part of its checkpoints.
        """
        weights = {weight.name.partition(":")[0]: weight for weight in self.encoder.weights}
        return BertNetwork(read_encoder_card(Path(self.folder)).config, weights_by_name=weights)

    def _pool(self, outputs: Mapping[str, tf.Tensor], mask: tf.Tensor) -> tf.Tensor:
        if self.pooling == "pooled":
            return outputs["pooled_output"]
        if self.pooling == "layers":
            layers = outputs["encoder_outputs"][-_LAYERS_POOLED:]
            return tf.concat([self.mean(layer, padding_mask=mask) for layer in layers], axis=-1)
        return self.mean(outputs["sequence_output"], padding_mask=mask)

    @property
    def trainable_weights(self) -> list[tf.Variable]:
        """The weights that learn."""
        return [weight for weight in super().trainable_weights if self._learns(weight.name)]

    @property
    def non_trainable_weights(self) -> list[tf.Variable]:
        """All others."""
        frozen = [weight for weight in super().trainable_weights if not self._learns(weight.name)]
        return [*super().non_trainable_weights, *frozen]

    def _learns(self, name: str) -> bool:
        if name.startswith(_POOLER):
            return self.pooling == "pooled"
        layer = _LAYER.match(name)
        return not self.frozen_layers or (layer is not None and int(layer.group(1)) >= self.frozen_layers)
