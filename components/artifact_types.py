"""The artifact types of our own; everything else that steps hand on has one of TFX's standard types."""

from __future__ import annotations

from typing import ClassVar

from tfx.types.artifact import Artifact, Property, PropertyType
from tfx.types.system_artifacts import Dataset


class StepReport(Artifact):
    """What a step found out: a folder with `report.json`, a JSON object, and attachments beside it."""

    TYPE_NAME = "StepReport"


class Predictions(Artifact):
    """What models said about rows: a folder with a file a split, one row a prediction.

    Attributes:
        split_names: JSON list of the splits that were predicted, written as TFX does for Examples.
    """

    TYPE_NAME = "Predictions"
    TYPE_ANNOTATION = Dataset
    PROPERTIES: ClassVar[dict[str, Property]] = {"split_names": Property(type=PropertyType.STRING)}
