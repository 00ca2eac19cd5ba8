"""What a version is called, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agnews.kubeflow.client.kfp_api import KfpApi


def version_label(api: KfpApi, pipeline_id: str, version_id: str, known: dict[str, str]) -> str:
    """Returns the name of a version.

    Args:
        api: The server.
        pipeline_id: The pipeline.
        version_id: The version.
        known: Names by identifier; what had to be asked for is added.

    Returns:
        The name; empty if there is no version, `(deleted)` if the server does not have it any more.
    """
    from agnews.kubeflow.client.server_error import ServerError

    if not pipeline_id or not version_id:
        return ""
    if version_id not in known:
        try:
            known[version_id] = api.get_version(pipeline_id, version_id).name
        except ServerError as error:
            # Runs outlive the versions that they were made from.
            if error.status != 404:
                raise
            known[version_id] = "(deleted)"
    return known[version_id]
