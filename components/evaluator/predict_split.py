"""Every row of a split answered by the candidate and by models that were pushed, written down and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from agnews.components.evaluator.analyse import LENGTH_BUCKETS, length_bucket
from agnews.components.evaluator.answer_columns import Answers, as_answers, as_column, column_type
from agnews.components.evaluator.answer_rule import AnswerRule
from agnews.components.evaluator.raw_rows import Rows
from agnews.components.evaluator.split_answers import ANCHOR, BASELINE, CANDIDATE, LINEAR, AnswerLog
from agnews.components.evaluator.tally import Tally, answers
from agnews.components.map_ahead import map_ahead
from agnews.components.storage.files_at import files_at
from agnews.schemas import predictions as columns


def _schema(label_shape: tuple[int, ...]) -> pa.Schema:
    classes = column_type(label_shape)
    return pa.schema(
        [
            (columns.ROW, pa.int64()),
            (columns.TEXT, pa.string()),
            (columns.LABEL, classes),
            (columns.LENGTH, pa.string()),
            (columns.HAS_MARKUP, pa.string()),
            (columns.CLASS_ID, classes),
            (columns.PROBABILITIES, pa.list_(pa.float32())),
            (columns.BASELINE_CLASS_ID, classes),
        ]
    )


Predict = Callable[[NDArray[np.object_]], NDArray[np.float32]]
"""From texts (rows,) to probabilities (rows, classes)."""


@dataclass
class SplitPredictions:
    """What the models answered, counted.

    Attributes:
        tally: The candidate's answers, where each is one class.
        rows: Rows of the split.
        log: The answers of all models.
    """

    tally: Tally = field(default_factory=Tally)
    rows: int = 0
    log: AnswerLog = field(default_factory=AnswerLog)


def predict_split(
    chunks: Iterable[Rows],
    *,
    candidate: Predict,
    baseline: Predict | None,
    anchor: Predict | None = None,
    linear: Callable[[bytes], int | Sequence[int]] | None = None,
    rules: Mapping[str, AnswerRule] | None = None,
    label_shape: tuple[int, ...] = (),
    output: str,
    on_rows: Callable[[int], None] = lambda rows: None,
) -> SplitPredictions:
    """Asks the models and writes the file of predictions, a chunk at a time.

    Args:
        chunks: The rows of the split.
        candidate: The model to judge; called from two threads.
        baseline: The model to compare with, if there is one.
        anchor: The best model ever pushed, where its answers on these rows are not known.
        linear: From a text to the class that a linear model gives it, if there is one; or to all classes that it gives.
        rules: By name of the model, how probabilities become answers; the likeliest class where nothing is said.
        label_shape: Of a row's label; see `Corpus.label_shape`.
        output: Parquet file to write, local or remote; its columns are in schemas/predictions.py.
        on_rows: Called with the number of rows done so far.

    Returns:
        The counts that all figures follow from.
    """
    found, schema, rules = SplitPredictions(), _schema(label_shape), rules or {}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "predictions.parquet"  # Parquet is written locally: not every store can seek.
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            # While the last batches of a chunk are computed, the first ones of the next keep all cores busy.
            for rows, probabilities in map_ahead(lambda rows: (rows, candidate(rows.text)), chunks, at_once=2):
                answer = rules.get(CANDIDATE, answers)(probabilities)
                others = {
                    name: rules.get(name, answers)(model(rows.text))
                    for name, model in ((BASELINE, baseline), (ANCHOR, anchor))
                    if model is not None
                }
                if linear is not None:
                    others[LINEAR] = as_answers([linear(text) for text in rows.text], label_shape)
                writer.write_batch(_table(schema, rows, probabilities, answer, others.get(BASELINE)))
                _count(found, rows, probabilities, answer)
                found.log.add(row=rows.row, label=rows.label, text=rows.text, answers={CANDIDATE: answer, **others})
                on_rows(found.rows)
        files_at(output).write(output, files_at(str(file)).read(str(file)))
    return found


def _count(found: SplitPredictions, rows: Rows, probabilities: NDArray[np.float32], answer: Answers) -> None:
    found.rows += len(rows.label)
    if answer.ndim > 1:
        # Hardly two rows have the same classes, answers and probabilities.
        return
    found.tally.add(
        label=rows.label,
        answer=answer.astype(np.int64),
        probabilities=probabilities,
        length=length_bucket(rows.num_words),
        has_markup=rows.has_markup == b"yes",
    )


def _table(
    schema: pa.Schema,
    rows: Rows,
    probabilities: NDArray[np.float32],
    answer: Answers,
    baseline_answer: Answers | None,
) -> pa.RecordBatch:
    return pa.record_batch(
        [
            pa.array(rows.row),
            pa.array([text.decode("utf-8", errors="replace") for text in rows.text], pa.string()),
            as_column(rows.label),
            pa.array([LENGTH_BUCKETS[bucket] for bucket in length_bucket(rows.num_words)], pa.string()),
            pa.array([markup.decode() for markup in rows.has_markup], pa.string()),
            as_column(answer),
            pa.ListArray.from_arrays(
                np.arange(0, probabilities.size + 1, probabilities.shape[1], dtype=np.int32), probabilities.ravel()
            ),
            pa.nulls(len(answer), schema.field(columns.BASELINE_CLASS_ID).type)
            if baseline_answer is None
            else as_column(baseline_answer),
        ],
        schema=schema,
    )
