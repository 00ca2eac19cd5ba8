"""A served model in two halves: the graph that makes tokens, and the network that reads them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers the ops of the tokenizer
from numpy.typing import NDArray
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from agnews.components.engines.token_signatures import SERVE_TOKENS, TOKENIZE
from agnews.components.text.vocabulary import Vocabulary
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import EXPLAIN, PADDING_MASK, PROBABILITIES, SERVE_TEXT, TEXT, TOKEN_IDS


class CutModel:
    """A SavedModel that was exported with signatures for its tokens.

    Args:
        folder: The SavedModel, where TensorFlow opens it.

    Raises:
        AgnewsError: It was exported before there were such signatures.
        OSError, ValueError, tf.errors.OpError: It cannot be loaded.
    """

    def __init__(self, folder: str) -> None:
        # Kept: a signature holds no reference to the object that owns its variables.
        self._model = tf.saved_model.load(folder)
        signatures = self._model.signatures
        missing = [name for name in (TOKENIZE, SERVE_TOKENS) if name not in signatures]
        if missing:
            raise AgnewsError(
                "The model cannot be cut where its tokens are, which other engines begin with.",
                found=f"no signature {' and no '.join(missing)} in {folder}",
                fix="It was exported by an older agnews. Export it anew: `agnews run --from Trainer`.",
            )
        self._tokenize, self._classify = signatures[TOKENIZE], signatures[SERVE_TOKENS]
        self._serve = signatures[SERVE_TEXT]

    def probabilities(self, texts: Sequence[bytes]) -> NDArray[np.float32]:
        """Answers a batch of UTF-8 texts as TensorFlow serves them; (batch, classes)."""
        found: NDArray[np.float32] = self._serve(**{TEXT: tf.constant(texts, tf.string)})[PROBABILITIES].numpy()
        return found

    def tokens(self, texts: Sequence[bytes]) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Cuts a batch of UTF-8 texts into TOKEN_IDS and PADDING_MASK, (batch, length) each."""
        found = self._tokenize(**{TEXT: tf.constant(texts, tf.string)})
        return found[TOKEN_IDS].numpy(), found[PADDING_MASK].numpy()

    def word_pieces(self, digest: str) -> tuple[str, ...]:
        """Returns the vocabulary that explanations name word pieces by, in the order of their ids.

        Args:
            digest: What its `Vocabulary.digest` has to be.

        Returns:
            The word pieces; none if the model holds no such vocabulary.
        """
        if EXPLAIN not in self._model.signatures:
            return ()
        graph = self._model.signatures[EXPLAIN].graph.as_graph_def()
        for node in chain(graph.node, *(function.node_def for function in graph.library.function)):
            if node.op == "Const" and node.attr["dtype"].type == tf.string.as_datatype_enum:
                pieces = tuple(map(_decoded, tf.make_ndarray(node.attr["value"].tensor).ravel().tolist()))
                if Vocabulary("", pieces).digest == digest:
                    return pieces
        return ()

    def network(self) -> Any:
        """Returns a concrete function from TOKEN_IDS and PADDING_MASK to PROBABILITIES."""

        @tf.function(
            input_signature=[
                tf.TensorSpec([None, None], tf.int32, name=TOKEN_IDS),
                tf.TensorSpec([None, None], tf.bool, name=PADDING_MASK),
            ],
            autograph=False,
        )
        def classify(token_ids: tf.Tensor, padding_mask: tf.Tensor) -> dict[str, tf.Tensor]:
            found = self._classify(**{TOKEN_IDS: token_ids, PADDING_MASK: padding_mask})
            return {PROBABILITIES: found[PROBABILITIES]}

        return classify.get_concrete_function()

    def save_tokenizer(self, folder: str) -> None:
        """Writes a SavedModel with the signature TOKENIZE alone, without the weights of the network.

        Args:
            folder: A new folder on a local disk.
        """

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=TEXT)], autograph=False)
        def tokenize(text: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            found = self._tokenize(**{TEXT: text})
            return found[TOKEN_IDS], found[PADDING_MASK]

        frozen = convert_variables_to_constants_v2(tokenize.get_concrete_function())
        definition = frozen.graph.as_graph_def()
        with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
            names = [each.name for each in (*frozen.inputs, *frozen.outputs)]
            text, token_ids, padding_mask = tf.import_graph_def(definition, return_elements=names, name="")
            builder = tf.compat.v1.saved_model.Builder(folder)
            signature = tf.compat.v1.saved_model.predict_signature_def(
                {TEXT: text}, {TOKEN_IDS: token_ids, PADDING_MASK: padding_mask}
            )
            builder.add_meta_graph_and_variables(session, ["serve"], {TOKENIZE: signature})
            builder.save()


def _decoded(piece: bytes) -> str:
    return piece.decode("utf-8", "replace")
