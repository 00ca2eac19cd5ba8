"""The node Pusher."""

from __future__ import annotations

from typing import Annotated, ClassVar

from tfx.types.channel import BaseChannel
from tfx.types.standard_artifacts import Examples, ExampleStatistics, Model, ModelBlessing, ModelEvaluation, PushedModel

from agnews.components.artifact_types import Predictions, StepReport
from agnews.components.declared_component import DeclaredComponent
from agnews.components.pusher.executor import Executor


class Pusher(DeclaredComponent):
    """Puts a model into production if it was blessed and can be served.

    TFX's own Pusher copies into the final folder file by file, knows no pointer, and would push a model that was judged
    against another version than the one in production by now.

    Args:
        model: The exported model.
        blessing: The Evaluator's decision.
        evaluation: The Evaluator's figures.
        statistics: Of the rows that the model was trained on; they go with it, for the next run to compare with.
        smoke_report: What SmokeTest found.
        examples: Raw rows; counts of the training texts go with the model, for monitoring, and what a linear model
            has learnt from them.
        predictions: Answers to the test rows, likewise.
        data_card: What NewsExampleGen read; its digests go with the model, so that the next run can tell what is new.
        push_uri: Folder or URI that models are pushed to.
        model_name: Name of the served model.
        corpus: The description of the corpus, from `carry_corpus`.
        replaces: Version in production that the model was not judged against and takes the place of all the same.
        no_push: Whether the model stays where it is: judged and tested, and in no store.
        reason: Why somebody puts it into production, for the store's trail.
        fingerprint: Digest of data, configuration and code that led to the model.
        withdrawn: Version that the model is and that was rolled back from; empty where there is none.
        code_version: Digest of the code behind this step.
    """

    EXECUTOR = Executor
    OUTPUTS: ClassVar = {"pushed_model": PushedModel}

    model: Annotated[BaseChannel, Model]
    blessing: Annotated[BaseChannel, ModelBlessing]
    evaluation: Annotated[BaseChannel, ModelEvaluation]
    statistics: Annotated[BaseChannel, ExampleStatistics]
    smoke_report: Annotated[BaseChannel, StepReport]
    examples: Annotated[BaseChannel, Examples]
    predictions: Annotated[BaseChannel, Predictions]
    data_card: Annotated[BaseChannel, StepReport]
    push_uri: str
    model_name: str
    corpus: str
    replaces: str
    no_push: bool
    reason: str
    fingerprint: str
    withdrawn: str
    code_version: str
