from __future__ import annotations

import numpy as np
import tensorflow as tf

from agnews.components.optimization.adamw import WarmupLinearDecay


def test_rises_to_the_peak_then_falls_to_zero() -> None:
    schedule = WarmupLinearDecay(peak=2.0, warmup_steps=4, total_steps=12)

    rates = [float(schedule(tf.constant(step))) for step in range(14)]

    np.testing.assert_allclose(rates[:5], [0.0, 0.5, 1.0, 1.5, 2.0])
    np.testing.assert_allclose(rates[4:13], np.linspace(2.0, 0.0, 9), atol=1e-6)
    assert rates[13] == 0.0


def test_without_warmup_it_starts_at_the_peak() -> None:
    assert float(WarmupLinearDecay(peak=2.0, warmup_steps=0, total_steps=5)(0)) == 2.0
