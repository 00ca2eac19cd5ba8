"""TensorFlow Model Analysis over predictions that are already there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow_model_analysis as tfma
from numpy.typing import NDArray
from tensorflow_model_analysis.metrics import metric_types, metric_util, multi_class_confusion_matrix_metrics
from tensorflow_model_analysis.proto import config_pb2

from agnews.components.evaluator.count_cells import class_metrics, confusions, slice_metrics
from agnews.components.evaluator.metrics import METRICS, Metric, measure
from agnews.components.evaluator.scored import Scored, scored_cells
from agnews.components.evaluator.tally import MANY_CLASSES, Cell
from agnews.schemas.evaluation import ClassMetrics, Figure, Metrics, SliceMetrics
from agnews.schemas.predictions import NO_CLASS


class ClassScores(metric_types.Metric):
    """Figures that follow from the confusion matrix of top classes, with the definitions of scikit-learn.

    TFMA's own `Precision`, `Recall` and `F1Score` by class ask whether the probability of the class passes 0.5, so
    with four classes a row may count for none of them, and its macro average is not the F1 that people mean. Here each
    row has the one answer that a client gets.

    Gives by class id `precision`, `recall`, `f1` and `class_count`. A ratio without rows is 0.

    Args:
        num_classes: How many classes there are.
        name: Prefix of no meaning; TFMA wants one.
    """

    def __init__(self, num_classes: int, name: str = "class_scores") -> None:
        super().__init__(_computations, num_classes=num_classes, name=name)


metric_types.register_metric(ClassScores)


def _computations(
    num_classes: int,
    name: str = "",
    eval_config: Any = None,
    model_names: list[str] | None = None,
    output_names: list[str] | None = None,
    example_weighted: bool = False,
) -> list[Any]:
    """Called by TFMA, which finds the arguments by their names."""
    del name, output_names
    model_name = (model_names or [""])[0]
    matrices = multi_class_confusion_matrix_metrics.multi_class_confusion_matrices(
        thresholds=[0.0], eval_config=eval_config, model_name=model_name, example_weighted=example_weighted
    )
    matrix_key = matrices[-1].keys[-1]

    def key(figure: str, class_id: int | None = None) -> Any:
        return metric_types.MetricKey(
            name=figure,
            model_name=model_name,
            sub_key=None if class_id is None else metric_types.SubKey(class_id=class_id),
            example_weighted=example_weighted,
        )

    def result(metrics: dict[Any, Any]) -> dict[Any, float]:
        matrix = np.zeros((num_classes, num_classes + 1))  # the last column: no answer
        for entry, count in metrics[matrix_key][0.0].items():
            answer = entry.predicted_class_id
            matrix[entry.actual_class_id, num_classes if answer == NO_CLASS else answer] += count
        right = matrix.diagonal()
        labels, answers = matrix.sum(axis=1), matrix.sum(axis=0)[:num_classes]
        scores = {
            "precision": _ratio(right, answers),
            "recall": _ratio(right, labels),
            "f1": _ratio(2.0 * right, labels + answers),
            "class_count": labels,
        }
        return {
            key(figure, class_id): float(value)
            for figure, values in scores.items()
            for class_id, value in enumerate(values)
        }

    keys = [
        key(figure, class_id)
        for figure in ("precision", "recall", "f1", "class_count")
        for class_id in range(num_classes)
    ]
    return [*matrices, metric_types.DerivedMetricComputation(keys=keys, result=result)]


def _ratio(numerator: Any, denominator: Any) -> Any:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


class RegisteredMetric(metric_types.Metric):
    """A metric of the register that works on cells, for TFMA: overall and for each slice.

    Args:
        name: Of the metric in `METRICS`.
    """

    def __init__(self, name: str) -> None:
        super().__init__(metric_util.merge_per_key_computations(_registered_computations), name=name)


metric_types.register_metric(RegisteredMetric)


def _registered_computations(
    name: str,
    eval_config: Any = None,
    model_name: str = "",
    output_name: str = "",
    example_weighted: bool = False,
) -> list[Any]:
    """Called by TFMA, which finds the arguments by their names."""
    key = metric_types.MetricKey(
        name=name, model_name=model_name, output_name=output_name, example_weighted=example_weighted
    )
    metric = next(each for each in METRICS if each.name == name)
    return [
        metric_types.MetricComputation(
            keys=[key], preprocessors=None, combiner=_Combiner(key, metric, eval_config, example_weighted)
        )
    ]


_Collected = list[tuple[int, NDArray[np.float64], float]]


class _Combiner(beam.CombineFn):
    """Collects label, probabilities and count of each cell: there are a few hundred, so the metric can see them all."""

    def __init__(self, key: Any, metric: Metric, eval_config: Any, example_weighted: bool) -> None:
        self._key, self._metric = key, metric
        self._eval_config, self._example_weighted = eval_config, example_weighted

    def create_accumulator(self) -> _Collected:
        return []

    def add_input(self, accumulator: _Collected, element: Any) -> _Collected:
        label, probabilities, weight = next(
            metric_util.to_label_prediction_example_weight(
                element,
                eval_config=self._eval_config,
                model_name=self._key.model_name,
                output_name=self._key.output_name,
                example_weighted=self._example_weighted,
                flatten=False,
                require_single_example_weight=True,
            )
        )
        accumulator.append((int(label.item()), np.asarray(probabilities, np.float64), float(weight.item())))
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[_Collected]) -> _Collected:
        return [cell for accumulator in accumulators for cell in accumulator]

    def extract_output(self, accumulator: _Collected) -> dict[Any, float]:
        label, probabilities, count = zip(*accumulator, strict=True)
        cells = Scored(label=np.array(label), probabilities=np.stack(probabilities), count=np.array(count))
        (figure,) = measure([self._metric], [cells])
        return {self._key: figure.value}


_UPPER = (20, 30, 40, 50, 70)
LENGTH_BUCKETS = (
    f"up to {_UPPER[0]} words",
    *(f"{low + 1}-{high} words" for low, high in pairwise(_UPPER)),
    f"over {_UPPER[-1]} words",
)
"""Names in rising order."""


def length_bucket(num_words: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sorts texts into buckets of length.

    Args:
        num_words: (rows,) words of each text; any number from 0.

    Returns:
        (rows,) positions in `LENGTH_BUCKETS`.
    """
    return np.searchsorted(np.asarray(_UPPER), num_words, side="left").astype(np.int64)


_LABEL, _PROBABILITIES, _COUNT = "label_id", "probabilities", "count"
_SLICES = ("label", "length", "has_markup")


def analyse(
    cells: Sequence[Cell],
    *,
    rows: Callable[[], Iterable[Scored]],
    class_names: Sequence[str],
    output: str,
    pipeline: beam.Pipeline,
) -> tuple[Metrics, tuple[SliceMetrics, ...]]:
    """Computes the figures of a model, overall and by slice.

    Args:
        cells: The predictions, counted. At least one.
        rows: Reads the same predictions row by row, for the metrics that cells cannot give.
        class_names: Names of the classes.
        output: Folder that receives a TFMA result, which `tfma.load_eval_result` and TFMA's widgets open. Of more than
            `MANY_CLASSES` classes there is none: it holds a figure of every class for every slice, a class being one.
        pipeline: A Beam pipeline that has not run.

    Returns:
        Figures of all rows, and of the slices by true class, by length and by markup.
    """
    if len(class_names) > MANY_CLASSES:
        return count_all(cells, rows, class_names)
    config = _config(class_names)
    with pipeline:
        _ = (
            pipeline
            | "Predictions" >> beam.Create([_batch(cells, class_names)], reshuffle=False)
            | "Analyse" >> tfma.ExtractEvaluateAndWriteResults(eval_config=config, output_path=output)
        )
    by_slice = {key: figures[""] for key, figures in tfma.load_eval_result(output).slicing_metrics}
    slices = tuple(
        _slice_metrics(feature, value, by_slice[((feature, value),)][""])
        for feature, values in zip(_SLICES, (class_names, LENGTH_BUCKETS, ("yes", "no")), strict=True)
        for value in values
        if ((feature, value),) in by_slice
    )
    overall = by_slice[()]
    by_row = measure([metric for metric in METRICS if metric.needs_rows], rows())
    by_cell = measure([metric for metric in METRICS if not metric.needs_rows], [scored_cells(cells)])
    figures = {figure.name: figure for figure in (*by_row, *by_cell)}
    return _metrics(overall, tuple(figures[metric.name] for metric in METRICS), cells, class_names), slices


def count_all(
    cells: Sequence[Cell], rows: Callable[[], Iterable[Scored]], class_names: Sequence[str]
) -> tuple[Metrics, tuple[SliceMetrics, ...]]:
    """Computes the same without TFMA, in time and memory that grow with the rows and with the classes, not with both.

    Args:
        cells: As for `analyse`.
        rows: As for `analyse`.
        class_names: Names of the classes.

    Returns:
        As `analyse`, without a confusion matrix.
    """
    values = (class_names, LENGTH_BUCKETS, ("yes", "no"))
    positions: tuple[Callable[[Cell], int], ...] = (
        lambda cell: cell.label,
        lambda cell: cell.length,
        lambda cell: int(cell.has_markup == "no"),
    )
    figures = measure(METRICS, rows())
    by_name = {figure.name: figure.value for figure in figures}
    metrics = Metrics(
        count=sum(cell.count for cell in cells),
        accuracy=by_name["accuracy"],
        macro_f1=by_name["macro_f1"],
        ece=by_name["calibration_error"],
        figures=figures,
        per_class=class_metrics(cells, class_names),
        confusions=confusions(cells, class_names),
        unusable=sum(cell.count for cell in cells if cell.answer == NO_CLASS),
    )
    return metrics, slice_metrics(cells, list(zip(_SLICES, values, positions, strict=True)))


def _config(class_names: Sequence[str]) -> Any:
    own: list[tuple[type[Any], dict[str, Any]]] = [(ClassScores, {"num_classes": len(class_names)})]
    own += [(RegisteredMetric, {"name": metric.name}) for metric in METRICS if not metric.needs_rows]
    return config_pb2.EvalConfig(
        model_specs=[config_pb2.ModelSpec(label_key=_LABEL, prediction_key=_PROBABILITIES, example_weight_key=_COUNT)],
        slicing_specs=[
            config_pb2.SlicingSpec(),
            *(config_pb2.SlicingSpec(feature_keys=[feature]) for feature in _SLICES),
        ],
        metrics_specs=[
            config_pb2.MetricsSpec(
                metrics=[
                    config_pb2.MetricConfig(
                        class_name="MultiClassConfusionMatrixAtThresholds",
                        config=json.dumps({"thresholds": [0.0], "name": "confusion_matrix"}),
                    ),
                    config_pb2.MetricConfig(class_name="ExampleCount"),
                    *(
                        config_pb2.MetricConfig(
                            class_name=kind.__name__, module=kind.__module__, config=json.dumps(arguments)
                        )
                        for kind, arguments in own
                    ),
                ],
                example_weights=config_pb2.ExampleWeightOptions(weighted=True),
            )
        ],
    )


def _batch(cells: Sequence[Cell], class_names: Sequence[str]) -> pa.RecordBatch:
    """The form that TFMA reads features in: every column a list a row."""
    columns = {
        _LABEL: ([[cell.label] for cell in cells], pa.int64()),
        _PROBABILITIES: ([cell.probabilities.tolist() for cell in cells], pa.float64()),
        _COUNT: ([[cell.count] for cell in cells], pa.float32()),
        "label": ([[class_names[cell.label]] for cell in cells], pa.string()),
        "length": ([[LENGTH_BUCKETS[cell.length]] for cell in cells], pa.string()),
        "has_markup": ([[cell.has_markup] for cell in cells], pa.string()),
    }
    return pa.RecordBatch.from_pydict({name: pa.array(rows, pa.list_(kind)) for name, (rows, kind) in columns.items()})


def _metrics(
    found: dict[str, Any], figures: tuple[Figure, ...], cells: Sequence[Cell], class_names: Sequence[str]
) -> Metrics:
    overall = found[""]
    classes = [found[f"classId:{class_id}"] for class_id in range(len(class_names))]
    by_name = {figure.name: figure.value for figure in figures}
    matrix = [[0] * len(class_names) for _ in class_names]
    unusable = 0
    for entry in overall["confusion_matrix"]["multiClassConfusionMatrixAtThresholds"]["matrices"][0]["entries"]:
        count = round(entry["numWeightedExamples"])
        answer = entry.get("predictedClassId", 0)
        if answer < 0:
            unusable += count
        else:
            matrix[entry.get("actualClassId", 0)][answer] = count
    return Metrics(
        count=round(_number(overall, "example_count")),
        accuracy=by_name["accuracy"],
        macro_f1=by_name["macro_f1"],
        ece=by_name["calibration_error"],
        figures=figures,
        per_class=tuple(
            ClassMetrics(
                name=name,
                precision=_number(scores, "precision"),
                recall=_number(scores, "recall"),
                f1=_number(scores, "f1"),
                count=round(_number(scores, "class_count")),
                answers=sum(row[position] for row in matrix),
            )
            for position, (name, scores) in enumerate(zip(class_names, classes, strict=True))
        ),
        confusion_matrix=tuple(tuple(row) for row in matrix),
        confusions=confusions(cells, class_names),
        unusable=unusable,
    )


def _slice_metrics(feature: str, value: str, overall: dict[str, Any]) -> SliceMetrics:
    return SliceMetrics(
        feature=feature,
        value=value,
        count=round(_number(overall, "example_count")),
        accuracy=_number(overall, "accuracy"),
    )


def _number(figures: dict[str, Any], name: str) -> float:
    return float(figures[name]["doubleValue"])
