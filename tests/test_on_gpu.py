"""The script behind `make test-gpu`, as far as it goes without a GPU."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from agnews.schemas.learning_config import TransformerConfig


@pytest.fixture(scope="module")
def on_gpu(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("on_gpu", repository / "benchmarks" / "on_gpu.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["on_gpu"] = module
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(repository / "benchmarks"))
        spec.loader.exec_module(module)
    return module


def products(compute: Callable[[], object]) -> int:
    """Counts the operations of all matrix products that TensorFlow makes meanwhile, those of gradients among them."""
    from tensorflow.python.framework import op_callbacks

    found = 0

    def count(kind: str, inputs: Any, attributes: Any, outputs: Any, *_: Any) -> None:
        nonlocal found
        if kind in ("MatMul", "BatchMatMulV2"):
            names = dict(zip(attributes[::2], attributes[1::2], strict=True))
            turned = names.get("transpose_a", names.get("adj_x", False))
            found += 2 * int(outputs[0].shape.num_elements()) * int(inputs[0].shape[-2 if turned else -1])

    op_callbacks.add_op_callback(count)
    try:
        compute()
    finally:
        op_callbacks.remove_op_callback(count)
    return found


def test_operations_are_those_of_the_products_that_tensorflow_makes(on_gpu: ModuleType) -> None:
    import tensorflow as tf

    from agnews.components.encoders.bert_config import BertConfig
    from agnews.components.encoders.bert_network import BertNetwork

    sizes = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 256}
    network = BertNetwork(BertConfig(vocab_size=100, max_position_embeddings=40, **sizes))
    ids = tf.ones((2, 40), tf.int32)
    inputs = {"input_word_ids": ids, "input_mask": ids, "input_type_ids": ids - 1}

    def step() -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(network(inputs)["sequence_output"])
        tape.gradient(loss, list(network.weights_by_name.values()))

    counted = on_gpu.Network(layers=3, width=64, attention=64, intermediate=256)
    # Besides: the vectors of types, and the pooled output.
    assert products(lambda: network(inputs)) == pytest.approx(2 * counted.forward(40), rel=0.01)
    assert products(step) == pytest.approx(2 * counted.training(40), rel=0.01)


def test_the_packaged_transformer_has_the_sizes_that_are_counted(on_gpu: ModuleType) -> None:
    sizes = TransformerConfig()
    assert sizes.key_dim is None
    assert (
        on_gpu.Network(
            layers=sizes.num_layers,
            width=sizes.hidden_dim,
            attention=sizes.hidden_dim,
            intermediate=sizes.intermediate_dim,
        )
        == on_gpu.SMALL
    )


def test_a_share_is_of_all_devices_in_the_precision_that_was_taken(on_gpu: ModuleType) -> None:
    device = on_gpu.Device("a device", {}, {"float32": 1e12, "bfloat16": 4e12})
    assert device.share(1e9, 500, "float32") == pytest.approx(0.5)
    assert device.share(1e9, 500, "bfloat16") == pytest.approx(0.125)
    assert device.share(1e9, 500, "float32", devices=2) == pytest.approx(0.25)
    assert device.share(1e9, 500, "float16") == 0.0


@pytest.mark.integration
def test_without_a_gpu_it_says_so_and_runs_nothing(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    script = repository / "benchmarks" / "on_gpu.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Skipped: TensorFlow sees no GPU here.")


def test_answers_are_compared_by_label_and_by_the_farthest_probability(on_gpu: ModuleType, tmp_path: Path) -> None:
    def write(name: str, rows: list[tuple[str, float]]) -> Path:
        # From the largest to the smallest, as `agnews predict` writes them.
        both = [sorted({"a": share, "b": 1 - share}.items(), key=lambda pair: -pair[1]) for _, share in rows]
        lines = [json.dumps({"label": rows[i][0], "probabilities": dict(each)}) for i, each in enumerate(both)]
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
        return tmp_path / name

    cpu = write("cpu", [("a", 0.75), ("b", 0.25), ("a", 0.5), ("b", 0.0)])
    assert on_gpu.difference(cpu, cpu) == "100.00 % same, 0.0e+00 apart"
    device = write("device", [("a", 0.75), ("b", 0.25), ("b", 0.375), ("b", 0.0)])
    assert on_gpu.difference(device, cpu) == "75.00 % same, 1.2e-01 apart"


def test_the_table_of_a_dry_run_says_that_it_is_one(on_gpu: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    device = on_gpu.Device("the processor, in place of a GPU", {}, {"float32": 1e12})
    on_gpu.print_table(device, [on_gpu.Row("train x", "cpu", 1234.5)], ["train y"], dry=True)
    printed = capsys.readouterr().out
    assert "nothing about any GPU" in printed
    assert "| train x | cpu | 1,234 | - | - | - |" in printed
    assert "No time was left for: train y." in printed
