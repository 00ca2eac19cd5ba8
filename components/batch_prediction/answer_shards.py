"""The Beam pipeline over shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.pvalue import PCollection
from apache_beam.utils.shared import Shared

from agnews.components.batch_prediction.answer_shard import answer_shard
from agnews.components.batch_prediction.batch_folder import BatchFolder
from agnews.components.serving_model.predictor import Predictor
from agnews.schemas.batch_manifest import BatchPlan, BatchShard
from agnews.schemas.progress import Progress, report_progress

STEP = "batch"


class AnswerShards(beam.PTransform):
    """Answers shards, and puts each into the output folder when it is done.

    What goes from worker to worker are places in files: rows are read, answered and written by one worker.

    Args:
        plan: What the shards belong to.
        shards: Those that are to be done.
        output: The output folder.
        model: Folder of the SavedModel; workers have to reach it, like inputs and output.
        batch_size: Texts that the model sees at once.
    """

    def __init__(
        self, plan: BatchPlan, shards: Sequence[BatchShard], *, output: str, model: str, batch_size: int
    ) -> None:
        super().__init__()
        self._shards = list(shards)
        self._answer = _AnswerShard(plan, output=output, model=model, batch_size=batch_size)

    def expand(self, pipeline: beam.Pipeline) -> PCollection:
        """Builds the graph.

        Args:
            pipeline: The pipeline to add to.

        Returns:
            The numbers of the shards that are done.
        """
        return (
            pipeline
            | "Shards" >> beam.Create(self._shards, reshuffle=False)
            # Otherwise one worker would get them all.
            | "Spread" >> beam.Reshuffle()
            | "Answer" >> beam.ParDo(self._answer)
        )


class _AnswerShard(beam.DoFn):
    """Answers a shard; the workers of a process share one model."""

    def __init__(self, plan: BatchPlan, *, output: str, model: str, batch_size: int) -> None:
        self._plan = plan
        self._output = output
        self._model = model
        self._batch_size = batch_size
        self._shared = Shared()
        self._answered = Metrics.counter(STEP, "answered")
        self._rejected = Metrics.counter(STEP, "rejected")

    def setup(self) -> None:
        self._predictor = self._shared.acquire(partial(Predictor, self._model, self._plan.classes), tag=self._model)

    def process(self, shard: BatchShard) -> Iterator[int]:
        folder = BatchFolder(self._output)
        done = 0

        def on_rows(rows: int) -> None:
            nonlocal done
            done += rows
            report_progress(Progress(STEP, done, shard.rows, metrics={"shard": shard.number}))

        predict = partial(self._predictor.probabilities, batch_size=self._batch_size)
        answered = answer_shard(self._plan, shard, predict, on_rows)
        folder.put(shard, answered.part, answered.content, answered.rejects)
        self._answered.inc(answered.part.rows)
        self._rejected.inc(sum(answered.part.rejects.values()))
        yield shard.number
