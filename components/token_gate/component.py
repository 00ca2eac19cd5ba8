"""The node TokenGate."""

from __future__ import annotations

from typing import Annotated, ClassVar

from tfx.types.channel import BaseChannel
from tfx.types.standard_artifacts import Examples, TransformGraph

from agnews.components.artifact_types import StepReport
from agnews.components.declared_component import DeclaredComponent
from agnews.components.token_gate.executor import Executor


class TokenGate(DeclaredComponent):
    """Ends the run when texts did not become the tokens that an encoder expects.

    A vocabulary of another language or case does not fail: it makes [UNK] of most words, and a model that learns
    little from them. Nor does it fail where rows are gone.

    Args:
        transformed_examples: Output of Transform.
        transform_graph: Output of Transform.
        data_card: Output of NewsExampleGen, which says how many rows each split has.
        max_length: Longest sequence, [CLS] and [SEP] included.
        max_unknown_share: Largest share of [UNK] among the word pieces of a split.
        code_version: Digest of the code behind this step.
    """

    EXECUTOR = Executor
    OUTPUTS: ClassVar = {"report": StepReport}

    transformed_examples: Annotated[BaseChannel, Examples]
    transform_graph: Annotated[BaseChannel, TransformGraph]
    data_card: Annotated[BaseChannel, StepReport]
    max_length: int
    max_unknown_share: float
    code_version: str
