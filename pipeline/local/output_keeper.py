"""What a step leaves on disk: none of an earlier step's files, a record of its own, and its reports if it fails."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import metadata

from agnews.components.artifact_types import StepReport

_LOGGER = logging.getLogger(__name__)

_FILES = "files"
"""Custom property of an artifact: sizes of its files by path, as JSON."""


class OutputKeeper:
    """Stands before the operator of a step's executor.

    TFX records where outputs are and not what is in them, makes output folders without looking whether something lies
    there already, and removes all that a failed step has written.

    Args:
        operator: TFX's, which runs the executor.
        keep: Folder that receives the reports of a failed step.
        make_pipeline: Makes the Beam pipeline of the step; None for the one that its arguments say.
    """

    def __init__(self, operator: Any, keep: Path, make_pipeline: Callable[[], Any] | None = None) -> None:
        self._operator = operator
        self._keep = keep
        # What TFX hands to an executor that runs a Beam pipeline; other operators do not know the argument.
        self._arguments = {"make_beam_pipeline_fn": make_pipeline} if make_pipeline else {}
        self.left: dict[str, str] = {}
        """Folders of what a failed step has reported, by key of the output."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._operator, name)

    def run_executor(self, execution: Any) -> Any:
        """Runs the executor.

        Args:
            execution: TFX's description of what to run.

        Returns:
            TFX's description of what came of it.
        """
        for artifact in _artifacts(execution.output_dict):
            # Numbers of executions come again where metadata.sqlite was restored or deleted.
            empty_folder(Path(artifact.uri))
        try:
            result = self._operator.run_executor(execution, **self._arguments)
        except Exception:
            self._keep_reports(execution)
            raise
        if result.execution_result.code:
            self._keep_reports(execution)
            return result
        for key, artifacts in execution.output_dict.items():
            described = result.output_artifacts[key].artifacts if key in result.output_artifacts else ()
            for position, artifact in enumerate(artifacts):
                sizes = json.dumps(file_sizes(Path(artifact.uri)), sort_keys=True)
                artifact.set_string_custom_property(_FILES, sizes)
                if position < len(described):
                    described[position].custom_properties[_FILES].string_value = sizes
        return result

    def _keep_reports(self, execution: Any) -> None:
        for key, artifacts in execution.output_dict.items():
            for artifact in artifacts:
                folder = Path(artifact.uri)
                if artifact.type_name == StepReport.TYPE_NAME and file_sizes(folder):
                    target = self._keep / execution.pipeline_node.node_info.id / key
                    try:
                        shutil.copytree(folder, target, dirs_exist_ok=True)
                    except OSError as error:
                        # Whoever runs this is told what the step failed by, a full disk perhaps, and not this.
                        _LOGGER.warning("The report in %s is lost: %s", folder, " ".join(str(error).split()))
                    else:
                        self.left[key] = str(target)


def empty_folder(folder: Path) -> None:
    """Removes what is in a folder, if there is one.

    Args:
        folder: A folder that is about to be written, or a link to one: what it leads to stays.
    """
    if folder.is_symlink():
        folder.unlink()
    elif folder.is_dir():
        shutil.rmtree(folder)
        folder.mkdir()


def file_sizes(folder: Path) -> dict[str, int]:
    """Returns the bytes of all files below a folder, by path from there; none where there is no folder."""
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def forget_damaged(connection: metadata_store_pb2.ConnectionConfig) -> list[str]:
    """Keeps the cache from answering with outputs that are not as their step has left them.

    Args:
        connection: The metadata store.

    Returns:
        Folders of the outputs that lack files, or have others. What was recorded by a build that did not record files
        is taken as it is.
    """
    with metadata.Metadata(connection) as handle:
        damaged = [
            artifact
            for artifact in handle.store.get_artifacts()
            if artifact.state == metadata_store_pb2.Artifact.LIVE and _is_damaged(artifact)
        ]
        for artifact in damaged:
            artifact.state = metadata_store_pb2.Artifact.DELETED
        handle.store.put_artifacts(damaged)
    return [artifact.uri for artifact in damaged]


def _is_damaged(artifact: metadata_store_pb2.Artifact) -> bool:
    recorded = artifact.custom_properties[_FILES].string_value if _FILES in artifact.custom_properties else ""
    return bool(recorded) and json.loads(recorded) != file_sizes(Path(artifact.uri))


def _artifacts(outputs: Mapping[str, Sequence[Any]]) -> Iterator[Any]:
    for artifacts in outputs.values():
        yield from artifacts
