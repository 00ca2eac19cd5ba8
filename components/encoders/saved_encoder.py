"""What a SavedModel says about the encoder in it, without loading it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2, struct_pb2

from agnews.components.encoders.find_encoder import SAVED_MODEL
from agnews.components.storage.safe_relative import safe_relative
from agnews.schemas.errors import AgnewsError

DROPOUT_SEED = "dropout_seed"
"""Name of the input of a converted encoder that decides what dropout drops."""

_INPUTS = {"input_word_ids", "input_mask", "input_type_ids"}
_OUTPUTS = {"pooled_output", "sequence_output", "encoder_outputs", "default"}
_EXAMPLE = "https://tfhub.dev/tensorflow/small_bert/bert_en_uncased_L-4_H-128_A-2/1"
_Shape = tuple[int, ...]


@dataclass(frozen=True)
class SavedEncoder:
    """An encoder with the interface of the BERT encoders on TF Hub.

    Attributes:
        folder: Where the SavedModel is.
        vocabulary_file: Its asset with the word pieces.
        do_lower_case: Whether texts lose case and accents.
        num_layers: Outputs of layers that it returns.
        shapes: Shapes of its trainable variables by name: those of `BertTensor.variable`.
        takes_dropout_seed: Whether one of its functions takes `dropout_seed` beside the other inputs.
        is_exact: Whether its activation is the exact Gaussian error function rather than an approximation.
    """

    folder: Path
    vocabulary_file: Path
    do_lower_case: bool
    num_layers: int
    shapes: Mapping[str, _Shape]
    takes_dropout_seed: bool
    is_exact: bool

    @property
    def vocabulary_size(self) -> int:
        """Ids that it knows."""
        return self.shapes["word_embeddings/embeddings"][0]

    @property
    def max_length(self) -> int:
        """Longest sequence in word pieces."""
        return self.shapes["position_embedding/embeddings"][0]

    @property
    def hidden_dim(self) -> int:
        """Width of the outputs."""
        return self.shapes["pooler_transform/bias"][0]

    @property
    def parameters(self) -> int:
        """Weights that can be trained, counted one by one."""
        return sum(math.prod(shape) for shape in self.shapes.values())


def open_saved_encoder(folder: Path) -> SavedEncoder:
    """Reads the description in a SavedModel and checks that it is an encoder that can be fine-tuned.

    Args:
        folder: Holds saved_model.pb, variables and assets.

    Returns:
        The encoder.

    Raises:
        AgnewsError: It is damaged, has no object graph (TF1), no vocabulary, or another interface than BERT's.
    """
    try:
        return _open(folder)
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise _unusable(folder, f"a graph that contradicts itself: {error!r}", "Copy or fetch it again.") from error


def _open(folder: Path) -> SavedEncoder:
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString((folder / SAVED_MODEL).read_bytes())
        graph = model.meta_graphs[0]
    except (OSError, DecodeError, IndexError) as error:
        raise _unusable(folder, f"{SAVED_MODEL} cannot be read: {error}", "Copy or fetch the encoder again.") from error
    nodes = graph.object_graph_def.nodes
    if not nodes:
        raise _unusable(folder, "no object graph: this is the format of TensorFlow 1")
    root = {child.local_name: nodes[child.node_id] for child in nodes[0].children}
    missing = sorted({"__call__", "trainable_variables", "vocab_file", "do_lower_case"} - set(root))
    if missing:
        raise _unusable(folder, f"no {', '.join(missing)}; it has {', '.join(sorted(root)) or 'nothing'}")
    weights = [nodes[child.node_id].variable for child in root["trainable_variables"].children]
    shapes = {each.name: tuple(dim.size for dim in each.shape.dim) for each in weights}
    tables = {"word_embeddings/embeddings", "position_embedding/embeddings", "pooler_transform/bias"}
    if not tables <= set(shapes):
        raise _unusable(folder, f"no variable {', '.join(sorted(tables - set(shapes)))}")
    asset = graph.asset_file_def[root["vocab_file"].asset.asset_file_def_index]
    operations = {node.op for function in graph.graph_def.library.function for node in function.node_def}
    return SavedEncoder(
        folder=folder,
        vocabulary_file=folder / "assets" / safe_relative(asset.filename, within=str(folder / SAVED_MODEL)),
        do_lower_case=_read_flag(folder),
        num_layers=_count_layers(folder, graph, root["__call__"].function.concrete_functions),
        shapes=shapes,
        takes_dropout_seed=_takes_seed(graph, root["__call__"].function.concrete_functions),
        is_exact="Erf" in operations,
    )


def _count_layers(folder: Path, graph: object, names: list[str]) -> int:
    """Checks inputs and outputs of the function that is called, and returns how many layers it shows."""
    for name in names:
        function = graph.object_graph_def.concrete_functions[name]  # type: ignore[attr-defined]  # protobuf has no types
        outputs = function.output_signature.dict_value.fields
        if set(outputs) >= _OUTPUTS and _takes(function.canonicalized_input_signature, _INPUTS):
            return len(outputs["encoder_outputs"].list_value.values)
    wanted = f"{', '.join(sorted(_INPUTS))} to {', '.join(sorted(_OUTPUTS))}"
    raise _unusable(folder, f"no function from a dict of {wanted}")


def _takes_seed(graph: object, names: list[str]) -> bool:
    functions = (graph.object_graph_def.concrete_functions[name] for name in names)  # type: ignore[attr-defined]
    return any(_takes(each.canonicalized_input_signature, {*_INPUTS, DROPOUT_SEED}) for each in functions)


def _takes(value: struct_pb2.StructuredValue, inputs: set[str]) -> bool:
    """Looks for the dict of inputs, which stands first among arguments, which stand beside named arguments."""
    if value.HasField("dict_value"):
        return set(value.dict_value.fields) == inputs
    return any(_takes(each, inputs) for each in value.tuple_value.values)


def _read_flag(folder: Path) -> bool:
    try:
        reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        return bool(reader.get_tensor("do_lower_case/.ATTRIBUTES/VARIABLE_VALUE"))
    except (tf.errors.OpError, ValueError) as error:
        raise _unusable(folder, f"variables that cannot be read: {error}", "Copy or fetch it again.") from error


def _unusable(folder: Path, found: str, fix: str = "") -> AgnewsError:
    return AgnewsError(
        f"{folder} is not a BERT encoder that can be used.",
        found=found,
        fix=fix or f"Use one of TF Hub's BERT encoders (not its preprocessing model), for example {_EXAMPLE}",
    )
