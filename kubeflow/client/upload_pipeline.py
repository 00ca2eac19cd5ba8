"""From YAML to a version on the server."""

from __future__ import annotations

from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline
from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.version_name import version_name
from agnews.kubeflow.client.version_record import VersionRecord


def upload_pipeline(api: KfpApi, pipeline: CompiledPipeline, commit: str) -> VersionRecord:
    """Makes sure that the server has this version of the pipeline. Repeated, it changes nothing.

    Args:
        api: The server.
        pipeline: The compiled pipeline.
        commit: Git commit that it was compiled from.

    Returns:
        The version, found or uploaded.

    Raises:
        ServerError: If the server refuses or cannot be reached.
    """
    name = version_name(pipeline, commit)
    pipeline_id = api.find_pipeline(pipeline.name) or api.create_pipeline(pipeline.name, "Made by agnews.")
    description = f"commit {commit}, SHA-256 of the spec {pipeline.digest}"
    return api.find_version(pipeline_id, name) or api.upload_version(pipeline_id, name, pipeline.text, description)
