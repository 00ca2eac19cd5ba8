"""The Beam pipeline over shards."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import apache_beam as beam
import orjson
from apache_beam.metrics import Metrics
from apache_beam.pvalue import PCollection
from apache_beam.utils.shared import Shared

from agnews.components.batch_prediction.batch_folder import BatchFolder, part_name
from agnews.components.batch_prediction.plan_batch import shard_source
from agnews.components.corpus_files.read_csv_rows import Place
from agnews.components.corpus_files.record import Reject
from agnews.components.engines.find_export import FoundExport
from agnews.components.prediction.output_formats import OutputFormat, create_formatter
from agnews.components.prediction.predict_blocks import Predict, predict_blocks
from agnews.components.prediction.read_texts import open_texts, read_texts
from agnews.components.prediction.text_blocks import text_blocks
from agnews.components.prediction.text_input import TextFormat, TextRow
from agnews.components.prediction.write_predictions import PredictionFormatter, PredictionStyle, SeveralClasses
from agnews.components.serving_model.load_predictor import load_predictor
from agnews.schemas.batch_manifest import BatchPart, BatchPlan, BatchShard
from agnews.schemas.corpus import Corpus
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.progress import Progress, report_progress


@dataclass(frozen=True)
class PredictedShard:
    """What is written of a shard.

    Attributes:
        part: What became of it.
        content: Its file of answers.
        rejects: A line for each row that could not be answered.
    """

    part: BatchPart
    content: bytes
    rejects: bytes


def predict_shard(
    plan: BatchPlan, shard: BatchShard, predict: Predict, on_rows: Callable[[int], None] = lambda rows: None
) -> PredictedShard:
    """Reads a shard and answers it. Whenever it is done, the answers are the same.

    Args:
        plan: What the shard belongs to.
        shard: The rows.
        predict: The model.
        on_rows: Called with the number of rows of each block when it is done.

    Returns:
        All that is to be written; a shard is small enough to be held in memory.

    Raises:
        AgnewsError: The input has gone or changed its form, or the model fails.
    """
    given = plan.inputs[shard.input]
    blocks = text_blocks(_rows(plan, shard), live=False)
    formatter = _formatter(plan)
    written = [formatter.header]
    rejects: list[Reject] = []
    rows = 0
    for answered in predict_blocks(blocks, predict, one_class=formatter.one_class):
        written.append(formatter.block(answered))
        rejects += answered.rejects
        rows += len(answered.rows)
        on_rows(len(answered.rows))
    content = b"".join([*written, formatter.end()])
    part = BatchPart(
        name=part_name(shard, plan),
        rows=rows,
        rejects=dict(Counter(str(reject.reason) for reject in rejects)),
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    lines = [
        orjson.dumps({"file": given.uri, **reject._asdict()}, option=orjson.OPT_APPEND_NEWLINE) for reject in rejects
    ]
    return PredictedShard(part, content, b"".join(lines))


def _rows(plan: BatchPlan, shard: BatchShard) -> Iterator[TextRow | Reject]:
    given = plan.inputs[shard.input]
    source = shard_source(given, shard, _corpus(plan))
    stream = open_texts(source)
    if source.format is not TextFormat.PARQUET and shard.offset:
        stream.seek(shard.offset)
    for row in read_texts(stream, source, start=Place(shard.row, shard.line, shard.offset), end=shard.end):
        # A number says little when there are many files.
        yield row if isinstance(row, Reject) or given.id_column else row._replace(id=f"{given.name}:{row.id}")


def _corpus(plan: BatchPlan) -> Corpus:
    return Corpus.model_validate_json(plan.corpus) if plan.corpus else packaged_corpus()


def _formatter(plan: BatchPlan) -> PredictionFormatter:
    style = PredictionStyle(
        plan.classes,
        plan.model_version,
        with_text=plan.with_text,
        top=plan.top or None,
        abstains_below=plan.abstains_below,
        several=_several(plan),
    )
    return create_formatter(OutputFormat(plan.format), style)


def _several(plan: BatchPlan) -> SeveralClasses | None:
    sets = _corpus(plan).label_sets
    return None if plan.thresholds is None else SeveralClasses(plan.thresholds, sets.separator if sets else None)


STEP = "batch"


class PredictShards(beam.PTransform):
    """Answers shards, and puts each into the output folder when it is done.

    What goes from worker to worker are places in files: rows are read, answered and written by one worker.

    Args:
        plan: What the shards belong to.
        shards: Those that are to be done.
        output: The output folder.
        model: Folder of the SavedModel; workers have to reach it, like inputs and output.
        export: What answers in its place, which they have to reach too; None for TensorFlow.
        batch_size: Texts that the model sees at once.
    """

    def __init__(
        self,
        plan: BatchPlan,
        shards: Sequence[BatchShard],
        *,
        output: str,
        model: str,
        export: FoundExport | None = None,
        batch_size: int,
    ) -> None:
        super().__init__()
        self._shards = list(shards)
        self._answer = _PredictShard(plan, output=output, model=model, export=export, batch_size=batch_size)

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


class _PredictShard(beam.DoFn):
    """Answers a shard; the workers of a process share one model."""

    def __init__(
        self, plan: BatchPlan, *, output: str, model: str, export: FoundExport | None, batch_size: int
    ) -> None:
        self._plan = plan
        self._output = output
        self._model = model
        self._export = export
        self._batch_size = batch_size
        self._shared = Shared()
        self._answered = Metrics.counter(STEP, "answered")
        self._rejected = Metrics.counter(STEP, "rejected")

    def setup(self) -> None:
        load = partial(
            load_predictor, self._model, self._plan.classes, digest=self._plan.model_digest, export=self._export
        )
        self._predictor = self._shared.acquire(load, tag=f"{self._model} {self._plan.export_digest}")

    def process(self, shard: BatchShard) -> Iterator[int]:
        folder = BatchFolder(self._output)
        done = 0

        def on_rows(rows: int) -> None:
            nonlocal done
            done += rows
            report_progress(Progress(STEP, done, shard.rows, metrics={"shard": shard.number}))

        predict = partial(self._predictor.probabilities, batch_size=self._batch_size)
        answered = predict_shard(self._plan, shard, predict, on_rows)
        folder.put(shard, answered.part, answered.content, answered.rejects)
        self._answered.inc(answered.part.rows)
        self._rejected.inc(sum(answered.part.rejects.values()))
        yield shard.number
