"""The expected calibration error of the top class, as a metric of TFMA."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import numpy as np
from numpy.typing import NDArray
from tensorflow_model_analysis.metrics import metric_types, metric_util

from agnews.components.evaluator.tally import CALIBRATION_BINS, calibration_bin


class CalibrationError(metric_types.Metric):
    """By how much a model's confidence is off, on average over the rows.

    Rows go into 15 bins of equal width by the probability of their top class; in each bin the mean confidence is
    compared with the share of right answers. TFMA has calibration plots by class, and no such figure.

    Args:
        name: Name of the figure.

    References:
        Guo, Pleiss, Sun, Weinberger (2017), On Calibration of Modern Neural Networks, https://arxiv.org/abs/1706.04599,
        equation 3.
    """

    def __init__(self, name: str = "ece") -> None:
        super().__init__(metric_util.merge_per_key_computations(_computations), name=name)


metric_types.register_metric(CalibrationError)


def _computations(
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
    return [
        metric_types.MetricComputation(
            keys=[key], preprocessors=None, combiner=_Combiner(key, eval_config, example_weighted)
        )
    ]


class _Combiner(beam.CombineFn):
    """Sums, by bin, of weight, confidence and right answers: an array (bins, 3)."""

    def __init__(self, key: Any, eval_config: Any, example_weighted: bool) -> None:
        self._key, self._eval_config, self._example_weighted = key, eval_config, example_weighted

    def create_accumulator(self) -> NDArray[np.float64]:
        return np.zeros((CALIBRATION_BINS, 3))

    def add_input(self, accumulator: NDArray[np.float64], element: Any) -> NDArray[np.float64]:
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
        confidence = probabilities.max()
        # All zeros is the mark of a row without an answer, which is never right.
        right = confidence > 0.0 and probabilities.argmax() == label.item()
        accumulator[calibration_bin(confidence)] += weight.item() * np.array([1.0, confidence, right])
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
        return sum(accumulators, start=self.create_accumulator())

    def extract_output(self, accumulator: NDArray[np.float64]) -> dict[Any, float]:
        weight, confidence, right = accumulator.T
        return {self._key: float(np.abs(confidence - right).sum() / weight.sum())}
