"""The version of a pipeline that schedules are pinned to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agnews.kubeflow.client.compiled_pipeline import CompiledPipeline, Parameter, declared_parameters
from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.version_name import version_name
from agnews.schemas.errors import AgnewsError


@dataclass(frozen=True)
class Target:
    """A version.

    Attributes:
        pipeline_id: The pipeline; empty if the server does not have it yet.
        version_id: The version; empty if the server does not have it yet.
        version_name: Our name for it.
        parameters: What its runs take.
    """

    pipeline_id: str
    version_id: str
    version_name: str
    parameters: Mapping[str, Parameter]

    @classmethod
    def of_pipeline(cls, api: KfpApi, pipeline: CompiledPipeline, commit: str) -> Target:
        """Looks for the version of a compiled pipeline, without uploading it.

        Args:
            api: The server.
            pipeline: The compiled pipeline.
            commit: Git commit that it was compiled from.

        Returns:
            The version, with empty identifiers if it is not there.
        """
        name = version_name(pipeline, commit)
        pipeline_id = api.find_pipeline(pipeline.name) or ""
        version = api.find_version(pipeline_id, name) if pipeline_id else None
        return cls(pipeline_id, version.version_id if version else "", name, pipeline.parameters)

    @classmethod
    def of_version(cls, api: KfpApi, pipeline: str, name: str) -> Target:
        """Looks for a version by its name.

        Args:
            api: The server.
            pipeline: Name of the pipeline.
            name: Name of the version.

        Returns:
            The version.

        Raises:
            AgnewsError: If the server does not have it.
        """
        pipeline_id = api.find_pipeline(pipeline)
        version = api.find_version(pipeline_id, name) if pipeline_id else None
        if pipeline_id is None or version is None:
            raise AgnewsError(
                f"The server has no version {name} of the pipeline {pipeline}.",
                fix="agnews runs list shows the versions of runs; agnews submit uploads one.",
            )
        full = api.get_version(pipeline_id, version.version_id)
        return cls(pipeline_id, version.version_id, name, declared_parameters(full.spec or {}))
