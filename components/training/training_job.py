"""One training, whether one process does it or several do it together."""

from __future__ import annotations

import json
import logging
import os
import posixpath
import time
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from agnews.components.encoders.find_vocabulary import find_vocabulary
from agnews.components.training.devices import VARIABLE, read_tf_config
from agnews.components.training.train_classifier import TrainedClassifier, train_classifier
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.run_config import DevicesConfig, TextConfig, TrainingConfig

_LOGGER = logging.getLogger(__name__)

_JOB = "training_job.json"


def train_together(job: Mapping[str, Any]) -> TrainedClassifier:
    """Trains, and tells the other processes that TF_CONFIG names, if any, what to train.

    They run `python -m agnews.components.training.worker SCRATCH_URI` and wait for this.

    Args:
        job: As JSON can say it: the arguments `train_files`, `eval_files`, `num_classes`, `scratch_uri`, `log_dir`,
            `base_model` and `code_version` of `train_classifier`; `text`, `model`, `training` and `devices`, sections
            of a run's configuration.

    Returns:
        The model.

    Raises:
        AgnewsError: As `train_classifier`; or this process is not the chief of those that TF_CONFIG names.
    """
    place = read_tf_config(os.environ)
    if place is None or place.workers == 1 or job["devices"].get("strategy") not in {None, "auto", "multiworker"}:
        return _train(job)
    if not place.is_chief:
        raise AgnewsError(
            "Only the chief of several processes runs the Trainer.",
            found=f"{VARIABLE} {os.environ[VARIABLE]}",
            fix=f"Start this one by `python -m agnews.components.training.worker {job['scratch_uri']}`.",
            exit_code=ExitCode.FAILED,
        )
    file = posixpath.join(job["scratch_uri"], _JOB)
    tf.io.gfile.makedirs(posixpath.dirname(file))
    with tf.io.gfile.GFile(f"{file}.incoming", "w") as stream:
        stream.write(json.dumps(dict(job)))
    tf.io.gfile.rename(f"{file}.incoming", file, overwrite=True)
    try:
        return _train(job)
    finally:
        tf.io.gfile.remove(file)


def join_training(scratch_uri: str, *, patience_seconds: float) -> TrainedClassifier | None:
    """Takes part in the training of a chief in another process; writes nothing.

    Args:
        scratch_uri: Folder or URI that this process shares with the chief.
        patience_seconds: How long to wait for the chief.

    Returns:
        The model, which is the chief's; None where the chief trains alone.

    Raises:
        AgnewsError: There is no chief, or TF_CONFIG says that this is it.
    """
    place = read_tf_config(os.environ)
    if place is None or place.is_chief:
        raise AgnewsError(
            "A worker needs a TF_CONFIG that makes it one of several processes and not their chief.",
            found=os.environ.get(VARIABLE),
            fix="Set it as docs/training.md shows.",
        )
    file = posixpath.join(scratch_uri, _JOB)
    deadline = time.monotonic() + patience_seconds
    while not tf.io.gfile.exists(file):
        if time.monotonic() > deadline:
            raise AgnewsError(
                f"No chief has begun a training within {patience_seconds:.0f} seconds.",
                found=f"no file {file}",
                fix="Start the chief, and give both the same scratch folder.",
                exit_code=ExitCode.FAILED,
            )
        time.sleep(0.5)
    with tf.io.gfile.GFile(file) as stream:
        job = json.loads(stream.read())
    if job["model"].get("kind") == "bert_frozen":
        _LOGGER.info("There is nothing to join: the head of a frozen encoder is trained in one process")
        return None
    _LOGGER.info("Joining the training in %s", file)
    return _train({**job, "log_dir": None})


def _train(job: Mapping[str, Any]) -> TrainedClassifier:
    text = TextConfig.model_validate(job["text"])
    return train_classifier(
        train_files=job["train_files"],
        eval_files=job["eval_files"],
        model=job["model"],
        training=TrainingConfig.model_validate(job["training"]),
        vocabulary=find_vocabulary(str(text.vocabulary)).vocabulary,
        lowercase=bool(text.lowercase),
        max_length=text.max_length,
        num_classes=job["num_classes"],
        scratch_uri=job["scratch_uri"],
        log_dir=job["log_dir"],
        devices=DevicesConfig.model_validate(job["devices"]),
        base_model=job["base_model"],
        code_version=job["code_version"],
    )
