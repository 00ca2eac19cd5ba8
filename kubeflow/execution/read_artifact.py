"""From an artifact as Kubeflow Pipelines describes it to one of TFX."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfx import version
from tfx.types.artifact import Artifact, PropertyType

from agnews.kubeflow.execution.guard_outputs import plain_metadata
from agnews.kubeflow.execution.mirror_path import mirror_path

SECONDS = "seconds"
"""Custom property of every output: how long the executor of its step took."""
_HTML = "system.HTML"


def describe_artifact(artifact: Artifact, runtime: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Describes an output after its step.

    Args:
        artifact: What the executor was given, with the properties that it set.
        runtime: The same as it stood in ExecutorInput.
        seconds: How long the executor took.

    Returns:
        A `RuntimeArtifact` as JSON: name and URI as they were, and the properties and the seconds as metadata. A page
        has the URI of its file, because the user interface of Kubeflow Pipelines shows no folders.
    """
    message = artifact.mlmd_artifact
    metadata = {
        key: _value(value)
        for properties in (message.properties, message.custom_properties)
        for key, value in sorted(properties.items())
        if value.WhichOneof("value")
    }
    return {
        "name": runtime.get("name", ""),
        "uri": _page(artifact, runtime["uri"]) if artifact.type_name == _HTML else runtime["uri"],
        "metadata": {**plain_metadata(metadata), SECONDS: round(seconds, 3)},
    }


def _page(artifact: Artifact, uri: str) -> str:
    pages = [path.name for path in Path(artifact.uri).glob("*.html")]
    return f"{uri}/{pages[0]}" if len(pages) == 1 else uri


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return _struct(value.struct_value) if kind == "struct_value" else getattr(value, kind)


def _struct(struct: Any) -> dict[str, Any]:
    # `MessageToDict` raises where a number is none.
    return {name: _element(element) for name, element in struct.fields.items()}


def _element(element: Any) -> Any:
    kind = element.WhichOneof("kind")
    if kind == "struct_value":
        return _struct(element.struct_value)
    if kind == "list_value":
        return [_element(item) for item in element.list_value.values]
    return None if kind == "null_value" else getattr(element, kind)


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


_NO_NUMBERS = ("NaN", "Infinity", "-Infinity")


def _set_custom(artifact: Artifact, key: str, value: Any) -> None:
    # JSON knows one kind of number. Read as an integer where it is one, as the executors write no others.
    if key == SECONDS or value in _NO_NUMBERS:
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


_FOLDERS = frozenset(
    {
        "assets",
        "assets.extra",
        "metadata",
        "transform_fn",
        "transformed_metadata",
        "variables",
    }
)
_FOLDER_PREFIXES = ("Format-", "Split-")
_MARKER_SUFFIX = "_$folder$"


def remove_folder_markers(artifact: Path) -> list[Path]:
    """Removes empty files that stand for folders from a mirrored artifact.

    Downloaded, the marker `Split-train/` is an empty file `Split-train`, and `Split-train_$folder$` one that a reader
    takes for data. Other empty files stay: an empty proto is a legal one.

    Args:
        artifact: The folder of the artifact; it need not exist.

    Returns:
        What was removed.
    """
    candidates = [artifact] if artifact.is_file() else sorted(artifact.rglob("*"))
    removed = [path for path in candidates if path.is_file() and not path.stat().st_size and _is_marker(path, artifact)]
    for path in removed:
        path.unlink()
    return removed


def _is_marker(path: Path, artifact: Path) -> bool:
    return (
        path == artifact
        or path.name in _FOLDERS
        or path.name.startswith(_FOLDER_PREFIXES)
        or path.name.endswith(_MARKER_SUFFIX)
    )
