"""Word pieces from the very graph that training used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the ops of the tokenizer
from numpy.typing import NDArray

from agnews.components.engines.text_tokens import Tokens
from agnews.components.engines.token_signatures import TOKENIZE
from agnews.schemas.features import PADDING_MASK, TOKEN_IDS


class GraphTokens:
    """Runs the graph of the version, cut off before the network: less than a hundredth of the network's time.

    Args:
        folder: The SavedModel, on a local disk.

    Raises:
        ValueError, OSError: It is none, or has no such signature.
    """

    def __init__(self, folder: str) -> None:
        graph = tf.Graph()
        config = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=-1)
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        try:
            with graph.as_default():
                meta_graph = tf.compat.v1.saved_model.loader.load(self._session, ["serve"], folder)
        except tf.errors.OpError as error:
            raise ValueError(error.message) from error
        if TOKENIZE not in meta_graph.signature_def:
            raise ValueError(f"no signature {TOKENIZE}, only {sorted(meta_graph.signature_def)}")
        signature = meta_graph.signature_def[TOKENIZE]
        ((_, text),) = signature.inputs.items()
        self._call: Any = self._session.make_callable(
            [signature.outputs[name].name for name in (TOKEN_IDS, PADDING_MASK)], feed_list=[text.name]
        )

    def __call__(self, texts: Sequence[bytes] | NDArray[np.object_]) -> Tokens:
        """See `TextTokens`."""
        rows = np.empty(len(texts), object)
        rows[:] = texts
        return Tokens(*self._call(rows))

    def close(self) -> None:
        """See `TextTokens`."""
        self._call = None
        self._session.close()
