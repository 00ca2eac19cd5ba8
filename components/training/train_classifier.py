"""From tokenised rows and a configuration to a trained model."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import posixpath
from collections.abc import Callable
from functools import partial

import numpy as np
import tf_keras as keras

from agnews.components.encoders.encoder_cache import EncoderCache
from agnews.components.encoders.find_encoder import SAVED_MODEL, find_encoder
from agnews.components.encoders.find_vocabulary import find_vocabulary
from agnews.components.encoders.resolve_encoder import Encoder, require_same_tokens, resolve_encoder
from agnews.components.modeling.classifier import Classifier
from agnews.components.modeling.factory import build_model
from agnews.components.optimization.weigh_classes import weigh_classes
from agnews.components.training.agreement import Agreement
from agnews.components.training.backup_place import backup_place
from agnews.components.training.devices import Devices, choose_devices, explain_device_errors
from agnews.components.training.extract_features import extract_features
from agnews.components.training.fit import STEPS_PER_EXECUTION, fit
from agnews.components.training.join_classifiers import join_classifiers
from agnews.components.training.objective import objective_of
from agnews.components.training.predict_rows import predict_rows
from agnews.components.training.token_rows import TokenRows, TrainingRows, read_token_rows
from agnews.components.training.train_linear import train_linear
from agnews.components.training.trained_classifier import TrainedClassifier
from agnews.components.training.training_monitor import OnEpoch
from agnews.components.training.warm_start import warm_start
from agnews.schemas.errors import AgnewsError
from agnews.schemas.learning_config import (
    BertFinetuneConfig,
    BertFrozenConfig,
    DevicesConfig,
    EncoderConfig,
    EnsembleConfig,
    LinearConfig,
    ModelConfig,
    TransformerConfig,
)
from agnews.schemas.training_job import TrainingJob

_LOGGER = logging.getLogger(__name__)

_FEATURES = "features"
_XLA_LENGTHS = 32
"""XLA compiles a step for each length that batches are padded to."""


def train_classifier(
    job: TrainingJob, *, on_epoch: OnEpoch | None = None, keeps_backup: bool = True
) -> TrainedClassifier:
    """Reads rows, builds a model and trains it.

    A training that keeps a backup, was killed and is started again with the same job goes on there. A linear model is
    solved for, in seconds and without a backup.

    Args:
        job: What to learn from, and how.
        on_epoch: Called at the end of each epoch; what it raises ends the training. None calls nothing.
        keeps_backup: Whether to write one now and then.

    Returns:
        The model, with its best weights. Whatever it was trained on, it computes in float32 and on one device.

    Raises:
        AgnewsError: The rows cannot be learnt from, the encoder does not fit them, devices are missing or too small,
            a backup belongs to another training, or training has gone astray.
    """
    config = job.model
    if isinstance(config, LinearConfig):
        return train_linear(job, config, on_epoch=on_epoch)
    if isinstance(config, EnsembleConfig):
        return _train_ensemble(job, config, on_epoch, keeps_backup)
    return _train_network(job, config, on_epoch, keeps_backup)


def _train_network(
    job: TrainingJob,
    config: TransformerConfig | EncoderConfig,
    on_epoch: OnEpoch | None,
    keeps_backup: bool,
    section: str = "model",
) -> TrainedClassifier:
    training = job.training
    lowercase, max_length = bool(job.text.lowercase), job.text.max_length
    # First of all: processes that train together have to find each other before TensorFlow computes anything.
    taken = _choose(job.devices, config)
    vocabulary = find_vocabulary(str(job.text.vocabulary)).vocabulary
    train, evaluation = (
        read_token_rows(
            files, vocabulary_size=len(vocabulary), num_classes=job.num_classes, label_shape=job.label_shape
        )
        for files in (job.train_files, job.eval_files)
    )
    objective = objective_of(job.label_shape)
    if taken.xla:
        train, evaluation = (dataclasses.replace(rows, length_multiple=_XLA_LENGTHS) for rows in (train, evaluation))
    encoder = _encoder(config, taken.precision)
    if encoder is not None:
        _require_pooler(encoder, config, section)
        require_same_tokens(encoder, vocabulary, lowercase=lowercase, max_length=max_length)

    def build(encoder: Encoder | None) -> Classifier:
        keras.utils.set_random_seed(training.seed)
        return build_model(
            config,
            token_counts=train.token_counts(len(vocabulary)),
            unknown_id=vocabulary.unknown_id,
            special_ids=(0, vocabulary.cls_id, vocabulary.sep_id),
            max_length=max_length,
            num_classes=job.num_classes,
            encoder=encoder,
            seed=training.seed,
        )

    rows_digest = [_digest(rows) for rows in (train, evaluation)]
    Agreement(taken).require_same(
        "job",
        {"rows": rows_digest, "vocabulary": vocabulary.digest, "code": job.code_version}
        | ({"encoder": encoder.digest} if encoder else {}),
        fix="Give all of them the same artifacts, encoder and code: a volume that they share, and the same image.",
    )
    classifier = _build(taken, partial(build, encoder))
    learning, train_rows, eval_rows = _what_learns(classifier, encoder, train, evaluation, job.scratch_uri)
    warm = None
    if training.warm_start:
        # Weights of an encoder that stands still are those of its files, whatever the model in production has.
        equal = {"vocabulary_sha256": vocabulary.digest}
        exported = _encoder(config, "float32") if classifier.head is not None else None
        if exported is not None:
            equal["encoder_sha256"] = exported.digest
        warm = warm_start(learning.weights, job.base_model, must_equal=equal)
    place = backup_place(
        job.scratch_uri,
        {
            "model": config.model_dump(),
            "training": training.model_dump(),
            "vocabulary": vocabulary.digest,
            "lowercase": lowercase,
            "max_length": max_length,
            "encoder": encoder.digest if encoder else None,
            "rows": rows_digest,
            "devices": taken.describe(training.batch_size),
            "base_model": warm.source if warm else "",
            "code": job.code_version,
        },
    )
    weights = weigh_classes(train.labels, job.num_classes, training.class_weights)
    learns_encoder = isinstance(config, BertFinetuneConfig)
    if learns_encoder and encoder is not None and not getattr(encoder, "takes_dropout_seed", False):
        _LOGGER.info(
            "Dropout inside %s takes no seed: a cut training goes on, but not to the last digit", encoder.source
        )
    _LOGGER.info(
        "Training: %d rows a step (%d on each of %d devices), %s",
        *(rows := taken.global_batch(training.batch_size), -(-rows // taken.replicas), taken.replicas),
        f"backup in {place.folder}" if keeps_backup else "no backup",
    )
    result = fit(
        learning,
        train_rows,
        eval_rows,
        training,
        create_optimizer=classifier.create_optimizer,
        objective=objective,
        class_weights=None if weights is None else weights.tolist(),
        log_dir=job.log_dir if taken.is_chief else None,
        on_epoch=on_epoch,
        devices=taken,
        # A step of an encoder takes a second on a CPU: without a sign of life, sixteen are long.
        steps_per_execution=1 if learns_encoder else STEPS_PER_EXECUTION,
        backup=place if keeps_backup else None,
        backup_seconds=60 * job.devices.backup_minutes,
    )
    if not taken.is_plain:
        encoder = _encoder(config, "float32")
        trained, classifier = classifier, build(encoder)
        classifier.network.set_weights(trained.network.get_weights())
    temperature, thresholds = 1.0, None
    if training.calibrate or job.label_shape:
        logits, labels = predict_rows(classifier.head or classifier.network, eval_rows)
        if training.calibrate:
            temperature = objective.find_temperature(logits, labels)
            _LOGGER.info("Temperature: %.3f", temperature)
        thresholds = objective.find_thresholds(logits, labels, temperature=temperature)
    return TrainedClassifier(
        classifier, result, encoder, len(train), taken, training.batch_size, place, warm, temperature, thresholds
    )


def _build(devices: Devices, build: Callable[[], Classifier]) -> Classifier:
    """Builds a model that starts with the same weights wherever it is trained."""
    # Keras draws weights from a generator of the thread, and replicas build in threads of their own.
    start = None if devices.kind == "none" else build().network.get_weights()
    with devices.building():
        classifier = build()
        if start is not None:
            classifier.network.set_weights(start)
    return classifier


def _train_ensemble(
    job: TrainingJob, config: EnsembleConfig, on_epoch: OnEpoch | None, keeps_backup: bool
) -> TrainedClassifier:
    # They are made as sure as they are right together, by `join_classifiers`.
    training = job.training.model_copy(update={"calibrate": False})
    alone = job.model_copy(update={"model": config.network, "training": training})
    # The one with epochs first: it may be stopped, or be taken up again where it was cut.
    network = _train_network(alone, config.network, on_epoch, keeps_backup, section="model.network")
    linear = train_linear(alone, config.linear, section="model.linear")
    size = len(find_vocabulary(str(job.text.vocabulary)).vocabulary)
    evaluation = read_token_rows(job.eval_files, vocabulary_size=size, num_classes=job.num_classes)
    return join_classifiers(network, linear, evaluation, calibrate=job.training.calibrate)


def _choose(asked: DevicesConfig, config: ModelConfig) -> Devices:
    settings = asked.model_dump(exclude={"backup_minutes"})
    if isinstance(config, BertFrozenConfig):
        # What learns is the head alone, which takes seconds; the features of a row are computed once in any case.
        settings["strategy"] = "none"
    if isinstance(config, BertFinetuneConfig):
        # A SavedModel is a function of its own. What its gradient needs of the shapes in it then looks to XLA as if it
        # depended on the values of the batch, so XLA compiles the step anew for each one: seconds to minutes a step.
        if asked.xla == "on":
            raise AgnewsError(
                "XLA would compile the step of an encoder that learns anew for each batch.",
                found=f"devices.xla on for {config.kind}",
                fix="Leave devices.xla out, or set it off.",
            )
        settings["xla"] = "off"
    if asked.precision == "auto" and isinstance(config, EncoderConfig):
        folder = find_encoder(config.encoder, EncoderCache())
        if (folder / SAVED_MODEL).is_file():
            _LOGGER.info("A SavedModel computes in the precision that it was saved with: float32")
            settings["precision"] = "float32"
    return choose_devices(**settings)


def _digest(rows: TokenRows) -> str:
    facts = hashlib.sha256()
    for values in (rows.row_splits, rows.token_ids, rows.labels):
        facts.update(np.ravel(values).data)
    return facts.hexdigest()


def _encoder(config: ModelConfig, precision: str) -> Encoder | None:
    if not isinstance(config, EncoderConfig):
        return None
    return resolve_encoder(config.encoder, num_layers=config.num_layers, compute_dtype=precision)


def _require_pooler(encoder: Encoder, config: ModelConfig, section: str) -> None:
    if isinstance(config, EncoderConfig) and config.pooling == "pooled" and not encoder.has_pooler:
        raise AgnewsError(
            f"The encoder {encoder.source} came without the layer that `pooled` needs.",
            found=f"{section}.pooling pooled",
            fix=f"Set the mean over tokens: `--set {section}.pooling=mean`",
        )


def _what_learns(
    classifier: Classifier, encoder: Encoder | None, train: TokenRows, evaluation: TokenRows, scratch_uri: str
) -> tuple[keras.Model, TrainingRows, TrainingRows]:
    """Returns the part that is trained, with rows as it takes them."""
    if classifier.backbone is None or classifier.head is None or encoder is None:
        return classifier.network, train, evaluation
    with explain_device_errors(None, xla=False):
        train_rows, eval_rows = (
            extract_features(
                classifier.backbone,
                rows,
                backbone_digest=f"{encoder.digest} {classifier.backbone.pooling}",
                cache_uri=posixpath.join(scratch_uri, _FEATURES),
            )
            for rows in (train, evaluation)
        )
    return classifier.head, train_rows, eval_rows
