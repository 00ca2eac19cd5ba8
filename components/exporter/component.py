"""The node Exporter."""

from __future__ import annotations

from typing import Annotated, ClassVar

from tfx.types.channel import BaseChannel
from tfx.types.standard_artifacts import Examples, Model

from agnews.components.declared_component import DeclaredComponent
from agnews.components.exporter.executor import Executor


class Exporter(DeclaredComponent):
    """Puts exports for other engines into the folder of a model, each held to the model in float32.

    It stands in the graph only where `export.formats` names some; then the nodes behind it take its model in place of
    the Trainer's, which is not trained again for another precision.

    Args:
        examples: Raw Examples: int8 takes its ranges from rows of the split `train`, both answer the split `test`.
        model: The Trainer's.
        formats: Names from `export.formats`, with commas between them.
        precision: Of the arithmetic.
        alpha: Level of the paired test.
        code_version: Digest of the code behind this step.
    """

    EXECUTOR = Executor
    OUTPUTS: ClassVar = {"exported": Model}

    examples: Annotated[BaseChannel, Examples]
    model: Annotated[BaseChannel, Model]
    formats: str
    precision: str
    alpha: float
    code_version: str
