"""The node BaselineModel."""

from __future__ import annotations

from typing import ClassVar

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types.channel import Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.standard_artifacts import Model

from agnews.components.baseline_model.executor import Executor


class BaselineModelSpec(ComponentSpec):
    """Inputs, outputs and properties of BaselineModel."""

    PARAMETERS: ClassVar[dict[str, ExecutionParameter]] = {
        "push_uri": ExecutionParameter(type=str),
        "model_name": ExecutionParameter(type=str),
        "production": ExecutionParameter(type=str),
        "code_version": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {}
    OUTPUTS: ClassVar[dict[str, ChannelParameter]] = {"model": ChannelParameter(type=Model)}


class BaselineModel(BaseComponent):
    """Brings the model in production into the run.

    TFX has a Resolver for this, which asks the metadata store for the latest blessed model. The pointer of the last
    push is asked instead: it is what is really served, and a cluster without such a store can read it too.

    Args:
        push_uri: Folder or URI that models are pushed to.
        model_name: Name of the served model.
        production: Version to compare with; empty for none; `?` for the one that the pointer names when the step runs,
            in which case the step must not be answered from a cache.
        code_version: Digest of the code behind this step.
    """

    SPEC_CLASS = BaselineModelSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(self, *, push_uri: str, model_name: str, production: str, code_version: str) -> None:
        super().__init__(
            spec=BaselineModelSpec(
                push_uri=push_uri,
                model_name=model_name,
                production=production,
                code_version=code_version,
                model=Channel(type=Model),
            )
        )
