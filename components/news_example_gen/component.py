"""The node NewsExampleGen."""

from __future__ import annotations

from typing import ClassVar

from tfx.dsl.components.base.base_beam_component import BaseBeamComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec
from tfx.types.channel import Channel
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.types.standard_artifacts import Examples

from agnews.components.artifact_types import StepReport
from agnews.components.news_example_gen.executor import Executor


class NewsExampleGenSpec(ComponentSpec):
    """Inputs, outputs and properties of NewsExampleGen."""

    PARAMETERS: ClassVar[dict[str, ExecutionParameter]] = {
        "data_uri": ExecutionParameter(type=str),
        "corpus": ExecutionParameter(type=str),
        "window": ExecutionParameter(type=int),
        "digest": ExecutionParameter(type=str),
        "limit": ExecutionParameter(type=int),
        "eval_share": ExecutionParameter(type=float),
        "max_reject_share": ExecutionParameter(type=float),
        "seed": ExecutionParameter(type=int),
        "code_version": ExecutionParameter(type=str),
    }
    INPUTS: ClassVar[dict[str, ChannelParameter]] = {}
    OUTPUTS: ClassVar[dict[str, ChannelParameter]] = {
        "examples": ChannelParameter(type=Examples),
        "data_card": ChannelParameter(type=StepReport),
    }


class NewsExampleGen(BaseBeamComponent):
    """Reads the CSV files of a corpus and writes the splits train, eval and test as tf.Examples.

    There is no driver, which Kubeflow would not run: that data has changed shows in the property `digest`.

    Args:
        data_uri: `sample`, a folder, or a URI that TensorFlow's file layer opens.
        corpus: Name of a description in `agnews.schemas.corpus`.
        window: Newest spans to take where the data is a folder of dated spans; 0 takes all.
        digest: `data_digest` of the data, so that the same data is answered from the cache and new data is not. The
            step refuses data with another digest; an empty string accepts any.
        limit: Rows wanted in train, a stratified subset; 0 takes all.
        eval_share: Share of the training texts that go to eval.
        max_reject_share: Largest share of bad records in a file that is put up with.
        seed: Chooses the subset that `limit` takes.
        code_version: Digest of the code behind this step.
    """

    SPEC_CLASS = NewsExampleGenSpec
    EXECUTOR_SPEC = BeamExecutorSpec(Executor)

    def __init__(
        self,
        *,
        data_uri: str,
        corpus: str,
        window: int,
        digest: str,
        limit: int,
        eval_share: float,
        max_reject_share: float,
        seed: int,
        code_version: str,
    ) -> None:
        super().__init__(
            spec=NewsExampleGenSpec(
                data_uri=data_uri,
                corpus=corpus,
                window=window,
                digest=digest,
                limit=limit,
                eval_share=eval_share,
                max_reject_share=max_reject_share,
                seed=seed,
                code_version=code_version,
                examples=Channel(type=Examples),
                data_card=Channel(type=StepReport),
            )
        )
