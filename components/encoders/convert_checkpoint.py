"""From a Hugging Face checkpoint to a SavedModel for `hub.KerasLayer`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from agnews.components.encoders.bert_network import BertNetwork
from agnews.components.encoders.bert_tensors import BertTensor, Weights, bert_tensors
from agnews.components.encoders.encoder_card import CARD_FOLDER, EncoderCard
from agnews.components.encoders.hugging_face_checkpoint import HuggingFaceCheckpoint
from agnews.components.encoders.read_word_pieces import VOCABULARY
from agnews.components.encoders.saved_encoder import DROPOUT_SEED

CONVERTER_VERSION = 2
"""Part of the digest of every converted encoder: raised whenever the same checkpoint is converted differently."""

_INPUTS = ("input_word_ids", "input_mask", "input_type_ids")


def convert_checkpoint(checkpoint: HuggingFaceCheckpoint, folder: Path, *, compute_dtype: str = "float32") -> None:
    """Copies the weights into a BERT network and saves it with its vocabulary.

    The SavedModel has the interface of the BERT encoders on TF Hub, and their names of variables. Beside it, the dict
    of inputs may hold DROPOUT_SEED, int64 (2,), such as the seed of a run and the number of its step: with
    `training=True` the same two drop the same values. Without it TensorFlow's global generator decides. A checkpoint
    without a pooler gets the identity for its weights.

    Args:
        checkpoint: What to convert.
        folder: Where to; it is made.
        compute_dtype: `float32`, or `bfloat16` or `float16` for layers that compute in half precision. Weights and
            outputs are float32 all the same.

    References:
        https://www.tensorflow.org/hub/common_saved_model_apis/text, "Transformer embeddings".
        https://www.tensorflow.org/hub/reusable_saved_models, for `variables` and `training`.
    """
    network = BertNetwork(checkpoint.config, compute_dtype)
    for tensor in bert_tensors(checkpoint.config):
        network.weights_by_name[tensor.variable].assign(tensor.to_variable(_weights(checkpoint, tensor)))
    card = EncoderCard(checkpoint.config, checkpoint.vocabulary.tokens, checkpoint.do_lower_case)
    card.write(str(folder))
    saveable = _saveable(network, folder / CARD_FOLDER / VOCABULARY, checkpoint.do_lower_case)
    tf.saved_model.save(saveable, str(folder))


def _weights(checkpoint: HuggingFaceCheckpoint, tensor: BertTensor) -> Weights:
    if tensor.name in checkpoint.stored_names:
        return checkpoint.read(tensor)
    return np.eye(*tensor.shape, dtype=np.float32) if len(tensor.shape) > 1 else np.zeros(tensor.shape, np.float32)


def _saveable(network: BertNetwork, vocabulary: Path, do_lower_case: bool) -> tf.train.Checkpoint:
    """What is saved: the weights and one function. A Keras model would add a function for each of its layers."""
    specs = {name: tf.TensorSpec([None, None], tf.int32, name) for name in _INPUTS}
    seed = tf.TensorSpec([2], tf.int64, DROPOUT_SEED)

    # `training` is always handed over by name, so that hub.KerasLayer finds all of them.
    @tf.function(autograph=False)
    def call(inputs: Mapping[str, tf.Tensor], training: bool = False) -> dict[str, tf.Tensor | list[tf.Tensor]]:
        if not training:
            return network(inputs)
        if DROPOUT_SEED in inputs:
            return network(inputs, inputs[DROPOUT_SEED])
        return network(inputs, tf.random.uniform((2,), minval=tf.int64.min, maxval=tf.int64.max, dtype=tf.int64))

    saveable = tf.train.Checkpoint()
    saveable.__call__ = call
    for training in (False, True):
        # A frozen hub.KerasLayer turns training off whatever its caller says, so a seed that is of no use is taken too.
        for inputs in (specs, {**specs, DROPOUT_SEED: seed}):
            call.get_concrete_function(inputs, training=training)
    saveable.variables = list(network.weights_by_name.values())
    saveable.trainable_variables = list(network.weights_by_name.values())
    saveable.regularization_losses = []
    saveable.vocab_file = tf.saved_model.Asset(str(vocabulary))
    saveable.do_lower_case = tf.Variable(do_lower_case, trainable=False, name="do_lower_case")
    return saveable
