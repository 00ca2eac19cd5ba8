"""From an artifact of TFX to what Kubeflow Pipelines keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from tfx.types.artifact import Artifact

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
        "metadata": {**metadata, SECONDS: round(seconds, 3)},
    }


def _page(artifact: Artifact, uri: str) -> str:
    pages = [path.name for path in Path(artifact.uri).glob("*.html")]
    return f"{uri}/{pages[0]}" if len(pages) == 1 else uri


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "struct_value":
        return json_format.MessageToDict(value.struct_value)
    return getattr(value, kind)
