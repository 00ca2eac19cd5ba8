"""From YAML to a run on the server."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from agnews.kubeflow.client.check_parameters import check_parameters
from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline
from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.run_record import RunRecord
from agnews.kubeflow.client.upload_pipeline import upload_pipeline
from agnews.kubeflow.client.version_record import VersionRecord


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
    )
    run = api.create_run(wanted, mark=f"submission {uuid.uuid4()}", service_account=service_account)
    return Submission(version, run, run_link(api, run.run_id))


def run_link(api: KfpApi, run_id: str) -> str:
    """Returns the address of a run in the UI."""
    return f"{api.connection.ui}/#/runs/details/{run_id}"
