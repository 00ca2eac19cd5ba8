"""From an artifact as Kubeflow Pipelines describes it to one of TFX."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfx import version
from tfx.types.artifact import Artifact, PropertyType

from agnews.kubeflow.execution.describe_artifact import SECONDS
from agnews.kubeflow.execution.mirror_path import mirror_path

_SPLITS = "split_names"
_SPLIT_FOLDER = "Split-"
_TFX_VERSION = "tfx_version"


def read_artifact(runtime: Mapping[str, Any], type_path: str) -> Artifact:
    """Makes the artifact that an executor expects.

    Args:
        runtime: A `RuntimeArtifact` of ExecutorInput, as JSON: `uri` and `metadata` are read, `type` is not.
        type_path: Import path of the artifact class, from the component's spec.

    Returns:
        The artifact. Its URI is a local path. Where its type has `split_names` and they were lost on the way, they
        are read from the folders. A version of TFX is set if there is none, because artifacts without one are taken
        for those of TFX 0.29 and before, whose models lie elsewhere.
    """
    module, _, name = type_path.rpartition(".")
    artifact = getattr(importlib.import_module(module), name)()
    artifact.uri = mirror_path(str(runtime.get("uri", "")))
    declared: dict[str, Any] = artifact.PROPERTIES or {}
    for key, value in (runtime.get("metadata") or {}).items():
        if value is None:
            continue
        if key in declared:
            setattr(artifact, key, _typed(value, declared[key].type))
        else:
            _set_custom(artifact, key, value)
    if _SPLITS in declared and not artifact.split_names and (splits := _splits(Path(artifact.uri))):
        artifact.split_names = json.dumps(splits)
    if not artifact.has_custom_property(_TFX_VERSION):
        artifact.set_string_custom_property(_TFX_VERSION, version.__version__)
    return artifact


def _typed(value: Any, kind: PropertyType) -> Any:
    if kind == PropertyType.INT:
        return int(value)
    return float(value) if kind == PropertyType.FLOAT else value


def _set_custom(artifact: Artifact, key: str, value: Any) -> None:
    # JSON knows one kind of number. Read as an integer where it is one, as the executors write no others.
    if key == SECONDS:
        artifact.set_float_custom_property(key, float(value))
    elif isinstance(value, str):
        artifact.set_string_custom_property(key, value)
    elif isinstance(value, bool):
        artifact.set_bool_custom_property(key, value)
    elif isinstance(value, int | float):
        if float(value).is_integer():
            artifact.set_int_custom_property(key, int(value))
        else:
            artifact.set_float_custom_property(key, value)
    else:
        artifact.set_json_value_custom_property(key, value)


def _splits(folder: Path) -> list[str]:
    found = folder.glob(f"{_SPLIT_FOLDER}*")
    return sorted(path.name.removeprefix(_SPLIT_FOLDER) for path in found if path.is_dir())
