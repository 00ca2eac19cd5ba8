"""A trained network and the transform graph behind one set of signatures."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import tensorflow as tf
import tensorflow_transform as tft
import tf_keras as keras

from agnews.components.engines.token_signatures import SERVE_TOKENS, TOKENIZE
from agnews.components.modeling.attribute_to_tokens import attribute_to_tokens
from agnews.components.serving_model.facts_file import FACTS_FILE
from agnews.components.text.vocabulary import PAD, Vocabulary
from agnews.schemas.class_sets import CHOSEN
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import (
    CLASS_ID,
    CLASS_LABEL,
    CONTRIBUTIONS,
    EXPLAIN,
    PADDING_MASK,
    PROBABILITIES,
    SERVE_EXAMPLES,
    SERVE_TEXT,
    TEXT,
    TOKEN_IDS,
    TOKENS,
    TRANSFORM_FEATURES,
)


class ServingModel(tf.Module):
    """Owns a network and the graph that made its training data, so both see the same tokens of the same text.

    Args:
        network: Takes `{token_ids, padding_mask}` and returns logits (batch, classes); an `EmbeddingNetwork`.
        transform_output: What Transform wrote: the graph and the schemas around it.
        class_names: Names of the classes in the order of the logits.
        vocabulary: The word pieces that the graph cuts texts into.
        temperature: What logits are divided by before they become probabilities, so that these are as high as the model
            is right. It changes no answer.
        thresholds: Where a text may have several classes: from which probability on each is given.

    Raises:
        AgnewsError: The transform graph was made for something else than texts.
    """

    def __init__(
        self,
        network: keras.Model,
        transform_output: tft.TFTransformOutput,
        class_names: Sequence[str],
        vocabulary: Vocabulary,
        temperature: float = 1.0,
        thresholds: Sequence[float] | None = None,
    ) -> None:
        super().__init__(name="serving_model")
        spec = transform_output.raw_feature_spec()
        if TEXT not in spec or TOKEN_IDS not in transform_output.transformed_feature_spec():
            raise AgnewsError(
                f"The transform graph does not turn the feature {TEXT!r} into {TOKEN_IDS!r}.",
                found=f"{sorted(spec)} to {sorted(transform_output.transformed_feature_spec())}",
                fix="Run again from Transform: `agnews run --from Transform`.",
            )
        self._text_spec = {TEXT: spec[TEXT]}
        # The network itself would take its optimizer along, which is twice as large as the weights.
        self._weights = network.weights
        self._logits: Callable[[Mapping[str, tf.Tensor]], tf.Tensor] = partial(network, training=False)
        self._attribute = partial(
            attribute_to_tokens,
            network,
            unknown_id=vocabulary.unknown_id,
            special_ids=(vocabulary.tokens.index(PAD), vocabulary.cls_id, vocabulary.sep_id),
            temperature=temperature,
        )
        self._pieces = vocabulary.tokens
        self._transform = transform_output.transform_features_layer()
        self._temperature = temperature
        self._thresholds = None if thresholds is None else tf.constant(list(thresholds), tf.float32)
        self._class_names = tf.constant(list(class_names))

    def signatures(self) -> Mapping[str, tf.types.experimental.ConcreteFunction]:
        """Returns the functions that a client calls, by the names in schemas/features.py and `token_signatures`."""
        strings = tf.TensorSpec([None], tf.string)
        texts = tf.TensorSpec([None], tf.string, name=TEXT)
        serialized = tf.TensorSpec(strings.shape, strings.dtype, name="serialized")
        # What a word adds to the odds of one class against all others says nothing of a set of them.
        explaining = {EXPLAIN: self.explain.get_concrete_function(texts)} if self._thresholds is None else {}
        return {
            SERVE_TEXT: self.serve_text.get_concrete_function(texts),
            SERVE_EXAMPLES: self.serve_examples.get_concrete_function(serialized),
            TRANSFORM_FEATURES: self.transform_features.get_concrete_function(serialized),
            **explaining,
            TOKENIZE: self.tokenize.get_concrete_function(texts),
            SERVE_TOKENS: self.serve_tokens.get_concrete_function(
                tf.TensorSpec([None, None], tf.int32, name=TOKEN_IDS),
                tf.TensorSpec([None, None], tf.bool, name=PADDING_MASK),
            ),
        }

    @tf.function
    def serve_text(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies texts.

        Args:
            text: string (batch,), UTF-8; the batch may be empty.

        Returns:
            CLASS_ID int64 (batch,), CLASS_LABEL string (batch,), PROBABILITIES float32 (batch, classes); with
            thresholds, CHOSEN bool (batch, classes) besides.
        """
        return self._classify(self._tokens({TEXT: self._as_raw_feature(text)}))

    @tf.function
    def serve_examples(self, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies raw Examples.

        Args:
            serialized: string (batch,), tf.Examples with TEXT; other features are ignored.

        Returns:
            As `serve_text`.
        """
        return self._classify(self._tokens(tf.io.parse_example(serialized, self._text_spec)))

    @tf.function
    def transform_features(self, serialized: tf.Tensor) -> dict[str, tf.Tensor]:
        """Shows what the network sees of raw Examples.

        Args:
            serialized: string (batch,), tf.Examples with TEXT; other features are ignored.

        Returns:
            TOKEN_IDS int32 (batch, length), PADDING_MASK bool (batch, length).
        """
        return self._tokens(tf.io.parse_example(serialized, self._text_spec))

    @tf.function
    def tokenize(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Shows what the network sees of texts.

        Args:
            text: string (batch,), UTF-8; the batch may be empty.

        Returns:
            TOKEN_IDS int32 (batch, length), PADDING_MASK bool (batch, length).
        """
        return self._tokens({TEXT: self._as_raw_feature(text)})

    @tf.function
    def serve_tokens(self, token_ids: tf.Tensor, padding_mask: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies texts that are word pieces already: what an engine that knows no strings can be made from.

        Args:
            token_ids: int32 (batch, length), 0 on padding.
            padding_mask: bool (batch, length), True on tokens.

        Returns:
            As `serve_text`.
        """
        return self._classify({TOKEN_IDS: token_ids, PADDING_MASK: padding_mask})

    @tf.function
    def explain(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Classifies texts and says which word pieces spoke for the predicted class, and which against it.

        Args:
            text: string (batch,), UTF-8; the batch may be empty.

        Returns:
            As `serve_text`, and TOKENS string (batch, length), CONTRIBUTIONS float32 (batch, length); see
            `attribute_to_tokens`.
        """
        tokens = self._tokens({TEXT: self._as_raw_feature(text)})
        answer = self._classify(tokens)
        pieces = tf.gather(tf.constant(self._pieces), tokens[TOKEN_IDS])
        return {
            **answer,
            TOKENS: tf.where(tokens[PADDING_MASK], pieces, ""),
            CONTRIBUTIONS: self._attribute(tokens[TOKEN_IDS], tokens[PADDING_MASK], answer[CLASS_ID]),
        }

    def _as_raw_feature(self, text: tf.Tensor) -> tf.Tensor | tf.SparseTensor:
        spec = self._text_spec[TEXT]
        if isinstance(spec, tf.io.VarLenFeature):
            return tf.sparse.from_dense(tf.expand_dims(text, 1))
        return tf.reshape(text, [-1, *spec.shape])

    def _tokens(self, raw: Mapping[str, tf.Tensor | tf.SparseTensor]) -> dict[str, tf.Tensor]:
        ids = self._transform(raw)[TOKEN_IDS]
        if isinstance(ids, tf.SparseTensor):
            ids = tf.RaggedTensor.from_sparse(ids)
        return {
            TOKEN_IDS: tf.cast(ids.to_tensor(), tf.int32),
            PADDING_MASK: tf.sequence_mask(ids.row_lengths()),
        }

    def _classify(self, tokens: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        logits = self._logits(tokens) / self._temperature
        probabilities = tf.nn.softmax(logits) if self._thresholds is None else tf.nn.sigmoid(logits)
        chosen = {} if self._thresholds is None else {CHOSEN: probabilities >= self._thresholds}
        winner = tf.argmax(probabilities, axis=-1, output_type=tf.int64)
        return {
            CLASS_ID: winner,
            CLASS_LABEL: tf.gather(self._class_names, winner),
            PROBABILITIES: probabilities,
            **chosen,
        }


def export_model(model: ServingModel, folder: str, facts: Mapping[str, object]) -> None:
    """Writes a SavedModel that loads in a process with nothing but tensorflow and tensorflow_text.

    Args:
        model: The model.
        folder: Folder or URI; `saved_model.pb` will lie directly in it.
        facts: Written to `assets.extra/model.json`.
    """
    # Who loads it learns nothing. TensorFlow registers each gradient that it loads, for ever: a server kept the graphs
    # of every version that it has ever served.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(model, folder, signatures=model.signatures(), options=options)
    path = posixpath.join(folder, FACTS_FILE)
    tf.io.gfile.makedirs(posixpath.dirname(path))
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(json.dumps(facts, indent=2, sort_keys=True) + "\n")
