"""The node DataGate."""

from __future__ import annotations

from typing import ClassVar

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types.channel import BaseChannel, Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.standard_artifacts import ExampleAnomalies, ExampleStatistics, Model, Schema

from agnews.components.artifact_types import StepReport
from agnews.components.data_gate.executor import Executor


class DataGateSpec(ComponentSpec):
    """Inputs, outputs and properties of DataGate."""

    PARAMETERS: ClassVar[dict[str, ExecutionParameter]] = {
        "fail_on_drift": ExecutionParameter(type=int),
        "code_version": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "statistics": ChannelParameter(type=ExampleStatistics),
        "schema": ChannelParameter(type=Schema),
        "anomalies": ChannelParameter(type=ExampleAnomalies),
        "baseline": ChannelParameter(type=Model),
    }
    OUTPUTS: ClassVar[dict[str, ChannelParameter]] = {"report": ChannelParameter(type=StepReport)}


class DataGate(BaseComponent):
    """Ends the run when the rows are not what the schema says.

    ExampleValidator only writes down what it finds. This step acts on it, and adds the two comparisons that need a
    second sample: training against test rows, and training rows against those of the model in production.

    Args:
        statistics: Of each split.
        schema: The rules.
        anomalies: What ExampleValidator found in each split.
        baseline: Output of BaselineModel.
        fail_on_drift: Whether drift against the rows of the model in production ends the run.
        code_version: Digest of the code behind this step.
    """

    SPEC_CLASS = DataGateSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        statistics: BaseChannel,
        schema: BaseChannel,
        anomalies: BaseChannel,
        baseline: BaseChannel,
        fail_on_drift: bool,
        code_version: str,
    ) -> None:
        super().__init__(
            spec=DataGateSpec(
                statistics=statistics,
                schema=schema,
                anomalies=anomalies,
                baseline=baseline,
                fail_on_drift=int(fail_on_drift),
                code_version=code_version,
                report=Channel(type=StepReport),
            )
        )
