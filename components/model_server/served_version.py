"""A version of the model in memory, ready to answer."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the ops of the tokenizer that is part of the model
from numpy.typing import NDArray

from agnews.components.engines.engine_choice import EngineChoice
from agnews.components.engines.find_export import choose_export
from agnews.components.engines.text_engine import TextEngine, open_export
from agnews.components.engines.text_tokens import Tokens
from agnews.components.model_server.batch_cost import BatchCost
from agnews.components.model_store.find_pushed_model import PushedModel
from agnews.components.model_store.sound_copy import sound_copy
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.features import (
    CLASS_ID,
    CLASS_LABEL,
    EXPLAIN,
    PADDING_MASK,
    PROBABILITIES,
    SERVE_EXAMPLES,
    SERVE_TEXT,
    TOKEN_IDS,
    TRANSFORM_FEATURES,
)

Outputs = Mapping[str, NDArray[Any]]

ABSTAINED = "abstained"
"""bool (rows,), where the likeliest class is too unlikely to be given as an answer."""

_WARM_UP_WORDS = (8, 40, 120)
_WARM_UP_ROWS = (1, 4, 16)
_WARM_UP_ROUNDS = 3


@dataclass(frozen=True)
class ServedSignature:
    """A function of the model that takes one batch of strings.

    Attributes:
        argument: Name of its input.
        is_row_wise: Whether a row's outputs have the same shape whatever rows are beside it, so that the rows of
            several requests can be answered in one batch.
        outputs: Names of its outputs.
    """

    argument: str
    is_row_wise: bool
    outputs: tuple[str, ...]


class ServedVersion:
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
        self.record = model.record
        self._abstains_below = model.abstains_below()
        self.corpus = model.corpus()
        """What its texts are, in the words of whoever described them."""
        self.engine = str(EngineChoice.TENSORFLOW)
        """Name of what classifies: `tensorflow`, or engine and precision of an export."""
        self._engine: TextEngine | None = None
        self.folder = model.folder
        self.signatures: dict[str, ServedSignature] = {}
        self.users = 0
        """Requests that are being answered; counted by the event loop alone."""
        self.cost = BatchCost(seconds=0.0, seconds_per_byte=1.0)
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
            self._take_engine(model, engine, batches)
            self._check_and_warm_up()
        except AgnewsError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise _unusable(model, f"{type(error).__name__}: {_first_line(error)}") from error
        self.load_seconds = time.monotonic() - started

    def run(self, signature: str, values: Sequence[bytes]) -> Outputs:
        """Asks the model.

        Args:
            signature: A key of `signatures`.
            values: One string a row.

        Returns:
            Arrays by the name of the output; with `abstained` where the version abstains and the signature classifies.

        Raises:
            tf.errors.OpError: The model cannot work on these values.
        """
        rows = np.empty(len(values), object)
        rows[:] = values
        found = dict(zip(self.signatures[signature].outputs, self._calls[signature](rows), strict=True))
        if self._abstains_below and PROBABILITIES in found:
            # A row without a distribution is no answer either.
            found[ABSTAINED] = ~(found[PROBABILITIES].max(axis=-1) >= self._abstains_below)
        return found

    def close(self) -> None:
        """Frees the memory."""
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
            self._calls[SERVE_TEXT] = self._classifying(SERVE_TEXT, engine.probabilities)
        if SERVE_EXAMPLES in self.signatures and TRANSFORM_FEATURES in self.signatures:
            cut = self._session.make_callable(
                [self.signature_defs[TRANSFORM_FEATURES].outputs[name].name for name in (TOKEN_IDS, PADDING_MASK)],
                feed_list=[next(iter(self.signature_defs[TRANSFORM_FEATURES].inputs.values())).name],
            )
            self._calls[SERVE_EXAMPLES] = self._classifying(
                SERVE_EXAMPLES, lambda rows: engine.of_tokens(*Tokens(*cut(rows)))
            )

    def _classifying(self, signature: str, probabilities: Callable[[Any], NDArray[np.float32]]) -> Callable[..., Any]:
        return partial(
            _classify,
            probabilities,
            np.array([name.encode() for name in self.record.classes], object),
            self.signatures[signature].outputs,
        )

    def _check_and_warm_up(self) -> None:
        if PROBABILITIES not in getattr(self.signatures.get(SERVE_TEXT), "outputs", ()):
            raise ValueError(f"no signature {SERVE_TEXT} from texts to {PROBABILITIES}, only {sorted(self.signatures)}")
        samples = []
        for words in _WARM_UP_WORDS:
            text = b"Stocks rise as oil falls " * (words // 5)
            for rows in _WARM_UP_ROWS:
                found = self.run(SERVE_TEXT, [text] * rows)[PROBABILITIES]
                if found.shape != (rows, len(self.record.classes)) or not np.isfinite(found).all():
                    raise ValueError(
                        f"probabilities of shape {found.shape}, finite: {bool(np.isfinite(found).all())}, for {rows} "
                        f"texts and the {len(self.record.classes)} classes of the record"
                    )
                samples.append((rows * len(text), self._fastest(text, rows)))
        self.cost = BatchCost.fit(samples)
        if EXPLAIN in self.signatures:
            # The first call prepares the gradients' part of the graph, which takes seconds.
            self.run(EXPLAIN, [b"Stocks rise as oil falls"])

    def _fastest(self, text: bytes, rows: int) -> float:
        taken = []
        for _ in range(_WARM_UP_ROUNDS):
            started = time.perf_counter()
            self.run(SERVE_TEXT, [text] * rows)
            taken.append(time.perf_counter() - started)
        return min(taken)


def _classify(
    probabilities: Callable[[Any], NDArray[np.float32]],
    class_names: NDArray[np.object_],
    outputs: Sequence[str],
    rows: NDArray[np.object_],
) -> list[NDArray[Any]]:
    found = probabilities(rows)
    winner = found.argmax(axis=-1)
    answer = {CLASS_ID: winner, CLASS_LABEL: class_names[winner], PROBABILITIES: found}
    return [answer[name] for name in outputs]


def _sizes(info: Any) -> list[int]:
    """The shape, -1 where a size is open; empty where even the rank is."""
    return [int(dim.size) for dim in info.tensor_shape.dim]


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "")


def _unusable(model: PushedModel, found: str) -> AgnewsError:
    return AgnewsError(
        f"Version {model.record.version} of {model.record.name} cannot be served.",
        found=found,
        fix=f"Restore {model.folder} from a backup, or go back with `agnews models rollback`.",
        exit_code=ExitCode.FAILED,
    )
