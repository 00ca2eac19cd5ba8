from __future__ import annotations

import pytest
import tensorflow as tf
import tf_keras as keras

from agnews.components.training.devices import choose_devices
from agnews.schemas.errors import AgnewsError


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Compute capabilities of the GPUs that TensorFlow seems to see; to be filled."""
    capabilities: list[tuple[int, int]] = []

    def visible(kind: str) -> list[tf.config.PhysicalDevice]:
        found = [
            tf.config.PhysicalDevice(f"/physical_device:GPU:{number}", "GPU") for number in range(len(capabilities))
        ]
        return found if kind == "GPU" else []

    def details(device: tf.config.PhysicalDevice) -> dict[str, object]:
        return {"device_name": "Toy", "compute_capability": capabilities[int(device.name[-1])]}

    monkeypatch.setattr(tf.config, "get_visible_devices", visible)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details)
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda *_: None)
    return capabilities


def test_a_machine_without_gpus_computes_in_float32_without_xla() -> None:
    devices = choose_devices(environment={})

    assert devices.describe(32) == {
        "accelerator": "cpu",
        "strategy": "none",
        "precision": "float32",
        "xla": False,
        "workers": 1,
        "replicas": 1,
        "global_batch_size": 32,
    }


def test_a_gpu_asked_for_and_absent_is_an_error() -> None:
    with pytest.raises(AgnewsError, match="TensorFlow sees none") as caught:
        choose_devices(accelerator="gpu", environment={})

    assert "devices.accelerator=cpu" in caught.value.fix


def test_several_processes_asked_for_without_tf_config_are_an_error() -> None:
    with pytest.raises(AgnewsError, match="TF_CONFIG names none"):
        choose_devices(strategy="multiworker", environment={})


@pytest.mark.parametrize(
    ("capability", "precision"), [((9, 0), "bfloat16"), ((8, 0), "bfloat16"), ((7, 5), "float16"), ((6, 1), "float32")]
)
def test_a_gpu_computes_in_what_it_is_fast_at(
    gpus: list[tuple[int, int]], capability: tuple[int, int], precision: str
) -> None:
    gpus.append(capability)

    devices = choose_devices(environment={})

    assert (devices.accelerator, devices.precision, devices.xla) == ("Toy", precision, True)
    asked = choose_devices(precision="float32", xla="off", environment={})
    assert (asked.precision, asked.xla) == ("float32", False)


def test_the_cpu_is_taken_where_it_is_asked_for(gpus: list[tuple[int, int]]) -> None:
    gpus.append((9, 0))

    devices = choose_devices(accelerator="cpu", environment={})

    assert (devices.accelerator, devices.precision, devices.xla) == ("cpu", "float32", False)
    with devices.strategy.scope():
        assert tf.Variable(1.0).device.endswith("CPU:0")


def test_the_policy_of_keras_is_in_force_while_a_model_is_built_and_no_longer() -> None:
    devices = choose_devices(precision="bfloat16", environment={})

    with devices.building():
        layer = keras.layers.Dense(1)

    assert layer.compute_dtype == "bfloat16"
    assert layer.variable_dtype == "float32"
    assert keras.mixed_precision.global_policy().name == "float32"
