"""From a SavedModel with an encoder in it back to a Hugging Face checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from agnews.components.encoders.bert_tensors import Weights, bert_tensors
from agnews.components.encoders.hugging_face_checkpoint import POOLER, WEIGHTS
from agnews.components.encoders.read_encoder_card import read_encoder_card
from agnews.components.encoders.write_safetensors import write_safetensors
from agnews.schemas.errors import AgnewsError


def export_checkpoint(saved_model: Path, target: Path) -> None:
    """Writes config.json, vocab.txt, tokenizer_config.json and model.safetensors for `transformers.BertModel`.

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
    incoming = target.with_name(f".incoming-{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if incoming.is_dir():
            shutil.rmtree(incoming)
        incoming.mkdir()
        for name, content in files.items():
            (incoming / name).write_bytes(content)
        write_safetensors(incoming / WEIGHTS, weights)
        incoming.rename(target)
    except OSError as error:
        raise AgnewsError(
            f"{target} cannot be written.",
            found=error.strerror or error,
            fix="Free some space, or name a folder that you may write to.",
        ) from error
