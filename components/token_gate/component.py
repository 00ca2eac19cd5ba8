"""The node TokenGate."""

from __future__ import annotations

from typing import ClassVar

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types.channel import BaseChannel, Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.standard_artifacts import Examples, TransformGraph

from agnews.components.artifact_types import StepReport
from agnews.components.token_gate.executor import Executor


class TokenGateSpec(ComponentSpec):
    """Inputs, outputs and properties of TokenGate."""

    PARAMETERS: ClassVar[dict[str, ExecutionParameter]] = {
        "max_length": ExecutionParameter(type=int),
        "max_unknown_share": ExecutionParameter(type=float),
        "code_version": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "transformed_examples": ChannelParameter(type=Examples),
        "transform_graph": ChannelParameter(type=TransformGraph),
    }
    OUTPUTS: ClassVar[dict[str, ChannelParameter]] = {"report": ChannelParameter(type=StepReport)}


class TokenGate(BaseComponent):
    """Ends the run when texts did not become the tokens that an encoder expects.

    A vocabulary of another language or case does not fail: it makes [UNK] of most words, and a model that learns
    little from them.

    Args:
        transformed_examples: Output of Transform.
        transform_graph: Output of Transform.
        max_length: Longest sequence, [CLS] and [SEP] included.
        max_unknown_share: Largest share of [UNK] among the word pieces of a split.
        code_version: Digest of the code behind this step.
    """

    SPEC_CLASS = TokenGateSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        transformed_examples: BaseChannel,
        transform_graph: BaseChannel,
        max_length: int,
        max_unknown_share: float,
        code_version: str,
    ) -> None:
        super().__init__(
            spec=TokenGateSpec(
                transformed_examples=transformed_examples,
                transform_graph=transform_graph,
                max_length=max_length,
                max_unknown_share=max_unknown_share,
                code_version=code_version,
                report=Channel(type=StepReport),
            )
        )
