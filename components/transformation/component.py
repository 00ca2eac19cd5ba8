"""The node Transform."""

from __future__ import annotations

from typing import Any

from tfx import components
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types.channel import BaseChannel

from agnews.components.transform import preprocessing_fn
from agnews.components.transformation.executor import Executor


class Transform(components.Transform):
    """TFX's Transform, with its inputs, outputs and properties, for a function that learns nothing from the rows.

    Args:
        examples: Output of NewsExampleGen.
        schema: Output of ImportSchemaGen.
        custom_config: What `preprocessing_fn` is told; see `agnews.pipeline.node_settings`.
    """

    EXECUTOR_SPEC = BeamExecutorSpec(Executor)

    def __init__(self, *, examples: BaseChannel, schema: BaseChannel, custom_config: dict[str, Any]) -> None:
        super().__init__(
            examples=examples,
            schema=schema,
            preprocessing_fn=f"{preprocessing_fn.__module__}.{preprocessing_fn.__name__}",
            disable_statistics=True,
            custom_config=custom_config,
        )
