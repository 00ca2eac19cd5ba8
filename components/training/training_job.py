"""One training, whether one process does it or several do it together."""

from __future__ import annotations

import logging
import os
import posixpath
import time

from pydantic import ValidationError

from agnews.components.storage.files_at import files_at
from agnews.components.training.devices import VARIABLE, read_tf_config
from agnews.components.training.train_classifier import train_classifier
from agnews.components.training.trained_classifier import TrainedClassifier
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.first_problem import first_problem
from agnews.schemas.training_job import TrainingJob

_LOGGER = logging.getLogger(__name__)


def train_together(job: TrainingJob) -> TrainedClassifier:
    """Trains, and tells the other processes that TF_CONFIG names, if any, what to train.

    They run `python -m agnews.components.training.worker SCRATCH_URI` and wait for this.

    Args:
        job: What to learn from, and how.

    Returns:
        The model.

    Raises:
        AgnewsError: As `train_classifier`; or this process is not the chief of those that TF_CONFIG names.
    """
    place = read_tf_config(os.environ)
    if place is None or place.workers == 1 or job.devices.strategy not in {"auto", "multiworker"}:
        return train_classifier(job)
    if not place.is_chief:
        raise AgnewsError(
            "Only the chief of several processes runs the Trainer.",
            found=f"{VARIABLE} {os.environ[VARIABLE]}",
            fix=f"Start this one by `python -m agnews.components.training.worker {job.scratch_uri}`.",
            exit_code=ExitCode.FAILED,
        )
    files = files_at(job.scratch_uri)
    job.write(job.scratch_uri, files.write)
    try:
        return train_classifier(job)
    finally:
        files.remove_file(f"{job.scratch_uri}/{TrainingJob.FILE}")


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
    file = posixpath.join(scratch_uri, TrainingJob.FILE)
    deadline = time.monotonic() + patience_seconds
    files = files_at(scratch_uri)
    while not files.exists(file):
        if time.monotonic() > deadline:
            raise AgnewsError(
                f"No chief has begun a training within {patience_seconds:.0f} seconds.",
                found=f"no file {file}",
                fix="Start the chief, and give both the same scratch folder.",
                exit_code=ExitCode.FAILED,
            )
        time.sleep(0.5)
    job = _read_job(file)
    if job.model.kind in {"bert_frozen", "linear"}:
        _LOGGER.info("There is nothing to join: the model %s is trained in one process", job.model.kind)
        return None
    _LOGGER.info("Joining the training in %s", file)
    return train_classifier(job.model_copy(update={"log_dir": None}))


def _read_job(file: str) -> TrainingJob:
    try:
        return TrainingJob.model_validate_json(files_at(file).read_bytes(file))
    except ValidationError as error:
        raise AgnewsError(
            f"{file} is no training job that this version of agnews can read.",
            found=first_problem(error),
            fix="Run the chief and its workers with the same version, and restart both.",
            exit_code=ExitCode.FAILED,
        ) from error
