"""The node DataGate."""

from __future__ import annotations

from typing import Annotated, ClassVar

from tfx.types.channel import BaseChannel
from tfx.types.standard_artifacts import ExampleAnomalies, Model, Schema

from agnews.components.artifact_types import StepReport
from agnews.components.data_gate.executor import Executor
from agnews.components.declared_component import DeclaredComponent


class DataGate(DeclaredComponent):
    """Ends the run when the rows are not what the schema says.

    ExampleValidator only writes down what it finds. This step acts on it, and adds the two comparisons that need a
    second sample: training against test rows, and training rows against those of the model in production.

    Args:
        data_card: What NewsExampleGen read, with counts of train and test.
        schema: The rules.
        anomalies: What ExampleValidator found in each split.
        baseline: Output of BaselineModel.
        corpus: How far samples may be apart, from `carry_corpus`.
        fail_on_drift: Whether drift against the rows of the model in production ends the run.
        code_version: Digest of the code behind this step.
    """

    EXECUTOR = Executor
    OUTPUTS: ClassVar = {"report": StepReport}

    data_card: Annotated[BaseChannel, StepReport]
    schema: Annotated[BaseChannel, Schema]
    anomalies: Annotated[BaseChannel, ExampleAnomalies]
    baseline: Annotated[BaseChannel, Model]
    corpus: str
    fail_on_drift: bool
    code_version: str
