"""From a Hugging Face checkpoint to a SavedModel for `hub.KerasLayer`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf
import tf_keras as keras
from official.nlp.modeling.networks.bert_encoder import BertEncoder

from agnews.components.encoders.bert_config import BertConfig
from agnews.components.encoders.bert_tensors import BertTensor, Weights, bert_tensors
from agnews.components.encoders.encoder_card import CARD_FOLDER, EncoderCard
from agnews.components.encoders.hugging_face_checkpoint import HuggingFaceCheckpoint
from agnews.components.encoders.read_word_pieces import VOCABULARY

CONVERTER_VERSION = 1
"""Part of the digest of every converted encoder: raised whenever the same checkpoint is converted differently."""

DROPOUT_STATE = "dropout_state"
"""Name of the variable that dropout draws from. It is seeded by assigning `create_rng_state(seed, "philox")`."""

_INPUTS = ("input_word_ids", "input_mask", "input_type_ids")


def convert_checkpoint(checkpoint: HuggingFaceCheckpoint, folder: Path, *, compute_dtype: str = "float32") -> None:
    """Copies the weights into TensorFlow's BertEncoder and saves it with its vocabulary.

    The SavedModel has the interface of the BERT encoders on TF Hub, and their names of variables, and DROPOUT_STATE
    besides. A checkpoint without a pooler gets the identity for its weights.

    Args:
        checkpoint: What to convert.
        folder: Where to; it is made.
        compute_dtype: `float32`, or `bfloat16` or `float16` for layers that compute in half precision. Weights and
            outputs are float32 all the same.

    References:
        https://www.tensorflow.org/hub/common_saved_model_apis/text, "Transformer embeddings".
        https://www.tensorflow.org/hub/reusable_saved_models, for `variables` and `training`.
    """
    with _policy(compute_dtype):
        network = _build(checkpoint.config)
    dropout_state = _share_randomness(network)
    variables = {variable.name.removesuffix(":0"): variable for variable in network.variables}
    tensors = bert_tensors(checkpoint.config)
    if set(variables) != {tensor.variable for tensor in tensors}:
        raise RuntimeError(f"BertEncoder has other variables than those we know: {sorted(variables)}")
    for tensor in tensors:
        variables[tensor.variable].assign(tensor.to_variable(_weights(checkpoint, tensor)))
    card = EncoderCard(checkpoint.config, checkpoint.vocabulary.tokens, checkpoint.do_lower_case)
    card.write(str(folder))
    vocabulary = folder / CARD_FOLDER / VOCABULARY
    saveable = _saveable(network, dropout_state, vocabulary, checkpoint.do_lower_case)
    tf.saved_model.save(saveable, str(folder))


def _weights(checkpoint: HuggingFaceCheckpoint, tensor: BertTensor) -> Weights:
    if tensor.name in checkpoint.stored_names:
        return checkpoint.read(tensor)
    return np.eye(*tensor.shape, dtype=np.float32) if len(tensor.shape) > 1 else np.zeros(tensor.shape, np.float32)


@contextmanager
def _policy(compute_dtype: str) -> Iterator[None]:
    """BertEncoder takes its precision from the program's global policy alone, which is not ours to keep."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(compute_dtype if compute_dtype == "float32" else f"mixed_{compute_dtype}")
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


def _build(config: BertConfig) -> BertEncoder:
    network = BertEncoder(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        num_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        max_sequence_length=config.max_position_embeddings,
        type_vocab_size=config.type_vocab_size,
        inner_dim=config.intermediate_size,
        inner_activation=_activation(config.hidden_act),
        output_dropout=config.hidden_dropout_prob,
        attention_dropout=config.attention_probs_dropout_prob,
        # All of it is overwritten.
        initializer=keras.initializers.Zeros(),
        dict_outputs=True,
    )
    for layer in network.submodules:
        if isinstance(layer, keras.layers.LayerNormalization):
            # BertEncoder takes no epsilon for it.
            layer.epsilon = config.layer_norm_eps
    return network


def _activation(name: str) -> Callable[[tf.Tensor], tf.Tensor]:
    # Model Garden's own default is the approximation; `gelu` of Hugging Face is the exact function.
    if name == "relu":
        return lambda inputs: tf.nn.relu(inputs)
    return lambda inputs: tf.nn.gelu(inputs, approximate=name != "gelu")


def _share_randomness(network: BertEncoder) -> tf.Variable:
    """Lets all dropout draw from one generator whose state is a variable of the model, and returns that variable.

    The random operations that Keras would use keep their state to themselves: once saved in a graph they follow no
    seed, and a training that was killed cannot go on with the numbers that it would have drawn.
    """
    state = tf.Variable(tf.random.create_rng_state(0, "philox"), trainable=False, name=DROPOUT_STATE)
    generator = tf.random.Generator.from_state(state, "philox")
    for layer in network.submodules:
        if isinstance(layer, keras.layers.Dropout):
            # Keras has no public way to hand a generator to a layer.
            randomness = layer._random_generator
            randomness._rng_type, randomness._generator = randomness.RNG_STATEFUL, generator
    return state


def _saveable(
    network: BertEncoder, dropout_state: tf.Variable, vocabulary: Path, do_lower_case: bool
) -> tf.train.Checkpoint:
    """What is saved: the weights and one function. A Keras model would add a function for each of its layers."""
    specs = {name: tf.TensorSpec([None, None], tf.int32, name) for name in _INPUTS}

    # `training` is always handed over by name, so that hub.KerasLayer finds both functions.
    @tf.function(autograph=False)
    def call(inputs: Mapping[str, tf.Tensor], training: bool = False) -> dict[str, tf.Tensor | list[tf.Tensor]]:
        outputs = network(dict(inputs), training=training)
        outputs = tf.nest.map_structure(lambda output: tf.cast(output, tf.float32), outputs)
        return {**outputs, "default": outputs["pooled_output"]}

    saveable = tf.train.Checkpoint()
    saveable.__call__ = call
    for training in (False, True):
        call.get_concrete_function(specs, training=training)
    saveable.variables = [*network.variables, dropout_state]
    saveable.trainable_variables = list(network.trainable_variables)
    saveable.regularization_losses = []
    saveable.vocab_file = tf.saved_model.Asset(str(vocabulary))
    saveable.do_lower_case = tf.Variable(do_lower_case, trainable=False, name="do_lower_case")
    return saveable
