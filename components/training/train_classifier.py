"""From tokenised rows and a configuration to a trained model."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import tf_keras as keras
from pydantic import TypeAdapter

from agnews.components.encoders.encoder import Encoder
from agnews.components.encoders.require_same_tokens import require_same_tokens
from agnews.components.encoders.resolve_encoder import resolve_encoder
from agnews.components.modeling.classifier import Classifier
from agnews.components.modeling.factory import build_model
from agnews.components.text.vocabulary import Vocabulary
from agnews.components.training.extract_features import extract_features
from agnews.components.training.fit import FitResult, fit
from agnews.components.training.read_token_rows import read_token_rows
from agnews.components.training.token_rows import TokenRows
from agnews.components.training.training_monitor import OnEpoch
from agnews.components.training.training_rows import TrainingRows
from agnews.schemas.errors import AgnewsError
from agnews.schemas.run_config import ModelConfig, TrainingConfig, TransformerConfig

_FEATURES = "features"


@dataclass(frozen=True)
class TrainedClassifier:
    """A model that has learnt.

    Attributes:
        classifier: It.
        result: What its training was like.
        encoder: The encoder that is in it, if there is one.
        train_rows: Rows that it has learnt from.
    """

    classifier: Classifier
    result: FitResult
    encoder: Encoder | None
    train_rows: int


def train_classifier(
    *,
    train_files: Sequence[str],
    eval_files: Sequence[str],
    model: Mapping[str, object],
    training: TrainingConfig,
    vocabulary: Vocabulary,
    lowercase: bool,
    max_length: int,
    num_classes: int,
    scratch_uri: str,
    log_dir: str | None = None,
    on_epoch: OnEpoch | None = None,
) -> TrainedClassifier:
    """Reads rows, builds a model and trains it.

    Args:
        train_files: Glob patterns of the rows to learn from, as `read_token_rows` takes them.
        eval_files: The same of the rows that decide when to stop.
        model: The section `model` of a run's configuration.
        training: How weights are found.
        vocabulary: The word pieces that the rows were cut into.
        lowercase: Whether texts lost case and accents before.
        max_length: Longest sequence in word pieces.
        num_classes: Classes to tell apart.
        scratch_uri: Folder or URI for what a later run may go on from.
        log_dir: Folder or URI for TensorBoard, or None.
        on_epoch: Called at the end of each epoch; what it raises ends the training. None calls nothing.

    Returns:
        The model, with its best weights.

    Raises:
        AgnewsError: The rows cannot be learnt from, the encoder does not fit them, or training has gone astray.
    """
    train, evaluation = (
        read_token_rows(files, vocabulary_size=len(vocabulary), num_classes=num_classes)
        for files in (train_files, eval_files)
    )
    encoder = _encoder(model)
    if encoder is not None:
        require_same_tokens(encoder, vocabulary, lowercase=lowercase, max_length=max_length)
    keras.utils.set_random_seed(training.seed)
    classifier = build_model(
        model,
        token_counts=train.token_counts(len(vocabulary)),
        unknown_id=vocabulary.unknown_id,
        special_ids=(0, vocabulary.cls_id, vocabulary.sep_id),
        max_length=max_length,
        num_classes=num_classes,
        encoder=encoder,
    )
    learning, train_rows, eval_rows = _what_learns(classifier, encoder, train, evaluation, scratch_uri)
    result = fit(
        learning,
        train_rows,
        eval_rows,
        create_optimizer=classifier.create_optimizer,
        log_dir=log_dir,
        on_epoch=on_epoch,
        **training.model_dump(exclude={"warm_start"}),
    )
    return TrainedClassifier(classifier, result, encoder, len(train))


def _encoder(model: Mapping[str, object]) -> Encoder | None:
    config: ModelConfig = TypeAdapter(ModelConfig).validate_python(dict(model))
    if isinstance(config, TransformerConfig):
        return None
    encoder = resolve_encoder(config.encoder, num_layers=config.num_layers)
    if config.pooling == "pooled" and not encoder.has_pooler:
        raise AgnewsError(
            f"The encoder {encoder.source} came without the layer that `pooled` needs.",
            found="model.pooling pooled",
            fix="Set the mean over tokens: `--set model.pooling=mean`",
        )
    return encoder


def _what_learns(
    classifier: Classifier, encoder: Encoder | None, train: TokenRows, evaluation: TokenRows, scratch_uri: str
) -> tuple[keras.Model, TrainingRows, TrainingRows]:
    """Returns the part that is trained, with rows as it takes them."""
    if classifier.extractor is None or classifier.head is None or encoder is None:
        return classifier.network, train, evaluation
    train_rows, eval_rows = (
        extract_features(
            classifier.extractor,
            rows,
            extractor_digest=f"{encoder.digest} {classifier.extractor.pooling}",
            cache_uri=posixpath.join(scratch_uri, _FEATURES),
        )
        for rows in (train, evaluation)
    )
    return classifier.head, train_rows, eval_rows
