"""One training, whether one process does it or several do it together."""

from __future__ import annotations

import hashlib
import logging
import os
import posixpath
import secrets

from pydantic import ValidationError

from agnews.components.storage.files_at import files_at
from agnews.components.storage.tidying import tidying
from agnews.components.training.rendezvous import receive_workers, ring_chief
from agnews.components.training.tf_config import VARIABLE, TfConfig, read_tf_config
from agnews.components.training.train_classifier import train_classifier
from agnews.components.training.trained_classifier import TrainedClassifier
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.first_problem import first_problem
from agnews.schemas.training_job import TrainingJob
from agnews.schemas.worker_rules import ALONE

_LOGGER = logging.getLogger(__name__)


def train_together(job: TrainingJob, *, start_minutes: float) -> TrainedClassifier:
    """Trains, and tells the other processes that TF_CONFIG names, if any, what to train.

    They run `python -m agnews.components.training.worker SCRATCH_URI` and wait for this.

    Args:
        job: What to learn from, and how.
        start_minutes: How long to wait for the others.

    Returns:
        The model.

    Raises:
        AgnewsError: As `train_classifier`; or somebody did not come, or this process is not the chief of those that
            TF_CONFIG names.
        Stopped: The process was asked to end.
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
    return _lead(job, place, 60 * start_minutes)


def _lead(job: TrainingJob, place: TfConfig, patience_seconds: float) -> TrainedClassifier:
    same = _digest(job)
    token = f"{same}{secrets.token_hex(8)}"
    file = _file(job.scratch_uri, token)
    files = files_at(file)
    _remove_left(job.scratch_uri, same)
    files.replace(file, job.model_dump_json(indent=2).encode() + b"\n")
    try:
        receive_workers(place.own, list(place.others), token, patience_seconds=patience_seconds)
        return train_classifier(_without_others(job) if job.model.kind in ALONE else job)
    finally:
        with tidying(f"The file {file}"):
            files.remove_file(file)


def _without_others(job: TrainingJob) -> TrainingJob:
    """The job for a chief whose workers have left: a part of the model would wait for them without an end."""
    return job.model_copy(update={"devices": job.devices.model_copy(update={"strategy": "none"})})


_PREFIX = "training_job-"


def _file(scratch_uri: str, token: str) -> str:
    return posixpath.join(scratch_uri, f"{_PREFIX}{token}.json")


def _digest(job: TrainingJob) -> str:
    """Stands for a training from start to start; where it writes its logs may differ."""
    return hashlib.sha256(job.model_dump_json(exclude={"log_dir"}).encode()).hexdigest()[:16]


def _remove_left(scratch_uri: str, same: str) -> None:
    """Removes the files of chiefs of the same training: two at a time have never been, so these were killed."""
    files = files_at(scratch_uri)
    with tidying(f"What killed chiefs have left in {scratch_uri}"):
        for name in files.names(scratch_uri):
            if name.startswith(f"{_PREFIX}{same}"):
                files.remove_file(posixpath.join(scratch_uri, name))


def join_training(scratch_uri: str, *, patience_seconds: float) -> TrainedClassifier | None:
    """Takes part in the training of a chief in another process; writes nothing.

    Args:
        scratch_uri: Folder or URI that this process shares with the chief.
        patience_seconds: How long to wait for the chief.

    Returns:
        The model, which is the chief's; None where the chief trains alone.

    Raises:
        AgnewsError: There is no chief, or TF_CONFIG says that this is it.
        Stopped: The process was asked to end.
    """
    place = read_tf_config(os.environ)
    if place is None or place.is_chief:
        raise AgnewsError(
            "A worker needs a TF_CONFIG that makes it one of several processes and not their chief.",
            found=os.environ.get(VARIABLE),
            fix="Set it as docs/training.md shows.",
        )
    file = _file(scratch_uri, ring_chief(place.chief, place.own, patience_seconds=patience_seconds))
    job = _read_job(file)
    if job.model.kind in ALONE:
        _LOGGER.info("There is nothing to join: the model %s is trained in one process", job.model.kind)
        return None
    _LOGGER.info("Joining the training in %s", file)
    return train_classifier(job.model_copy(update={"log_dir": None}))


def _read_job(file: str) -> TrainingJob:
    try:
        content = files_at(file).read_bytes(file)
    except FileNotFoundError as error:
        raise AgnewsError(
            "The chief's job is not where this process looks for it.",
            found=f"no file {file}",
            fix="Give the chief and its workers the same scratch folder, on a volume that they share.",
            exit_code=ExitCode.FAILED,
        ) from error
    try:
        return TrainingJob.model_validate_json(content)
    except ValidationError as error:
        raise AgnewsError(
            f"{file} is no training job that this version of agnews can read.",
            found=first_problem(error),
            fix="Run the chief and its workers with the same version, and restart both.",
            exit_code=ExitCode.FAILED,
        ) from error
