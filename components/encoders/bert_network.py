"""BERT's forward pass, written for the speed of matrix products on a CPU."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import tensorflow as tf

from agnews.components.encoders.bert_config import BertConfig
from agnews.components.encoders.bert_tensors import bert_tensors

_LEVELS = 2**16
_VALUES_PER_DRAW = 4
_SELF_ATTENTION = "self_attention"


class BertNetwork(tf.Module):
    """A BERT encoder with TF Hub's names of variables and of outputs.

    Args:
        config: Sizes, rates, activation.
        compute_dtype: Precision of matrix products: `float32`, `bfloat16` or `float16`. Weights, sums of residuals,
            normalisation and softmax are float32 in any case.
        weights_by_name: Variables of an encoder that is there already, by `BertTensor.variable`; None makes new ones,
            all zero.

    Attributes:
        weights_by_name: The variables by `BertTensor.variable`.

    References:
        Devlin et al. (2018), "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
        https://arxiv.org/abs/1810.04805. Gives the outputs of `official.nlp.modeling.networks.BertEncoder` with the
        same weights. We differ in speed: products of matrices with two axes in place of einsums; constant factors go
        to weights, which are smaller than what they are multiplied by; dropout draws 16 bits a value, and keeps no
        state.
    """

    def __init__(
        self,
        config: BertConfig,
        compute_dtype: str = "float32",
        weights_by_name: Mapping[str, tf.Variable] | None = None,
    ) -> None:
        super().__init__()
        self._config = config
        self._dtype = tf.as_dtype(compute_dtype)
        self.weights_by_name = weights_by_name or {
            tensor.variable: tf.Variable(tf.zeros(tensor.variable_shape), name=tensor.variable)
            for tensor in bert_tensors(config)
        }

    def __call__(
        self, inputs: Mapping[str, tf.Tensor], dropout_seed: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor | list[tf.Tensor]]:
        """Encodes.

        Args:
            inputs: `input_word_ids`, `input_mask` and `input_type_ids`, each int32 (batch, length).
            dropout_seed: int64 (2,): the same one drops the same values. None drops nothing.

        Returns:
            `sequence_output` (batch, length, width), `encoder_outputs`, a list of such, and `pooled_output` and
            `default` (batch, width), all float32.
        """
        of_words = self.embed(inputs["input_word_ids"])
        return self.encode(of_words, inputs["input_mask"], inputs["input_type_ids"], dropout_seed)

    def embed(self, words: tf.Tensor) -> tf.Tensor:
        """Looks up the vectors of word pieces, before anything is added to them.

        Args:
            words: int32 (batch, length).

        Returns:
            float32 (batch, length, width of the vectors of word pieces).
        """
        return tf.gather(self.weights_by_name["word_embeddings/embeddings"], words)

    def encode(
        self, of_words: tf.Tensor, mask: tf.Tensor, types: tf.Tensor, dropout_seed: tf.Tensor | None = None
    ) -> dict[str, tf.Tensor | list[tf.Tensor]]:
        """Encodes vectors of word pieces, which need not be those of any piece.

        Args:
            of_words: float32 (batch, length, width of the vectors of word pieces), from `embed`.
            mask: `input_mask`, int32 (batch, length).
            types: `input_type_ids`, int32 (batch, length).
            dropout_seed: As in a call.

        Returns:
            What a call returns.
        """
        dropout = _Dropout(dropout_seed)
        shape = tf.concat([tf.shape(of_words)[:2], [self._config.hidden_size]], axis=0)
        rows = tf.reshape(self._place(of_words, types), (-1, self._config.embedding_width))  # (B * L, D)
        rows = dropout(self._normalise(rows, "embeddings/layer_norm"), self._config.hidden_dropout_prob)
        if self._config.projects_embeddings:
            rows = tf.cast(self._affine(tf.cast(rows, self._dtype), "embedding_projection"), tf.float32)
        # Large enough that the exponential of a masked score is exactly 0 in float32, so no gradient passes either.
        penalty = (tf.cast(mask, tf.float32)[:, tf.newaxis, tf.newaxis, :] - 1.0) * 1e9
        layers = []
        for number in range(self._config.num_hidden_layers):
            name = f"transformer/layer_{number}"
            attended = self._attend(rows, name, shape[:2], penalty, dropout)
            rows = self._normalise(rows + attended, f"{name}/self_attention_layer_norm")
            rows = self._normalise(rows + self._feed_forward(rows, name, dropout), f"{name}/output_layer_norm")
            layers.append(tf.reshape(rows, shape))
        first = tf.cast(layers[-1][:, 0], self._dtype)
        pooled = tf.cast(tf.tanh(self._affine(first, "pooler_transform")), tf.float32)
        return {
            "sequence_output": layers[-1],
            "encoder_outputs": layers,
            "pooled_output": pooled,
            "default": pooled,
        }

    def _place(self, of_words: tf.Tensor, types: tf.Tensor) -> tf.Tensor:
        """Adds vectors of types and positions."""
        tables = self.weights_by_name
        of_positions = tables["position_embedding/embeddings"][: tf.shape(of_words)[1]]
        if not self._config.type_vocab_size:
            return of_words + of_positions
        # Few rows and many occurrences: a product gives a small dense gradient where a gather gives many slices.
        of_types = tf.matmul(
            tf.one_hot(tf.reshape(types, [-1]), self._config.type_vocab_size), tables["type_embeddings/embeddings"]
        )
        return of_words + tf.reshape(of_types, tf.shape(of_words)) + of_positions

    def _attend(self, rows: tf.Tensor, name: str, shape: tf.Tensor, penalty: tf.Tensor, dropout: _Dropout) -> tf.Tensor:
        """What each position brings together from all of its row, (B * L, D)."""
        width, heads = self._config.hidden_size, self._config.num_attention_heads
        split = tf.concat([shape, [heads, width // heads]], axis=0)
        halved = tf.cast(rows, self._dtype)

        def project(part: str, scale: float = 1.0) -> tf.Tensor:
            projected = self._affine(halved, f"{name}/{_SELF_ATTENTION}/{part}", scale)
            return tf.transpose(tf.reshape(projected, split), (0, 2, 1, 3))  # (B, H, L, K)

        query, key, value = project("query", (width // heads) ** -0.5), project("key"), project("value")
        scores = tf.cast(tf.matmul(query, key, transpose_b=True), tf.float32) + penalty  # (B, H, L, L)
        shares = dropout(tf.nn.softmax(scores), self._config.attention_probs_dropout_prob)
        contexts = tf.transpose(tf.matmul(tf.cast(shares, self._dtype), value), (0, 2, 1, 3))
        output = self._affine(tf.reshape(contexts, (-1, width)), f"{name}/{_SELF_ATTENTION}/attention_output")
        rate = self._config.attention_output_dropout_prob
        return dropout(tf.cast(output, tf.float32), self._config.hidden_dropout_prob if rate is None else rate)

    def _feed_forward(self, rows: tf.Tensor, name: str, dropout: _Dropout) -> tf.Tensor:
        """Each position by itself, (B * L, D) to the same."""
        halved = tf.cast(rows, self._dtype)
        if self._config.hidden_act == "gelu" and dropout.is_on:
            # x (1 + erf(x / sqrt(2))) / 2, its factors moved to both kernels: half the passes over what is widest,
            # there and back. Without gradients, TensorFlow's own fusion of all of it with the product is faster.
            inner = self._affine(halved, f"{name}/intermediate", math.sqrt(0.5))
            output = self._affine(inner * (tf.math.erf(inner) + 1.0), f"{name}/output", math.sqrt(0.5), bias_scale=1.0)
        else:
            output = self._affine(self._activate(self._affine(halved, f"{name}/intermediate")), f"{name}/output")
        return dropout(tf.cast(output, tf.float32), self._config.hidden_dropout_prob)

    def _activate(self, inner: tf.Tensor) -> tf.Tensor:
        if self._config.hidden_act == "relu":
            return tf.nn.relu(inner)
        return tf.nn.gelu(inner, approximate=self._config.hidden_act != "gelu")

    def _affine(self, rows: tf.Tensor, name: str, scale: float = 1.0, bias_scale: float | None = None) -> tf.Tensor:
        """A dense layer on (rows, D), whatever axes its kernel is kept with, times `scale`."""
        kernel, bias = self.weights_by_name[f"{name}/kernel"], self.weights_by_name[f"{name}/bias"]
        columns = bias.shape.num_elements()
        return tf.nn.bias_add(
            tf.matmul(rows, tf.reshape(self._scaled(kernel, scale), (-1, columns))),
            tf.reshape(self._scaled(bias, scale if bias_scale is None else bias_scale), [columns]),
        )

    def _scaled(self, weights: tf.Variable, scale: float) -> tf.Tensor:
        return tf.cast(weights if scale == 1.0 else weights * scale, self._dtype)

    def _normalise(self, rows: tf.Tensor, name: str) -> tf.Tensor:
        centred = rows - tf.reduce_mean(rows, axis=-1, keepdims=True)
        variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
        gamma, beta = self.weights_by_name[f"{name}/gamma"], self.weights_by_name[f"{name}/beta"]
        return centred * tf.math.rsqrt(variance + self._config.layer_norm_eps) * gamma + beta


class _Dropout:
    """The dropout of one pass. Each call is a layer of its own, with a salt of its own."""

    def __init__(self, seed: tf.Tensor | None) -> None:
        self._seed = seed
        self._salts = itertools.count(1)

    @property
    def is_on(self) -> bool:
        return self._seed is not None

    def __call__(self, values: tf.Tensor, rate: float) -> tf.Tensor:
        dropped = round(rate * _LEVELS)
        if self._seed is None or not dropped:
            return values
        seed = self._seed + tf.constant([next(self._salts), 0], tf.int64)
        count = tf.size(values)
        # The generator is named, so that each device and XLA draw the same.
        draws = tf.random.stateless_uniform(
            [-(-count // _VALUES_PER_DRAW)], seed=seed, minval=None, maxval=None, dtype=tf.int64, alg="philox"
        )
        levels = tf.reshape(tf.reshape(tf.bitcast(draws, tf.uint16), [-1])[:count], tf.shape(values))
        return values * (
            tf.cast(levels >= tf.constant(dropped, tf.uint16), values.dtype) * (_LEVELS / (_LEVELS - dropped))
        )
