"""Trainings that are killed, and trainings on several devices: real processes, real signals."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).with_name("toy_training.py")
SECONDS = 300
ROWS = 388
"""48 full batches of 8 and one of 4; three executions of 16 steps and one of a single step in each epoch."""

KILLED_AT = 49 + 32
"""The second epoch has done two of its three executions, and only the first of them is in the backup."""

Result = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows and a vocabulary."""
    spec = importlib.util.spec_from_file_location("toy_training", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    toy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(toy)
    root = tmp_path_factory.mktemp("scale_up")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"word{number}" for number in range(26))]
    (root / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens))
    toy.write_rows(root / "train" / "rows.gz", ROWS, seed=0)
    toy.write_rows(root / "eval" / "rows.gz", 61, seed=1)
    return root


def command(folder: Path, name: str, jobs: Sequence[dict[str, object]]) -> list[str]:
    file = folder / f"{name}.json"
    file.write_text(json.dumps(jobs))
    return [sys.executable, str(SCRIPT), str(file)]


def results(output: str) -> list[Result]:
    lines = [line for line in output.splitlines() if line.startswith("RESULT ")]
    return [json.loads(line.removeprefix("RESULT ")) for line in lines]


@pytest.fixture(scope="module")
def alone(folder: Path) -> dict[str, Result]:
    """Trainings in one process, `calm` without dropout: undisturbed, killed and resumed, on two devices."""
    cut = {"strategy": "none", "scratch": "cut", "dropout": 0.2}
    killed = subprocess.run(
        command(folder, "killed", [{**cut, "kill_at": KILLED_AT}]),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    jobs = {
        "undisturbed": {**cut, "scratch": "whole"},
        "resumed": cut,
        "resumed_after_its_end": cut,
        "calm": {"strategy": "none", "scratch": "calm"},
        "mirrored": {"strategy": "mirrored", "scratch": "mirrored", "replicas": 2},
    }
    done = subprocess.run(
        command(folder, "others", list(jobs.values())), capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr
    assert "epoch 2, step 16" in done.stderr
    return dict(zip(jobs, results(done.stdout), strict=True))


def figures(result: Result, *names: str) -> np.ndarray:
    return np.array([[entry[name] for name in names] for entry in result["curve"]])


def test_a_killed_training_goes_on_within_its_epoch_and_ends_the_same(alone: dict[str, Result], folder: Path) -> None:
    whole, resumed = alone["undisturbed"], alone["resumed"]

    names = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
    np.testing.assert_allclose(figures(resumed, *names), figures(whole, *names), rtol=0, atol=1e-6)
    assert resumed["best_epoch"] == whole["best_epoch"]
    np.testing.assert_allclose(resumed["weights"], whole["weights"], rtol=0, atol=1e-6)
    for scratch in ("whole", "cut"):
        newest = max((folder / scratch / "logs" / "validation").iterdir())
        events = tf.compat.v1.train.summary_iterator(str(newest))
        steps = [event.step for event in events for value in event.summary.value if value.tag == "epoch_loss"]
        assert steps == [0, 1, 2], scratch


def test_a_training_that_was_killed_after_its_end_is_not_done_again(alone: dict[str, Result]) -> None:
    whole, again = alone["undisturbed"], alone["resumed_after_its_end"]

    assert again["curve"] == alone["resumed"]["curve"]
    np.testing.assert_allclose(again["weights"], whole["weights"], rtol=0, atol=1e-6)
    assert again["backups"] == 1


def test_two_devices_give_the_losses_of_one(alone: dict[str, Result]) -> None:
    one, two = alone["calm"], alone["mirrored"]

    assert two["devices"] == {**one["devices"], "strategy": "mirrored", "replicas": 2}
    np.testing.assert_allclose(figures(two, "loss", "val_loss"), figures(one, "loss", "val_loss"), rtol=0, atol=1e-3)
    np.testing.assert_allclose(two["weights"], one["weights"], rtol=0, atol=1e-3)


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def test_two_processes_give_the_losses_of_one_and_only_the_chief_writes(alone: dict[str, Result], folder: Path) -> None:
    hosts = [f"127.0.0.1:{port}" for port in free_ports(2)]
    scratch = folder / "together"
    chief = command(folder, "chief", [{"strategy": "multiworker", "scratch": "together", "replicas": 2}])
    worker = [sys.executable, "-m", "agnews.components.training.worker", str(scratch)]

    with ExitStack() as stack:
        processes = []
        for index, line in enumerate((chief, worker)):
            task = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
            out, err = (stack.enter_context((folder / f"{name}{index}").open("w+")) for name in ("out", "err"))
            process = subprocess.Popen(line, stdout=out, stderr=err, env={**os.environ, "TF_CONFIG": json.dumps(task)})
            stack.callback(process.kill)
            processes.append(process)
        codes = [process.wait(SECONDS) for process in processes]

    errors = [(folder / f"err{index}").read_text() for index in range(2)]
    assert codes == [0, 0], errors
    (together,) = results((folder / "out0").read_text())
    one = alone["calm"]
    assert together["devices"] == {**one["devices"], "strategy": "multiworker", "replicas": 2, "workers": 2}
    np.testing.assert_allclose(
        figures(together, "loss", "val_loss"), figures(one, "loss", "val_loss"), rtol=0, atol=1e-3
    )
    np.testing.assert_allclose(together["weights"], one["weights"], rtol=0, atol=1e-3)
    assert len(list((scratch / "logs" / "validation").iterdir())) == 1
    assert together["backups"] == 1
