"""From a Hugging Face checkpoint to a SavedModel for `hub.KerasLayer`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from agnews.components.encoders.bert_network import BertNetwork
from agnews.components.encoders.bert_tensors import BertTensor, Weights, bert_tensors
from agnews.components.encoders.encoder_card import CARD_FOLDER, EncoderCard, read_encoder_card
from agnews.components.encoders.hugging_face_checkpoint import POOLER, WEIGHTS, HuggingFaceCheckpoint
from agnews.components.encoders.safetensors_file import write_safetensors
from agnews.components.encoders.saved_encoder import DROPOUT_SEED
from agnews.components.encoders.tokenizer_description import VOCABULARY
from agnews.components.storage.atomic_output import make_folders, sync_folder, sync_tree
from agnews.components.storage.explain_storage_errors import explain_storage_errors
from agnews.schemas.errors import AgnewsError

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


def export_checkpoint(saved_model: Path, target: Path) -> None:
    """Writes config.json, vocab.txt, tokenizer_config.json and model.safetensors for `transformers.AutoModel`.

    Args:
        saved_model: Folder of an encoder, or of a model that was fine-tuned with one; layers of its own, such as the
            classes, are left out.
        target: Folder to write to; it appears whole, or not at all.

    Raises:
        AgnewsError: There is something at the target already, or no encoder in the SavedModel, or the disk is full.
    """
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise AgnewsError("There is something in this place already.", found=target, fix="Name a new folder.")
    try:
        card = read_encoder_card(saved_model)
    except AgnewsError as error:
        raise AgnewsError(
            f"No encoder can be taken out of {saved_model}.",
            found=error.found,
            fix="Name an encoder, or a model that was trained with one (`--model bert_finetune`).",
        ) from error
    stored = _read_variables(saved_model)
    tensors = bert_tensors(card.config)
    wrong = [
        f"{each.variable} {list(stored[each.variable].shape) if each.variable in stored else 'missing'}"
        for each in tensors
        if each.variable not in stored or stored[each.variable].shape != each.variable_shape
    ]
    if wrong:
        raise AgnewsError(
            f"{saved_model} does not hold the encoder that its card describes.",
            found=f"{len(wrong)} of {len(tensors)} weights, the first: {wrong[0]}",
            fix="Export a model that was trained from an encoder, or an encoder itself.",
        )
    weights = {each.name: each.from_variable(stored[each.variable]) for each in tensors}
    # No class of the other families has a pooler; there it is always the stand-in, or was trained from it.
    if np.array_equal(weights[POOLER[0]], np.eye(card.config.hidden_size)) and not weights[POOLER[1]].any():
        # The stand-in for a pooler that the checkpoint never had, and that training never changed.
        weights = {name: values for name, values in weights.items() if name not in POOLER}
    _write(target, card.files(), weights)


def _read_variables(saved_model: Path) -> dict[str, Weights]:
    """Reads the variables by the names that they were made with, wherever in the model they hang."""
    try:
        reader = tf.train.load_checkpoint(str(saved_model / "variables" / "variables"))
        graph = trackable_object_graph_pb2.TrackableObjectGraph()
        graph.ParseFromString(reader.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH"))
        entries = {entry.checkpoint_key: entry.full_name for node in graph.nodes for entry in node.attributes}
        types = reader.get_variable_to_dtype_map()
        return {
            name: reader.get_tensor(key).astype(np.float32)
            for key, name in entries.items()
            if name and types[key].is_floating
        }
    except (tf.errors.OpError, ValueError) as error:
        raise AgnewsError(
            f"The variables of {saved_model} cannot be read.", found=error, fix="Copy or export the model again."
        ) from error


def _write(target: Path, files: Mapping[str, bytes], weights: Mapping[str, Weights]) -> None:
    with explain_storage_errors(f"writing {target}", elsewhere="name another folder"):
        make_folders(target.parent)
        with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
            incoming = Path(scratch) / target.name
            incoming.mkdir()
            for name, content in files.items():
                (incoming / name).write_bytes(content)
            write_safetensors(incoming / WEIGHTS, weights)
            sync_tree(incoming)
            incoming.rename(target)
            sync_folder(target.parent)
