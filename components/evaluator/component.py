"""The node Evaluator."""

from __future__ import annotations

from typing import ClassVar

from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types.channel import BaseChannel, Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing, ModelEvaluation

from agnews.components.artifact_types import Predictions
from agnews.components.evaluator.executor import Executor


class EvaluatorSpec(ComponentSpec):
    """Inputs, outputs and properties of Evaluator."""

    PARAMETERS: ClassVar[dict[str, ExecutionParameter]] = {
        "corpus": ExecutionParameter(type=str),
        "min_accuracy": ExecutionParameter(type=float),
        "min_class_recall": ExecutionParameter(type=float),
        "min_examples": ExecutionParameter(type=int),
        "min_class_examples": ExecutionParameter(type=int),
        "alpha": ExecutionParameter(type=float),
        "force_promotion": ExecutionParameter(type=int),
        "code_version": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "examples": ChannelParameter(type=Examples),
        "model": ChannelParameter(type=Model),
        "baseline": ChannelParameter(type=Model),
    }
    OUTPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "evaluation": ChannelParameter(type=ModelEvaluation),
        "predictions": ChannelParameter(type=Predictions),
        "blessing": ChannelParameter(type=ModelBlessing),
    }


class Evaluator(BaseBeamComponent):
    """Judges a model on the test split: figures, slices, predictions, and whether it may be pushed.

    Both models answer raw texts through the signature that is served, each row once. TFMA then works on the answers.
    TFX's own Evaluator runs the models inside TFMA, on features instead of texts, and compares with thresholds that
    know no noise.

    Args:
        examples: Raw Examples; the split `test` decides.
        model: The candidate.
        baseline: The output of BaselineModel.
        corpus: Name of a description in `agnews.schemas.corpus`.
        min_accuracy: Floor.
        min_class_recall: Floor for every class by itself.
        min_examples: Test rows that are needed.
        min_class_examples: Test rows that are needed of every class.
        alpha: Level of the paired test against the baseline.
        force_promotion: Promote the model although rules fail.
        code_version: Digest of the code behind this step.
    """

    SPEC_CLASS = EvaluatorSpec
    EXECUTOR_SPEC = BeamExecutorSpec(Executor)

    def __init__(
        self,
        *,
        examples: BaseChannel,
        model: BaseChannel,
        baseline: BaseChannel,
        corpus: str,
        min_accuracy: float,
        min_class_recall: float,
        min_examples: int,
        min_class_examples: int,
        alpha: float,
        force_promotion: bool,
        code_version: str,
    ) -> None:
        super().__init__(
            spec=EvaluatorSpec(
                examples=examples,
                model=model,
                baseline=baseline,
                corpus=corpus,
                min_accuracy=min_accuracy,
                min_class_recall=min_class_recall,
                min_examples=min_examples,
                min_class_examples=min_class_examples,
                alpha=alpha,
                force_promotion=int(force_promotion),
                code_version=code_version,
                evaluation=Channel(type=ModelEvaluation),
                predictions=Channel(type=Predictions),
                blessing=Channel(type=ModelBlessing),
            )
        )
