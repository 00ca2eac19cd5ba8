"""The first half of a served model: from texts to word pieces, in the very graph that training used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the ops of the tokenizer
from numpy.typing import NDArray

from agnews.components.engines.token_signatures import TOKENIZE
from agnews.schemas.features import PADDING_MASK, TOKEN_IDS


class Tokens(NamedTuple):
    """A batch.

    Attributes:
        token_ids: int32 (batch, length), 0 on padding.
        padding_mask: bool (batch, length), True on tokens.
    """

    token_ids: NDArray[np.int32]
    padding_mask: NDArray[np.bool_]


class TextTokens:
    """Cuts texts into word pieces, in the thread that calls.

    A second tokeniser would have to agree with the graph on every text there is; the graph itself takes less than a
    hundredth of the time that a network takes.

    Args:
        folder: The SavedModel, on a local disk.

    Raises:
        ValueError, OSError, tf.errors.OpError: It is none, or has no such signature.
    """

    def __init__(self, folder: str) -> None:
        graph = tf.Graph()
        config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=-1)
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        with graph.as_default():
            meta_graph = tf.compat.v1.saved_model.loader.load(self._session, ["serve"], folder)
        if TOKENIZE not in meta_graph.signature_def:
            raise ValueError(f"no signature {TOKENIZE}, only {sorted(meta_graph.signature_def)}")
        signature = meta_graph.signature_def[TOKENIZE]
        ((_, text),) = signature.inputs.items()
        self._call: Any = self._session.make_callable(
            [signature.outputs[name].name for name in (TOKEN_IDS, PADDING_MASK)], feed_list=[text.name]
        )

    def __call__(self, texts: Sequence[bytes] | NDArray[np.object_]) -> Tokens:
        """Cuts a batch of UTF-8 texts."""
        rows = np.empty(len(texts), object)
        rows[:] = texts
        return Tokens(*self._call(rows))

    def close(self) -> None:
        """Frees the memory."""
        self._call = None
        self._session.close()
