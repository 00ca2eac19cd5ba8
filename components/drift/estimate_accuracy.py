"""How often a model is right, from how sure it is."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from agnews.schemas.monitor_reference import Estimate, MonitorReference

_Z = 1.959963984540054


def estimate_accuracy(reference: MonitorReference, confidence: NDArray[np.int64]) -> Estimate:
    """Weighs how often the model was right on test rows by how sure it is of live ones.

    It holds under covariate shift: texts may have become other ones, harder ones, as long as what they mean has not
    changed. A class that means something else by now, or texts of a kind that has no class, are not noticed.

    Args:
        reference: Test rows and right answers by bin of the highest probability.
        confidence: Live texts in the same bins.

    Returns:
        The estimate with its 95 % interval, which counts both samples.

    References:
        Garg et al. (2022), Leveraging unlabeled data to predict out-of-distribution performance,
        https://arxiv.org/abs/2201.04234, for the family of methods; ours is the average over a calibration by bins.
    """
    tried = np.array(reference.confidence, np.float64)
    right = np.array(reference.right, np.float64)
    # As in Agresti and Coull: two rows of each kind keep a bin that was always right from being thought sure.
    rate = (right + 1.0) / (tried + 2.0)
    share = confidence / confidence.sum()
    value = float(share @ rate)
    of_bins = float(share**2 @ (rate * (1 - rate) / (tried + 2.0)))
    of_rows = float(share @ (rate - value) ** 2) / confidence.sum()
    error = _Z * math.sqrt(of_bins + of_rows)
    return Estimate(value=value, low=max(0.0, value - error), high=min(1.0, value + error), rows=int(confidence.sum()))
