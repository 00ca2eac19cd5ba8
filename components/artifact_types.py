"""The artifact types of our own, and those of Kubeflow Pipelines; all other that steps hand on is of TFX's types.

TFX compiles a type that it does not know for Kubeflow only if its name is `namespace.Title` and it declares no
properties; custom properties are free.
"""

from __future__ import annotations

from tfx.types.artifact import Artifact
from tfx.types.system_artifacts import Dataset, Metrics


class StepReport(Artifact):
    """What a step found out: a folder with `report.json`, a JSON object, and attachments beside it."""

    TYPE_NAME = "agnews.StepReport"


class Predictions(Artifact):
    """What models said about rows: a folder with a file a split, one row a prediction.

    The custom property `split_names` is a JSON list of the splits, as the property of TFX's Examples is.
    """

    TYPE_NAME = "agnews.Predictions"
    TYPE_ANNOTATION = Dataset


class HtmlPage(Artifact):
    """A page for people: a folder with `report.html`. Kubeflow's own pages show it beside the step."""

    TYPE_NAME = "system.HTML"


class ScalarMetrics(Artifact):
    """Figures, one a custom property, which Kubeflow's own pages show as a table and compare between runs."""

    TYPE_NAME = "system.Metrics"
    TYPE_ANNOTATION = Metrics


class ClassificationMetrics(Artifact):
    """A confusion matrix in the custom property `confusionMatrix`, as Kubeflow's own pages draw it."""

    TYPE_NAME = "system.ClassificationMetrics"
    TYPE_ANNOTATION = Metrics
