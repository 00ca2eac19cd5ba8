"""A version in TensorFlow, where an export may classify in its place."""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the ops of the tokenizer that is part of the model
from google.protobuf.json_format import MessageToDict
from tensorflow.core.protobuf import meta_graph_pb2
from typing_extensions import override

from agnews.components.engines.engine_choice import EngineChoice
from agnews.components.engines.find_export import choose_export
from agnews.components.engines.text_engine import TextEngine, open_export
from agnews.components.engines.text_tokens import Tokens
from agnews.components.model_server.served_version import (
    ABSTAINED,
    Outputs,
    ServedSignature,
    ServedVersion,
    UnusableTextsError,
    unusable,
)
from agnews.components.model_store.find_pushed_model import PushedModel
from agnews.components.model_store.sound_copy import sound_copy
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import (
    EXPLAIN,
    PADDING_MASK,
    SERVE_EXAMPLES,
    SERVE_TEXT,
    TOKEN_IDS,
    TRANSFORM_FEATURES,
)

_ABSTAINED = meta_graph_pb2.TensorInfo(
    name=f"{ABSTAINED}:0", dtype=tf.bool.as_datatype_enum, tensor_shape=tf.TensorShape([None]).as_proto()
)
"""Computed from the probabilities, behind the graph."""


class SavedModelVersion(ServedVersion):
    """Holds a SavedModel in a session of its own, as TensorFlow Serving does: closing it frees all its memory.

    A session also costs less per call than the functions of `tf.saved_model.load`, and it can run all of a graph in the
    thread that calls it, which saves small models most of their time.

    Where an export answers in its place, the signatures that classify are the export's, and all others, explanations
    among them, stay the SavedModel's.

    Args:
        model: The pushed version.
        threads: Threads that share the work of one large operation.
        engine: What classifies.
        batches: How many an engine other than TensorFlow computes at once.

    Raises:
        AgnewsError: The files cannot be loaded, or the model does not classify texts as its record says.
    """

    def __init__(
        self,
        model: PushedModel,
        *,
        threads: int = 1,
        engine: EngineChoice = EngineChoice.TENSORFLOW,
        batches: int = 1,
    ) -> None:
        super().__init__(model, str(EngineChoice.TENSORFLOW))
        self._engine: TextEngine | None = None
        self._calls: dict[str, Any] = {}
        started = time.monotonic()
        graph = tf.Graph()
        # -1: operations run one after the other in the calling thread, and are not handed from thread to thread.
        config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=-1)
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        try:
            with sound_copy(model.folder, model.record.model_digest) as folder, graph.as_default():
                meta_graph = tf.compat.v1.saved_model.loader.load(self._session, ["serve"], folder)
            # The nodes of the graph are not needed again, and are most of the message.
            self.signature_defs = dict(meta_graph.signature_def.items())
            for name, definition in self.signature_defs.items():
                self._prepare(name, definition)
                if name in self.signatures and ABSTAINED in self.returned(name):
                    definition.outputs[ABSTAINED].CopyFrom(_ABSTAINED)
            self._take_engine(model, engine, batches)
            self.check_and_warm_up()
            if EXPLAIN in self.signatures:
                # The first call prepares the gradients' part of the graph, which takes seconds.
                self.run(EXPLAIN, [b"Stocks rise as oil falls"])
        except AgnewsError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise unusable(model, f"{type(error).__name__}: {_first_line(error)}") from error
        self.load_seconds = time.monotonic() - started

    @override
    def run(self, signature: str, values: Sequence[bytes]) -> Outputs:
        """See `ServedVersion`."""
        rows = np.empty(len(values), object)
        rows[:] = values
        try:
            found = self._calls[signature](rows)
        except tf.errors.InvalidArgumentError as error:
            raise UnusableTextsError(_reason(error.message)) from error
        return self.name_outputs(signature, found)

    @override
    def describe_signatures(self) -> dict[str, Any]:
        """See `ServedVersion`."""
        return {
            key: MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
            for key, message in sorted(self.signature_defs.items())
        }

    @override
    def close(self) -> None:
        """See `ServedVersion`."""
        self._calls.clear()
        if self._engine is not None:
            self._engine.close()
            self._engine = None
        self._session.close()
        del self._session
        gc.collect()

    def _prepare(self, name: str, definition: Any) -> None:
        inputs = dict(definition.inputs)
        if len(inputs) != 1:
            return
        ((argument, info),) = inputs.items()
        if info.dtype != tf.string.as_datatype_enum or _sizes(info) != [-1]:
            return
        outputs = dict(definition.outputs.items())
        shapes = [_sizes(tensor) for tensor in outputs.values()]
        is_row_wise = all(shape[:1] == [-1] and -1 not in shape[1:] for shape in shapes)
        self.signatures[name] = ServedSignature(argument, is_row_wise, tuple(outputs))
        self._calls[name] = self._session.make_callable(
            [tensor.name for tensor in outputs.values()], feed_list=[info.name]
        )

    def _take_engine(self, model: PushedModel, choice: EngineChoice, batches: int) -> None:
        """Lets an export classify in place of the graph, if one is to."""
        export = choose_export(model.folder, model.record.version, choice)
        if export is None:
            return
        self._engine = engine = open_export(export, batches=batches, parent_digest=model.record.model_digest)
        self.engine = engine.name
        if SERVE_TEXT in self.signatures:
            self._calls[SERVE_TEXT] = self.classifying(SERVE_TEXT, engine.probabilities)
        if SERVE_EXAMPLES in self.signatures and TRANSFORM_FEATURES in self.signatures:
            cut = self._session.make_callable(
                [self.signature_defs[TRANSFORM_FEATURES].outputs[name].name for name in (TOKEN_IDS, PADDING_MASK)],
                feed_list=[next(iter(self.signature_defs[TRANSFORM_FEATURES].inputs.values())).name],
            )
            self._calls[SERVE_EXAMPLES] = self.classifying(
                SERVE_EXAMPLES, lambda rows: engine.of_tokens(*Tokens(*cut(rows)))
            )


def _sizes(info: Any) -> list[int]:
    """The shape, -1 where a size is open; empty where even the rank is."""
    return [int(dim.size) for dim in info.tensor_shape.dim]


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "")


def _reason(message: str) -> str:
    """TensorFlow puts a heading over the reason, and the node under it."""
    lines = [line.strip() for line in message.splitlines()]
    return next((line for line in lines if line and line != "Graph execution error:"), "no reason given")
