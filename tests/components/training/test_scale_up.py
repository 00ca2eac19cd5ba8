"""Trainings that are killed, and trainings on several devices: real processes, real signals."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
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
SECONDS = 600
ROWS = 388
"""48 full batches of 8 and one of 4; three executions of 16 steps and one of a single step in each epoch."""

KILLED_AT = 49 + 32
"""The second epoch has done two of its three executions, and only the first of them is in the backup."""

Result = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with rows, a vocabulary, and `calm`, a checkpoint that drops nothing."""
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
    shutil.copytree(tiny_checkpoint, root / "calm")
    config = json.loads((root / "calm" / "config.json").read_text())
    without = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (root / "calm" / "config.json").write_text(json.dumps(config | without))
    return root


def command(folder: Path, name: str, jobs: Sequence[dict[str, object]]) -> list[str]:
    file = folder / f"{name}.json"
    file.write_text(json.dumps(jobs))
    return [sys.executable, str(SCRIPT), str(file)]


def results(output: str) -> list[Result]:
    lines = [line for line in output.splitlines() if line.startswith("RESULT ")]
    return [json.loads(line.removeprefix("RESULT ")) for line in lines]


@pytest.fixture(scope="module")
def alone(folder: Path, tiny_checkpoint: Path) -> dict[str, Result]:
    """Trainings in one process, `calm` without dropout: undisturbed, killed and resumed, on two devices."""
    environment = {**os.environ, "AGNEWS_CACHE": str(folder / "cache")}
    cut = {"strategy": "none", "scratch": "cut", "dropout": 0.2}
    bert_cut = {"strategy": "none", "scratch": "bert_cut", "dropout": 0.1, "encoder": str(tiny_checkpoint)}
    for name, job in {"killed": cut, "bert_killed": bert_cut}.items():
        killed = subprocess.run(
            command(folder, name, [{**job, "kill_at": KILLED_AT}]),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    bert_calm = {"strategy": "none", "scratch": "bert_calm", "encoder": str(folder / "calm")}
    jobs = {
        "undisturbed": {**cut, "scratch": "whole"},
        "resumed": cut,
        "resumed_after_its_end": cut,
        "calm": {"strategy": "none", "scratch": "calm_rows"},
        "mirrored": {"strategy": "mirrored", "scratch": "mirrored", "replicas": 2},
        "bert_undisturbed": {**bert_cut, "scratch": "bert_whole"},
        "bert_resumed": bert_cut,
        "bert_calm": bert_calm,
        "bert_mirrored": {**bert_calm, "strategy": "mirrored", "scratch": "bert_mirrored", "replicas": 2},
    }
    done = subprocess.run(
        command(folder, "others", list(jobs.values())),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    # The transformer runs 16 steps at a time, so the second of two executions is lost; the encoder, one.
    assert "epoch 2, step 16" in done.stderr
    assert "epoch 2, step 31" in done.stderr
    return dict(zip(jobs, results(done.stdout), strict=True))


def figures(result: Result, *names: str) -> np.ndarray:
    return np.array([[entry[name] for name in names] for entry in result["curve"]])


@pytest.mark.parametrize(
    ("model", "scratch"), [("", ("whole", "cut")), ("bert_", ("bert_whole", "bert_cut"))], ids=["transformer", "bert"]
)
def test_a_killed_training_goes_on_within_its_epoch_and_ends_the_same(
    model: str, scratch: tuple[str, str], alone: dict[str, Result], folder: Path
) -> None:
    whole, resumed = alone[f"{model}undisturbed"], alone[f"{model}resumed"]

    names = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
    np.testing.assert_allclose(figures(resumed, *names), figures(whole, *names), rtol=0, atol=1e-6)
    assert resumed["best_epoch"] == whole["best_epoch"]
    np.testing.assert_allclose(resumed["weights"], whole["weights"], rtol=0, atol=1e-6)
    for each in scratch:
        newest = max((folder / each / "logs" / "validation").iterdir())
        events = tf.compat.v1.train.summary_iterator(str(newest))
        steps = [event.step for event in events for value in event.summary.value if value.tag == "epoch_loss"]
        assert steps == [0, 1, 2], each


def test_a_training_that_was_killed_after_its_end_is_not_done_again(alone: dict[str, Result]) -> None:
    whole, again = alone["undisturbed"], alone["resumed_after_its_end"]

    assert again["curve"] == alone["resumed"]["curve"]
    np.testing.assert_allclose(again["weights"], whole["weights"], rtol=0, atol=1e-6)
    assert again["backups"] == 1


@pytest.mark.parametrize("model", ["", "bert_"], ids=["transformer", "bert"])
def test_two_devices_give_the_losses_of_one(model: str, alone: dict[str, Result]) -> None:
    one, two = alone[f"{model}calm"], alone[f"{model}mirrored"]

    assert two["devices"] == {**one["devices"], "strategy": "mirrored", "replicas": 2}
    np.testing.assert_allclose(figures(two, "loss", "val_loss"), figures(one, "loss", "val_loss"), rtol=0, atol=1e-3)
    np.testing.assert_allclose(two["weights"], one["weights"], rtol=0, atol=1e-3)


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def test_two_processes_fine_tune_as_one_does_and_only_the_chief_writes(alone: dict[str, Result], folder: Path) -> None:
    """Two batches of 4 are one of 8: also the head starts with the weights that one process draws."""
    hosts = [f"127.0.0.1:{port}" for port in free_ports(2)]
    scratch = folder / "together"
    # With one row a table is large: what its gradient has is exchanged as slices.
    calm = {"encoder": str(folder / "calm"), "sparse_rows": 1}
    job = {"strategy": "multiworker", "scratch": "together", "replicas": 2, **calm}
    chief, worker = (command(folder, name, [{**job, "joins": name == "worker"}]) for name in ("chief", "worker"))

    with ExitStack() as stack:
        processes = []
        for index, line in enumerate((chief, worker)):
            task = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
            out, err = (stack.enter_context((folder / f"{name}{index}").open("w+")) for name in ("out", "err"))
            environment = {**os.environ, "TF_CONFIG": json.dumps(task), "AGNEWS_CACHE": str(folder / "cache")}
            process = subprocess.Popen(line, stdout=out, stderr=err, env=environment)
            stack.callback(process.kill)
            processes.append(process)
        codes = [process.wait(SECONDS) for process in processes]

    errors = [(folder / f"err{index}").read_text() for index in range(2)]
    assert codes == [0, 0], errors
    (together,) = results((folder / "out0").read_text())
    one = alone["bert_calm"]
    assert together["devices"] == {**one["devices"], "strategy": "multiworker", "replicas": 2, "workers": 2}
    np.testing.assert_allclose(
        figures(together, "loss", "val_loss"), figures(one, "loss", "val_loss"), rtol=0, atol=1e-3
    )
    np.testing.assert_allclose(together["weights"], one["weights"], rtol=0, atol=1e-3)
    assert len(list((scratch / "logs" / "validation").iterdir())) == 1
    assert together["backups"] == 1
