"""TensorFlow Model Analysis over predictions that are already there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from agnews.components.evaluator.calibration_error import CalibrationError
from agnews.components.evaluator.class_scores import ClassScores
from agnews.components.evaluator.length_bucket import LENGTH_BUCKETS
from agnews.components.evaluator.tally import Cell
from agnews.schemas.evaluation import ClassMetrics, Metrics, SliceMetrics

_LABEL, _PROBABILITIES, _COUNT = "label_id", "probabilities", "count"
_SLICES = ("label", "length", "has_markup")


def analyse(
    cells: Sequence[Cell], *, class_names: Sequence[str], output: str, pipeline: beam.Pipeline
) -> tuple[Metrics, tuple[SliceMetrics, ...]]:
    """Computes the figures of a model, overall and by slice.

    Args:
        cells: The predictions, counted. At least one.
        class_names: Names of the classes.
        output: Folder that receives a TFMA result, which `tfma.load_eval_result` and TFMA's widgets open.
        pipeline: A Beam pipeline that has not run.

    Returns:
        Figures of all rows, and of the slices by true class, by length and by markup.
    """
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
    return _metrics(by_slice[()], class_names), slices


def _config(class_names: Sequence[str]) -> Any:
    own = {ClassScores: {"num_classes": len(class_names)}, CalibrationError: {}}
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
                        for kind, arguments in own.items()
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


def _metrics(figures: dict[str, Any], class_names: Sequence[str]) -> Metrics:
    overall = figures[""]
    classes = [figures[f"classId:{class_id}"] for class_id in range(len(class_names))]
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
        accuracy=_number(overall, "accuracy"),
        macro_f1=_number(overall, "macro_f1"),
        ece=_number(overall, "ece"),
        per_class=tuple(
            ClassMetrics(
                name=name,
                precision=_number(scores, "precision"),
                recall=_number(scores, "recall"),
                f1=_number(scores, "f1"),
                count=round(_number(scores, "class_count")),
            )
            for name, scores in zip(class_names, classes, strict=True)
        ),
        confusion_matrix=tuple(tuple(row) for row in matrix),
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
