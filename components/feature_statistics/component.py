"""The node StatisticsGen."""

from __future__ import annotations

from typing import Annotated, ClassVar

from tfx.types.channel import BaseChannel
from tfx.types.standard_artifacts import Examples, ExampleStatistics

from agnews.components.declared_component import DeclaredBeamComponent
from agnews.components.feature_statistics.executor import Executor


class StatisticsGen(DeclaredBeamComponent):
    """Counts what the rows of each split hold, as TFX's component of this name does.

    Args:
        examples: Output of NewsExampleGen.
        code_version: Digest of the code behind this step.
    """

    EXECUTOR = Executor
    OUTPUTS: ClassVar = {"statistics": ExampleStatistics}

    examples: Annotated[BaseChannel, Examples]
    code_version: str
