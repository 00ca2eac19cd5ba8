"""From YAML to a run on the server."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline, check_parameters
from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.run_record import RunRecord, VersionRecord
from agnews.schemas.errors import AgnewsError

_DIGITS = 12
_DIGEST = "SHA-256 of the spec "
NO_COMMIT = "nogit"
VERSION = "version "
"""Starts the line in a run's description that names its version."""


def version_name(pipeline: CompiledPipeline) -> str:
    """Names a version after its content alone: what is the same is one version, whatever was committed meanwhile.

    Args:
        pipeline: The compiled pipeline.

    Returns:
        For example `0f1e2d3c4b5a`: small letters and digits, as Kubernetes wants of names.
    """
    return pipeline.digest[:_DIGITS]


def git_commit(folder: Path) -> str:
    """Returns the commit that is checked out in a folder, `nogit` where there is none.

    What is not committed yet shows in the digest of the pipeline, if it changes the pipeline at all.
    """
    try:
        command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
        found = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except OSError:
        return NO_COMMIT
    return found.stdout.strip() if found.returncode == 0 else NO_COMMIT


def upload_pipeline(api: KfpApi, pipeline: CompiledPipeline, commit: str) -> VersionRecord:
    """Makes sure that the server has this version of the pipeline. Repeated, it changes nothing.

    Args:
        api: The server.
        pipeline: The compiled pipeline.
        commit: Git commit that it was compiled from.

    Returns:
        The version, found or uploaded.

    Raises:
        AgnewsError: If the server has another version of this name.
        ServerError: If the server refuses or cannot be reached.
    """
    name = version_name(pipeline)
    pipeline_id = api.find_pipeline(pipeline.name) or api.create_pipeline(pipeline.name, "Made by agnews.")
    description = f"commit {commit}, {_DIGEST}{pipeline.digest}"
    tags = {} if commit == NO_COMMIT else {"commit": commit}
    version = api.find_version(pipeline_id, name) or api.upload_version(
        pipeline_id, name, pipeline.text, description, tags
    )
    _, said, digest = version.description.partition(_DIGEST)
    if not said or digest.strip() != pipeline.digest:
        raise AgnewsError(
            f"The server has a version {name} of the pipeline {pipeline.name} with other content.",
            found=version.description or "a version without a description: somebody else has uploaded it",
            fix="Delete or rename it in the UI, then run the command again.",
        )
    return version


@dataclass(frozen=True)
class Submission:
    """What was submitted.

    Attributes:
        version: The version on the server.
        run: The run that was started.
        link: Where people look at it.
    """

    version: VersionRecord
    run: RunRecord
    link: str


def submit_pipeline(
    api: KfpApi,
    text: str,
    *,
    commit: str,
    parameters: Mapping[str, object],
    experiment: str = "agnews",
    run_name: str = "",
    service_account: str = "",
    mlflow_experiment: str = "",
) -> Submission:
    """Uploads a compiled pipeline if the server does not have it, and starts a run of it.

    Repeated, it makes one version and a new run each time.

    Args:
        api: The server.
        text: The compiled pipeline, YAML.
        commit: Git commit that it was compiled from.
        parameters: Values by name, typed.
        experiment: Experiment of the run; created if it is missing.
        run_name: Name of the run; empty: pipeline and time.
        service_account: Kubernetes service account of the run's pods; empty: the server's default.
        mlflow_experiment: Experiment of MLflow that the server enters the run in (2.17); empty: as the server does.

    Returns:
        Version, run and link.

    Raises:
        AgnewsError: If pipeline or parameters are wrong; nothing was sent then.
        ServerError: If the server refuses or cannot be reached.
    """
    pipeline = CompiledPipeline.read(text)
    values = check_parameters(pipeline.parameters, parameters)
    version = upload_pipeline(api, pipeline, commit)
    wanted = RunRecord(
        run_id="",
        name=run_name or f"{pipeline.name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}",
        experiment_id=api.find_experiment(experiment) or api.create_experiment(experiment),
        pipeline_id=version.pipeline_id,
        version_id=version.version_id,
        parameters=values,
        service_account=service_account,
        # Lists of runs name versions by their identifiers only.
        description=f"{VERSION}{version.name}",
    )
    run = api.create_run(wanted, mark=f"submission {uuid.uuid4()}", mlflow_experiment=mlflow_experiment)
    return Submission(version, run, run_link(api, run.run_id))


def run_link(api: KfpApi, run_id: str) -> str:
    """Returns the address of a run in the UI."""
    return f"{api.connection.ui}/#/runs/details/{run_id}"
