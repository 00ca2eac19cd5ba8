"""The node Evaluator."""

from __future__ import annotations

from typing import Annotated, ClassVar

from tfx.types.channel import BaseChannel
from tfx.types.standard_artifacts import Examples, Model, ModelBlessing, ModelEvaluation

from agnews.components.artifact_types import Predictions, StepReport
from agnews.components.declared_component import DeclaredBeamComponent
from agnews.components.evaluator.executor import Executor


class Evaluator(DeclaredBeamComponent):
    """Judges a model on the test split: figures, slices, predictions, and whether it may be pushed.

    Both models answer raw texts through the signature that is served, each row once. TFMA then works on the answers.
    TFX's own Evaluator runs the models inside TFMA, on features instead of texts, and compares with thresholds that
    know no noise.

    Args:
        examples: Raw Examples; the split `test` decides.
        model: The candidate.
        baseline: The output of BaselineModel.
        linear: The output of LinearBaseline.
        corpus: The description of the corpus, from `carry_corpus`.
        min_accuracy: Floor.
        min_class_recall: Floor for every class by itself.
        min_examples: Test rows that are needed.
        min_class_examples: Test rows that are needed of every class.
        metric: What models are compared by: `accuracy`, `macro_f1` or `recall:NAME`.
        alpha: Level of the paired tests.
        anchor: `keep` to compare with the best model ever pushed on these rows too, or `ignore`.
        margin: What the candidate may be worse than that one, a share of the rows.
        beats_linear: `require` to hold a model back that is worse than the linear one.
        abstain_precision: Share of right answers for which the model may abstain; 0 if it answers always.
        force_promotion: Promote the model although rules fail.
        code_version: Digest of the code behind this step.
    """

    EXECUTOR = Executor
    OUTPUTS: ClassVar = {"evaluation": ModelEvaluation, "predictions": Predictions, "blessing": ModelBlessing}

    examples: Annotated[BaseChannel, Examples]
    model: Annotated[BaseChannel, Model]
    baseline: Annotated[BaseChannel, Model]
    linear: Annotated[BaseChannel, StepReport]
    corpus: str
    min_accuracy: float
    min_class_recall: float
    min_examples: int
    min_class_examples: int
    metric: str
    alpha: float
    anchor: str
    margin: float
    beats_linear: str
    abstain_precision: float
    force_promotion: bool
    code_version: str
