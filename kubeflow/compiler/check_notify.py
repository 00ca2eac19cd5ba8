"""Whether the step that tells how a run ended can read the secrets that its channels name."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path

from agnews.schemas.deployment import NodeDeployment
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.execution_config import Channel, NotifyConfig, SecretReference


def require_reachable_secrets(config: NotifyConfig, row: NodeDeployment) -> None:
    """Looks for each secret of the channels in what the step gets from the cluster.

    Args:
        config: Who is told.
        row: The row `Notify` of the deployment table, with what it inherits.

    Raises:
        AgnewsError: A variable or a file is not there: each run would end with nobody told.
    """
    folders = [posixpath.normpath(volume.path) for volume in row.volumes or ()]
    for number, channel in enumerate(config.channels, 1):
        for reference in _references(channel):
            if reference.env is not None and reference.env not in {*row.env, *row.secret_env}:
                found, key = f"the variable {reference.env}", f"secret_env.{reference.env}: {{secret: NAME, key: KEY}}"
            elif reference.file is not None and not _is_below(reference.file, folders):
                found, key = f"the file {reference.file}", f"volumes: [{{path: {reference.file.parent}, secret: NAME}}]"
            else:
                continue
            raise AgnewsError(
                "The step that tells how a run ended would not find a secret that it needs.",
                found=f"{found}, of channel {number} ({channel.kind})",
                fix=f"Put it into a Secret of Kubernetes, and name that in the deployment table: nodes.Notify.{key}",
                exit_code=ExitCode.USAGE,
            )


def _references(channel: Channel) -> Iterator[SecretReference]:
    yield from (value for _, value in channel if isinstance(value, SecretReference))


def _is_below(file: Path, folders: list[str]) -> bool:
    path = posixpath.normpath(str(file))
    return any(path.startswith(f"{folder}/") for folder in folders)
