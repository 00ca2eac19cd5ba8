"""Puts the artifacts of a step where workers in other pods see them."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tfx.types.artifact import Artifact

from agnews.pipeline.beam.beam_arguments import ENGINES
from agnews.pipeline.beam.choose_pipeline import uses_engine
from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import BeamConfig

Artifacts = Mapping[str, list[Artifact]]


@contextmanager
def shared_artifacts(config: BeamConfig, node: str, inputs: Artifacts, outputs: Artifacts) -> Iterator[None]:
    """Lends a step folders on a volume that the workers of an engine have too.

    The launcher of Kubeflow Pipelines gives a step a mirror of the object store on the disk of its own pod. Inputs are
    copied from there to the volume, outputs back, whatever runs in this pod alone is left as it is.

    Args:
        config: What runs Beam jobs.
        node: The step.
        inputs: Its inputs; their URIs are on the volume inside.
        outputs: Its outputs; likewise.

    Yields:
        Nothing.

    Raises:
        AgnewsError: There is no such volume.
    """
    has_workers_elsewhere = config.runner in ENGINES and config.environment != "loopback"
    if not has_workers_elsewhere or not uses_engine(config, node):
        yield
        return
    root = config.temp_location or ""
    if not root or "://" in root or not Path(root).is_dir():
        raise AgnewsError(
            f"{node} has no folder that it shares with the workers of {config.runner}.",
            found=f"beam.temp_location {root or 'is not set'}",
            fix="Mount one volume at one path into the rows of the deployment table and into the workers' pods, and "
            "name the path: beam.temp_location=/mnt/beam.",
        )
    folder = Path(root) / f"{node}-{uuid.uuid4().hex[:12]}"
    places = {key: artifact.uri for side in (inputs, outputs) for key, (artifact,) in _named(side, inputs)}
    try:
        for key, (artifact,) in _named(inputs, inputs):
            shutil.copytree(artifact.uri, folder / key)
            artifact.uri = str(folder / key)
        for key, (artifact,) in _named(outputs, inputs):
            (folder / key).mkdir(parents=True)
            artifact.uri = str(folder / key)
        _open_to_workers(folder)
        yield
        for key, _ in _named(outputs, inputs):
            shutil.copytree(folder / key, places[key], dirs_exist_ok=True)
    finally:
        for side in (inputs, outputs):
            for key, (artifact,) in _named(side, inputs):
                artifact.uri = places[key]
        shutil.rmtree(folder, ignore_errors=True)


def _named(side: Artifacts, inputs: Artifacts) -> list[tuple[str, list[Artifact]]]:
    return [(f"{'in' if side is inputs else 'out'}-{key}", artifacts) for key, artifacts in side.items()]


def _open_to_workers(folder: Path) -> None:
    """Workers may be another user of the volume's group."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(path.stat().st_mode | 0o070)
