"""From an artifact of TFX to what Kubeflow Pipelines keeps of it."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format
from tfx.types.artifact import Artifact


def describe_artifact(artifact: Artifact, runtime: dict[str, Any]) -> dict[str, Any]:
    """Describes an output after its step.

    Args:
        artifact: What the executor was given, with the properties that it set.
        runtime: The same as it stood in ExecutorInput.

    Returns:
        A `RuntimeArtifact` as JSON: name and URI as they were, and the properties as metadata.
    """
    message = artifact.mlmd_artifact
    metadata = {
        key: _value(value)
        for properties in (message.properties, message.custom_properties)
        for key, value in sorted(properties.items())
        if value.WhichOneof("value")
    }
    return {"name": runtime.get("name", ""), "uri": runtime["uri"], "metadata": metadata}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "struct_value":
        return json_format.MessageToDict(value.struct_value)
    return getattr(value, kind)
