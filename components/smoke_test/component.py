"""The node SmokeTest."""

from __future__ import annotations

from typing import Annotated, ClassVar

from tfx.types.channel import BaseChannel
from tfx.types.standard_artifacts import Model, ModelBlessing

from agnews.components.artifact_types import StepReport
from agnews.components.declared_component import DeclaredComponent
from agnews.components.smoke_test.executor import Executor


class SmokeTest(DeclaredComponent):
    """Tries a blessed model in a process that has TensorFlow and TensorFlow Text and nothing else.

    TFX has InfraValidator for this, which needs Docker and does not compile for Kubeflow Pipelines.

    Args:
        model: The exported model.
        blessing: The Evaluator's decision.
        baseline: Output of BaselineModel: what size and time are compared with.
        corpus: The description of the corpus, from `carry_corpus`.
        max_latency_ms: Bound of the median time of a request with one text.
        max_size_mb: Bound of the size of the model folder.
        timeout_seconds: The process is ended after this time.
        code_version: Digest of the code behind this step.
    """

    EXECUTOR = Executor
    OUTPUTS: ClassVar = {"report": StepReport}

    model: Annotated[BaseChannel, Model]
    blessing: Annotated[BaseChannel, ModelBlessing]
    baseline: Annotated[BaseChannel, Model]
    corpus: str
    max_latency_ms: float
    max_size_mb: float
    timeout_seconds: float
    code_version: str
