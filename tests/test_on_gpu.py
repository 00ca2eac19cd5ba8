"""The script behind `make test-gpu`, as far as it goes without a GPU."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def on_gpu(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("on_gpu", repository / "benchmarks" / "on_gpu.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["on_gpu"] = module
    spec.loader.exec_module(module)
    return module


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
