"""From a `TrainerTask` to an exported model, in this process."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from importlib.metadata import version

import tensorflow as tf
import tensorflow_text  # noqa: F401 - registers what the graph of Transform is made of
import tensorflow_transform as tft

from agnews.components.carried_corpus import read_carried_corpus
from agnews.components.encoders.encoder_card import read_encoder_card
from agnews.components.encoders.find_vocabulary import find_vocabulary
from agnews.components.serving_model.facts_file import ALPHABET
from agnews.components.serving_model.serving_model import ServingModel, export_model
from agnews.components.storage.files_at import files_at
from agnews.components.text.locate_vocabulary import locate_vocabulary
from agnews.components.training.training_job import train_together
from agnews.components.training.warm_start import WEIGHT_NAMES
from agnews.schemas.learning_config import DevicesConfig, TextConfig, TrainingConfig, parse_model_config
from agnews.schemas.trainer_task import TrainerTask
from agnews.schemas.training_job import TrainingJob
from agnews.schemas.training_record import TrainingRecord


def do_task(task: TrainerTask) -> None:
    """Trains and exports. Where TF_CONFIG names several processes, this is their chief.

    Args:
        task: What to do. Of its settings are read `corpus` (its classes, from `carry_corpus`), `text`, `model`,
            `training` and `devices` (sections of the configuration), `scratch_uri` (a folder that stays from run to
            run) and `code_version`. Written are the SavedModel, `assets.extra/model.json` in it, and in `record_uri`
            `training.json` and TensorBoard's logs.

    Raises:
        AgnewsError: The rows cannot be learnt from, or training has gone astray.
        Stopped: One of several processes was asked to end.
    """
    settings = task.settings
    corpus = read_carried_corpus(str(settings["corpus"]))
    class_names = corpus.class_names
    job = TrainingJob(
        train_files=task.train_files,
        eval_files=task.eval_files,
        num_classes=len(class_names),
        label_shape=corpus.label_shape,
        text=locate_vocabulary(TextConfig.model_validate(settings["text"]), task.transform_uri),
        model=parse_model_config(settings["model"]),
        training=TrainingConfig.model_validate(settings["training"]),
        devices=DevicesConfig.model_validate(settings["devices"]),
        scratch_uri=settings["scratch_uri"],
        log_dir=task.record_uri,
        base_model=task.base_model,
        code_version=settings["code_version"],
    )
    vocabulary = find_vocabulary(str(job.text.vocabulary)).vocabulary
    trained = train_together(job, start_minutes=task.start_minutes)
    network = trained.classifier.network
    facts = {
        "class_names": class_names,
        "model": settings["model"],
        "text": settings["text"],
        "training": settings["training"],
        "vocabulary_sha256": vocabulary.digest,
        "encoder_sha256": trained.encoder.digest if trained.encoder else None,
        "parameters": _count(weight for weight in network.weights if weight.dtype.is_floating),
        "trained_parameters": _count((trained.classifier.head or network).trainable_weights),
        "train_rows": trained.train_rows,
        "devices": trained.devices.describe(trained.batch_size),
        "best_epoch": trained.result.best_epoch,
        "temperature": trained.temperature,
        "warm_start": trained.warm_start.note if trained.warm_start else None,
        **({"thresholds": trained.thresholds} if trained.thresholds is not None else {}),
        **({"members": [dataclasses.asdict(member) for member in trained.members]} if trained.members else {}),
        "versions": {name: version(name) for name in ("agnews", "tensorflow", "tensorflow-text")},
    }
    record = TrainingRecord.model_validate(
        {
            "curve": trained.result.curve,
            "config": settings,
            "best_epoch": trained.result.best_epoch,
            "devices": {"asked": settings["devices"], "taken": facts["devices"]},
            "warm_start": facts["warm_start"],
            "model": facts,
        }
    )
    record.write(task.record_uri, files_at(task.record_uri).write)
    export_model(
        ServingModel(
            network,
            tft.TFTransformOutput(task.transform_uri),
            class_names,
            vocabulary,
            temperature=trained.temperature,
            thresholds=trained.thresholds,
        ),
        task.model_uri,
        {**facts, ALPHABET: _alphabet(vocabulary.tokens), WEIGHT_NAMES: [weight.name for weight in network.weights]},
    )
    if trained.encoder is not None:
        read_encoder_card(trained.encoder.folder).write(task.model_uri)
    if trained.backup is not None:
        trained.backup.remove()


def _alphabet(pieces: Iterable[str]) -> str:
    return "".join(sorted(piece for piece in pieces if len(piece) == 1))


def _count(weights: Iterable[tf.Variable]) -> int:
    return sum(weight.shape.num_elements() for weight in weights)
