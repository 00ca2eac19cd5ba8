"""The node Report."""

from __future__ import annotations

from typing import ClassVar

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types.channel import BaseChannel, Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
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
from agnews.components.report.executor import Executor


class ReportSpec(ComponentSpec):
    """Inputs, outputs and properties of Report."""

    PARAMETERS: ClassVar[dict[str, ExecutionParameter]] = {
        "corpus": ExecutionParameter(type=str),
        "code_version": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "data_card": ChannelParameter(type=StepReport),
        "statistics": ChannelParameter(type=ExampleStatistics),
        "anomalies": ChannelParameter(type=ExampleAnomalies),
        "baseline": ChannelParameter(type=Model),
        "data_check": ChannelParameter(type=StepReport),
        "transform_graph": ChannelParameter(type=TransformGraph),
        "token_check": ChannelParameter(type=StepReport),
        "model_run": ChannelParameter(type=ModelRun),
        "evaluation": ChannelParameter(type=ModelEvaluation),
        "predictions": ChannelParameter(type=Predictions),
        "smoke_report": ChannelParameter(type=StepReport),
        "pushed_model": ChannelParameter(type=PushedModel),
    }
    OUTPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "page": ChannelParameter(type=HtmlPage),
        "report": ChannelParameter(type=StepReport),
        "metrics": ChannelParameter(type=ScalarMetrics),
        "classification": ChannelParameter(type=ClassificationMetrics),
    }


class Report(BaseComponent):
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
        corpus: Name of a description in `agnews.schemas.corpus`.
        code_version: Digest of the code behind this step.
    """

    SPEC_CLASS = ReportSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        data_card: BaseChannel,
        statistics: BaseChannel,
        anomalies: BaseChannel,
        baseline: BaseChannel,
        data_check: BaseChannel,
        transform_graph: BaseChannel,
        token_check: BaseChannel,
        model_run: BaseChannel,
        evaluation: BaseChannel,
        predictions: BaseChannel,
        smoke_report: BaseChannel,
        pushed_model: BaseChannel,
        corpus: str,
        code_version: str,
    ) -> None:
        super().__init__(
            spec=ReportSpec(
                data_card=data_card,
                statistics=statistics,
                anomalies=anomalies,
                baseline=baseline,
                data_check=data_check,
                transform_graph=transform_graph,
                token_check=token_check,
                model_run=model_run,
                evaluation=evaluation,
                predictions=predictions,
                smoke_report=smoke_report,
                pushed_model=pushed_model,
                corpus=corpus,
                code_version=code_version,
                page=Channel(type=HtmlPage),
                report=Channel(type=StepReport),
                metrics=Channel(type=ScalarMetrics),
                classification=Channel(type=ClassificationMetrics),
            )
        )
