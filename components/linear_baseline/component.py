"""The node LinearBaseline."""

from __future__ import annotations

from typing import Annotated, ClassVar

from tfx.types.channel import BaseChannel
from tfx.types.standard_artifacts import Examples

from agnews.components.artifact_types import StepReport
from agnews.components.declared_component import DeclaredComponent
from agnews.components.linear_baseline.executor import Executor


class LinearBaseline(DeclaredComponent):
    """Says what a linear model of n-grams gets on the rows of a run: what any other model has to be worth its price.

    It depends on the rows alone, not on the model of the run, so new rows are all that makes it run again.

    Args:
        examples: Raw Examples. It learns from the split `train` and answers `test`.
        corpus: From `carry_corpus`: the classes, and the settings of the kind `linear`.
        unwanted: Why nobody wants to know, and nothing is trained; empty where somebody does.
        code_version: Digest of the code behind this step.
    """

    EXECUTOR = Executor
    OUTPUTS: ClassVar = {"report": StepReport}

    examples: Annotated[BaseChannel, Examples]
    corpus: str
    unwanted: str
    code_version: str
