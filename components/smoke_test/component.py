"""The node SmokeTest."""

from __future__ import annotations

from typing import ClassVar

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types.channel import BaseChannel, Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.standard_artifacts import Model, ModelBlessing

from agnews.components.artifact_types import StepReport
from agnews.components.smoke_test.executor import Executor


class SmokeTestSpec(ComponentSpec):
    """Inputs, outputs and properties of SmokeTest."""

    PARAMETERS: ClassVar[dict[str, ExecutionParameter]] = {
        "corpus": ExecutionParameter(type=str),
        "max_latency_ms": ExecutionParameter(type=float),
        "max_size_mb": ExecutionParameter(type=float),
        "timeout_seconds": ExecutionParameter(type=float),
        "code_version": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "model": ChannelParameter(type=Model),
        "blessing": ChannelParameter(type=ModelBlessing),
    }
    OUTPUTS: ClassVar[dict[str, ChannelParameter]] = {"report": ChannelParameter(type=StepReport)}


class SmokeTest(BaseComponent):
    """Tries a blessed model in a process that has TensorFlow and TensorFlow Text and nothing else.

    TFX has InfraValidator for this, which needs Docker and does not compile for Kubeflow Pipelines.

    Args:
        model: The exported model.
        blessing: The Evaluator's decision.
        corpus: Name of a description in `agnews.schemas.corpus`.
        max_latency_ms: Bound of the median time of a request with one text.
        max_size_mb: Bound of the size of the model folder.
        timeout_seconds: The process is ended after this time.
        code_version: Digest of the code behind this step.
    """

    SPEC_CLASS = SmokeTestSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        model: BaseChannel,
        blessing: BaseChannel,
        corpus: str,
        max_latency_ms: float,
        max_size_mb: float,
        timeout_seconds: float,
        code_version: str,
    ) -> None:
        super().__init__(
            spec=SmokeTestSpec(
                model=model,
                blessing=blessing,
                corpus=corpus,
                max_latency_ms=max_latency_ms,
                max_size_mb=max_size_mb,
                timeout_seconds=timeout_seconds,
                code_version=code_version,
                report=Channel(type=StepReport),
            )
        )
