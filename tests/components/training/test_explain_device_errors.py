from __future__ import annotations

import pytest
import tensorflow as tf

from agnews.components.training.devices import explain_device_errors
from agnews.schemas.errors import AgnewsError

STACK = (
    'Graph execution error:\n\nDetected at node dense/MatMul defined at (most recent call last):\n  File "fit.py"\n\n'
)


@pytest.mark.parametrize(("batch_size", "advice"), [(32, "training.batch_size=16"), (1, "smaller model")])
def test_where_memory_runs_out_the_batch_to_try_is_told(batch_size: int, advice: str) -> None:
    found = "OOM when allocating tensor with shape[32,96,384]"
    error = tf.errors.ResourceExhaustedError(None, None, f"{STACK}{found}\n\t [[{{{{node dense/MatMul}}}}]]")

    with (
        pytest.raises(AgnewsError, match=f"with {batch_size} rows") as caught,
        explain_device_errors(batch_size, xla=False),
    ):
        raise error

    assert advice in caught.value.fix
    assert caught.value.found == found


def test_what_xla_cannot_compile_is_told_and_other_errors_pass() -> None:
    @tf.function(jit_compile=True)
    def compiled() -> tf.Tensor:
        return tf.strings.length(tf.strings.as_string(tf.random.uniform(())))

    with pytest.raises(AgnewsError, match="XLA cannot compile") as caught, explain_device_errors(8, xla=True):
        compiled()
    assert "devices.xla=off" in caught.value.fix

    with pytest.raises(tf.errors.InvalidArgumentError), explain_device_errors(8, xla=False):
        tf.reshape(tf.zeros(3), (2, 2))
