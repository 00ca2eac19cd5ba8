"""The node Report."""

from __future__ import annotations

from typing import Annotated, ClassVar

from tfx.types.channel import BaseChannel
from tfx.types.standard_artifacts import (
    ExampleAnomalies,
    ExampleStatistics,
    Model,
    ModelEvaluation,
    ModelRun,
    PushedModel,
    TransformGraph,
)

from agnews.components.artifact_types import ClassificationMetrics, HtmlPage, Predictions, ScalarMetrics, StepReport
from agnews.components.declared_component import DeclaredComponent
from agnews.components.report.executor import Executor


class Report(DeclaredComponent):
    """Says on one page what a run did, decision first, whether its model was pushed or not.

    Args:
        data_card: What NewsExampleGen read.
        statistics: Of each split; only how long they took is read.
        anomalies: What ExampleValidator found; only how long it took is read.
        baseline: Output of BaselineModel.
        data_check: What DataGate found.
        transform_graph: Of Transform; only how long it took is read.
        token_check: What TokenGate found.
        model_run: The Trainer's record.
        evaluation: The Evaluator's figures and verdict.
        predictions: What was answered on the test split.
        smoke_report: What SmokeTest found.
        pushed_model: What became of the model.
        code_version: Digest of the code behind this step.
    """

    EXECUTOR = Executor
    OUTPUTS: ClassVar = {
        "page": HtmlPage,
        "report": StepReport,
        "metrics": ScalarMetrics,
        "classification": ClassificationMetrics,
    }

    data_card: Annotated[BaseChannel, StepReport]
    statistics: Annotated[BaseChannel, ExampleStatistics]
    anomalies: Annotated[BaseChannel, ExampleAnomalies]
    baseline: Annotated[BaseChannel, Model]
    data_check: Annotated[BaseChannel, StepReport]
    transform_graph: Annotated[BaseChannel, TransformGraph]
    token_check: Annotated[BaseChannel, StepReport]
    model_run: Annotated[BaseChannel, ModelRun]
    evaluation: Annotated[BaseChannel, ModelEvaluation]
    predictions: Annotated[BaseChannel, Predictions]
    smoke_report: Annotated[BaseChannel, StepReport]
    pushed_model: Annotated[BaseChannel, PushedModel]
    code_version: str
