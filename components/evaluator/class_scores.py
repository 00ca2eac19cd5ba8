"""Accuracy, precision, recall and F1 of the top class, as a metric of TFMA."""

from __future__ import annotations

from typing import Any

import numpy as np
from tensorflow_model_analysis.metrics import metric_types, multi_class_confusion_matrix_metrics

from agnews.schemas.predictions import NO_CLASS


class ClassScores(metric_types.Metric):
    """Figures that follow from the confusion matrix of top classes, with the definitions of scikit-learn.

    TFMA's own `Precision`, `Recall` and `F1Score` by class ask whether the probability of the class passes 0.5, so
    with four classes a row may count for none of them, and its macro average is not the F1 that people mean. Here each
    row has the one answer that a client gets.

    Gives `accuracy` and `macro_f1`, and by class id `precision`, `recall`, `f1` and `class_count`. A ratio without
    rows is 0.

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
        figures = {key("accuracy"): right.sum() / matrix.sum(), key("macro_f1"): scores["f1"].mean()}
        for figure, values in scores.items():
            figures |= {key(figure, class_id): float(value) for class_id, value in enumerate(values)}
        return figures

    keys = [key("accuracy"), key("macro_f1")] + [
        key(figure, class_id)
        for figure in ("precision", "recall", "f1", "class_count")
        for class_id in range(num_classes)
    ]
    return [*matrices, metric_types.DerivedMetricComputation(keys=keys, result=result)]


def _ratio(numerator: Any, denominator: Any) -> Any:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
