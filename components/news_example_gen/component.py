"""The node NewsExampleGen."""

from __future__ import annotations

from typing import ClassVar

from tfx.types.standard_artifacts import Examples

from agnews.components.artifact_types import StepReport
from agnews.components.declared_component import DeclaredBeamComponent
from agnews.components.news_example_gen.executor import Executor


class NewsExampleGen(DeclaredBeamComponent):
    """Reads the files of a corpus and writes the splits train, eval and test as tf.Examples.

    There is no driver, which Kubeflow would not run: that data has changed shows in the property `digest`.

    Args:
        data_uri: `sample`, a folder, or a URI that TensorFlow's file layer opens.
        corpus: How the files are read, from `carry_corpus`.
        window: Newest spans to take where the data is a folder of dated spans; 0 takes all.
        digest: Of the data, as `read_state` finds it, so that the same data is answered from the cache and new data is
            not. The step refuses data with another digest; an empty string accepts any.
        limit: Rows wanted in train, a stratified subset; 0 takes all.
        eval_share: Share of the training texts that go to eval.
        max_reject_share: Largest share of bad records in a file that is put up with.
        seed: Chooses the subset that `limit` takes.
        code_version: Digest of the code behind this step.
    """

    EXECUTOR = Executor
    OUTPUTS: ClassVar = {"examples": Examples, "data_card": StepReport}

    data_uri: str
    corpus: str
    window: int
    digest: str
    limit: int
    eval_share: float
    max_reject_share: float
    seed: int
    code_version: str
