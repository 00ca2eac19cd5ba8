"""The node Pusher."""

from __future__ import annotations

from typing import ClassVar

from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.types.channel import BaseChannel, Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.standard_artifacts import ExampleStatistics, Model, ModelBlessing, ModelEvaluation, PushedModel

from agnews.components.artifact_types import StepReport
from agnews.components.pusher.executor import Executor


class PusherSpec(ComponentSpec):
    """Inputs, outputs and properties of Pusher."""

    PARAMETERS: ClassVar[dict[str, ExecutionParameter]] = {
        "push_uri": ExecutionParameter(type=str),
        "model_name": ExecutionParameter(type=str),
        "corpus": ExecutionParameter(type=str),
        "fingerprint": ExecutionParameter(type=str),
        "withdrawn": ExecutionParameter(type=str),
        "code_version": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "model": ChannelParameter(type=Model),
        "blessing": ChannelParameter(type=ModelBlessing),
        "evaluation": ChannelParameter(type=ModelEvaluation),
        "statistics": ChannelParameter(type=ExampleStatistics),
        "smoke_report": ChannelParameter(type=StepReport),
        "data_card": ChannelParameter(type=StepReport),
    }
    OUTPUTS: ClassVar[dict[str, ChannelParameter]] = {"pushed_model": ChannelParameter(type=PushedModel)}


class Pusher(BaseComponent):
    """Puts a model into production if it was blessed and can be served.

    TFX's own Pusher copies into the final folder file by file, knows no pointer, and would push a model that was judged
    against another version than the one in production by now.

    Args:
        model: The exported model.
        blessing: The Evaluator's decision.
        evaluation: The Evaluator's figures.
        statistics: Of the rows that the model was trained on; they go with it, for the next run to compare with.
        smoke_report: What SmokeTest found.
        data_card: What NewsExampleGen read; its digests go with the model, so that the next run can tell what is new.
        push_uri: Folder or URI that models are pushed to.
        model_name: Name of the served model.
        corpus: Name of a description in `agnews.schemas.corpus`.
        fingerprint: Digest of data, configuration and code that led to the model.
        withdrawn: Version that the model is and that was rolled back from; empty where there is none.
        code_version: Digest of the code behind this step.
    """

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        model: BaseChannel,
        blessing: BaseChannel,
        evaluation: BaseChannel,
        statistics: BaseChannel,
        smoke_report: BaseChannel,
        data_card: BaseChannel,
        push_uri: str,
        model_name: str,
        corpus: str,
        fingerprint: str,
        withdrawn: str,
        code_version: str,
    ) -> None:
        super().__init__(
            spec=PusherSpec(
                model=model,
                blessing=blessing,
                evaluation=evaluation,
                statistics=statistics,
                smoke_report=smoke_report,
                data_card=data_card,
                push_uri=push_uri,
                model_name=model_name,
                corpus=corpus,
                fingerprint=fingerprint,
                withdrawn=withdrawn,
                code_version=code_version,
                pushed_model=Channel(type=PushedModel),
            )
        )
