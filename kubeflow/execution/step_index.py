"""What the nodes of fused steps have made in earlier runs, so that a step need not do all of its nodes again."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agnews.components.storage.files_at import files_at
from agnews.kubeflow.execution.mirror_path import mirror_path
from agnews.kubeflow.execution.run_step import Runtime
from agnews.kubeflow.execution.step_contract import StepContract
from agnews.schemas.document import Part
from agnews.schemas.errors import AgnewsError

_LOGGER = logging.getLogger(__name__)

ORIGIN = "origin"
"""Custom property of an output: the execution that made it, which stays when the output is copied into another run."""


class MadeOutput(Part):
    """One output of a node."""

    uri: str
    """Folder that it was written to."""
    metadata: dict[str, Any]
    files: dict[str, int]
    """Bytes by path: what was not uploaded, or was removed since, is not taken for what it was."""


class MadeOutputs(Part):
    """An entry of the index."""

    node: str
    outputs: dict[str, MadeOutput]


class StepIndex:
    """Outputs by what decides about them: the node, its code and properties, and the executions that made its inputs.

    Args:
        uri: Folder or URI that stays from run to run; empty for an index that is always empty.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def key(self, contract: StepContract, inputs: Mapping[str, Runtime], values: Mapping[str, Any]) -> str:
        """Returns the digest of what decides about the outputs of a node.

        Args:
            contract: The node.
            inputs: Its input artifacts by key. One without an origin is known by its URI, which names the run.
            values: Parameters of the step.
        """
        facts = {
            "contract": contract.model_dump(mode="json", exclude={"prefix", "sources", "cache", "pods"}),
            "properties": {name: values.get(contract.prefix + name) for name in contract.parameters},
            "inputs": {name: _origin(runtime) for name, runtime in inputs.items()},
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def restore(self, key: str, contract: StepContract, outputs: Mapping[str, Runtime]) -> dict[str, Runtime] | None:
        """Copies outputs of an earlier run into this one.

        Args:
            key: From `key`.
            contract: The node.
            outputs: Its outputs in this run, before they are written.

        Returns:
            The outputs, described as that run did; None where there are none, or where their files cannot be read:
            the node then runs.
        """
        if not self._uri:
            return None
        path = self._path(key)
        try:
            if not files_at(path).exists(path):
                return None
            entry = MadeOutputs.model_validate_json(files_at(path).read_bytes(path))
            if entry.outputs.keys() != outputs.keys():
                return None
            for name, made in entry.outputs.items():
                _copy(made, Path(mirror_path(outputs[name]["uri"])))
        except (OSError, AgnewsError, ValidationError) as error:
            _LOGGER.warning("%s runs again: what an earlier run has made cannot be read: %s", contract.node, error)
            for runtime in outputs.values():
                shutil.rmtree(mirror_path(runtime["uri"]), ignore_errors=True)
            return None
        return {
            name: {"name": outputs[name].get("name", ""), "uri": outputs[name]["uri"], "metadata": made.metadata}
            for name, made in entry.outputs.items()
        }

    def keep(
        self, key: str, contract: StepContract, outputs: Mapping[str, Runtime], made: Mapping[str, Runtime]
    ) -> None:
        """Writes down what a node has made. Nothing is lost where that fails but time in a later run.

        Args:
            key: From `key`.
            contract: The node.
            outputs: Its outputs before it ran; their URIs are folders.
            made: The same afterwards.
        """
        if not self._uri:
            return
        entry = MadeOutputs(
            node=contract.node,
            outputs={
                name: MadeOutput(uri=outputs[name]["uri"], metadata=runtime["metadata"], files=_sizes(outputs[name]))
                for name, runtime in made.items()
            },
        )
        path = self._path(key)
        try:
            files_at(path).replace(path, entry.model_dump_json(indent=2).encode())
        except (OSError, AgnewsError) as error:
            _LOGGER.warning("A later run will not find what %s has made: %s", contract.node, error)

    def _path(self, key: str) -> str:
        return f"{self._uri}/{key}.json"


def with_origin(made: Mapping[str, Runtime]) -> dict[str, Runtime]:
    """Marks outputs as those of an execution of their own."""
    origin = uuid.uuid4().hex
    return {name: {**runtime, "metadata": {**runtime["metadata"], ORIGIN: origin}} for name, runtime in made.items()}


def _origin(runtime: Runtime) -> str:
    return str((runtime.get("metadata") or {}).get(ORIGIN) or runtime.get("uri", ""))


def _sizes(runtime: Runtime) -> dict[str, int]:
    folder = Path(mirror_path(runtime["uri"]))
    return {str(path.relative_to(folder)): path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file()}


def _copy(made: MadeOutput, target: Path) -> None:
    local = Path(mirror_path(made.uri))
    source = str(local) if local.is_dir() else made.uri
    files = files_at(source)
    target.mkdir(parents=True, exist_ok=True)
    for name, size in made.files.items():
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as file:
            for chunk in files.read(f"{source}/{name}"):
                file.write(chunk)
        if place.stat().st_size != size:
            raise OSError(f"{source}/{name} has {place.stat().st_size} bytes and had {size}")
