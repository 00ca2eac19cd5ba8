"""The artifact types of our own; everything else that steps hand on has one of TFX's standard types.

TFX compiles a type that it does not know for Kubeflow only if its name is `namespace.Title` and it declares no
properties; custom properties are free.
"""

from __future__ import annotations

from tfx.types.artifact import Artifact
from tfx.types.system_artifacts import Dataset


class StepReport(Artifact):
    """What a step found out: a folder with `report.json`, a JSON object, and attachments beside it."""

    TYPE_NAME = "agnews.StepReport"


class Predictions(Artifact):
    """What models said about rows: a folder with a file a split, one row a prediction.

    The custom property `split_names` is a JSON list of the splits, as the property of TFX's Examples is.
    """

    TYPE_NAME = "agnews.Predictions"
    TYPE_ANNOTATION = Dataset
