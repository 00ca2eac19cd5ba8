from __future__ import annotations

import json

import pytest
import tensorflow as tf
import tf_keras as keras

from agnews.components.training.devices import choose_devices, explain_device_errors
from agnews.components.training.tf_config import TfConfig, read_tf_config
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


CLUSTER = {"worker": ["one:1", "two:1"]}


def read(document: object) -> TfConfig | None:
    return read_tf_config({"TF_CONFIG": document if isinstance(document, str) else json.dumps(document)})


def test_nothing_set_is_no_cluster() -> None:
    assert read_tf_config({}) is None
    assert read("") is None
    assert read({}) is None


@pytest.mark.parametrize(
    ("cluster", "kind", "index", "expected"),
    [
        (CLUSTER, "worker", 0, TfConfig(2, True, "one:1", "one:1", ("two:1",))),
        (CLUSTER, "worker", 1, TfConfig(2, False, "two:1", "one:1", ("two:1",))),
        ({"chief": ["zero:1"], **CLUSTER}, "chief", 0, TfConfig(3, True, "zero:1", "zero:1", ("one:1", "two:1"))),
        ({"chief": ["zero:1"], **CLUSTER}, "worker", 0, TfConfig(3, False, "one:1", "zero:1", ("one:1", "two:1"))),
    ],
)
def test_the_chief_is_the_one_so_called_or_the_first_worker(
    cluster: dict[str, list[str]], kind: str, index: int, expected: TfConfig
) -> None:
    assert read({"cluster": cluster, "task": {"type": kind, "index": index}}) == expected


def test_another_number_of_processes_than_was_asked_for_is_refused_before_they_look_for_each_other() -> None:
    document = {"cluster": CLUSTER, "task": {"type": "worker", "index": 0}}
    with pytest.raises(AgnewsError, match="Another number of processes"):
        choose_devices(workers=3, environment={"TF_CONFIG": json.dumps(document)})
    with pytest.raises(AgnewsError, match="Another number of processes"):
        choose_devices(workers=2, environment={})


def test_xla_for_several_processes_on_cpus_is_refused_before_they_look_for_each_other() -> None:
    document = {"cluster": CLUSTER, "task": {"type": "worker", "index": 0}}
    with pytest.raises(AgnewsError, match="TensorFlow ends by a crash"):
        choose_devices(xla="on", accelerator="cpu", environment={"TF_CONFIG": json.dumps(document)})


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("{", "no JSON"),
        ([1], "cluster"),
        ({"cluster": CLUSTER}, "task"),
        ({"cluster": {"worker": "one:1"}, "task": {"type": "worker", "index": 0}}, "HOST:PORT"),
        ({"cluster": {"worker": ["one"]}, "task": {"type": "worker", "index": 0}}, "HOST:PORT"),
        ({"cluster": {"worker": ["one:1", "one:1"]}, "task": {"type": "worker", "index": 0}}, "same address"),
        ({"cluster": {**CLUSTER, "ps": ["three:1"]}, "task": {"type": "worker", "index": 0}}, "cluster.ps"),
        ({"cluster": CLUSTER, "task": {"type": "chief", "index": 0}}, "task.type chief"),
        ({"cluster": CLUSTER, "task": {"type": "worker", "index": 2}}, "task.index 2"),
        ({"cluster": CLUSTER, "task": {"type": "worker", "index": "0"}}, "task.index"),
    ],
)
def test_what_is_malformed_is_named_and_shown(document: object, reason: str) -> None:
    with pytest.raises(AgnewsError, match=reason) as caught:
        read(document)

    assert "TF_CONFIG" in caught.value.problem
    assert '"cluster"' in caught.value.fix


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


def test_a_full_disk_is_not_told_as_memory() -> None:
    error = tf.errors.ResourceExhaustedError(None, None, "/data/scratch/backup; No space left on device [Op:Write]")

    with pytest.raises(tf.errors.ResourceExhaustedError, match="No space left"), explain_device_errors(32, xla=False):
        raise error


def test_what_xla_cannot_compile_is_told_and_other_errors_pass() -> None:
    @tf.function(jit_compile=True)
    def compiled() -> tf.Tensor:
        return tf.strings.length(tf.strings.as_string(tf.random.uniform(())))

    with pytest.raises(AgnewsError, match="XLA cannot compile") as caught, explain_device_errors(8, xla=True):
        compiled()
    assert "devices.xla=off" in caught.value.fix

    with pytest.raises(tf.errors.InvalidArgumentError), explain_device_errors(8, xla=False):
        tf.reshape(tf.zeros(3), (2, 2))
