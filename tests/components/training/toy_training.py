"""A training in a process of its own, for tests that kill it, resume it, or let several do it together.

    python toy_training.py JOB.json, a list of {"strategy", "scratch", "dropout", "kill_at", "replicas", "encoder",
                                                "workers", "joins", "signal", "epochs", "sparse_rows", "ensemble",
                                                "sets"}

A transformer, or with `encoder`, the folder of a checkpoint, that encoder fine-tuned, or with `ensemble`, a linear
classifier beside it. With `sets`, rows have several classes. `workers` processes share a
batch, and one with `joins` is not their chief. At step `kill_at` a process sends itself `signal`, SIGKILL unless
another is named.

Prints a line of JSON for each.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import numpy as np
import tensorflow as tf

from agnews.components.optimization import adamw
from agnews.components.training.stop_signal import hold
from agnews.components.training.training_job import join_training, train_together
from agnews.schemas.progress import LOGGER
from agnews.schemas.training_job import TrainingJob

EPOCHS = 3
BATCH_SIZE = 8


def write_rows(file: Path, count: int, seed: int, *, sets: bool = False) -> None:
    """Writes rows as Transform does; each class is told by one word, and there is one, or with `sets` any number."""
    random = np.random.default_rng(seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(file), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for _ in range(count):
            marks = (random.random(4) < 0.4).astype(int).tolist() if sets else []
            label = [each for each, mark in enumerate(marks) if mark] if sets else [int(random.integers(4))]
            others = random.integers(10, 30, size=random.integers(1, 9 if sets else 12)).tolist()
            words = [*(4 + each for each in label), *others]
            example = tf.train.Example()
            example.features.feature["token_ids"].int64_list.value.extend([2, *words, 3])
            example.features.feature["label"].int64_list.value.extend(marks or label)
            writer.write(example.SerializeToString())


class KillAt(logging.Handler):
    """Ends the process as a machine would that loses its power, or in another way."""

    def __init__(self, step: int, name: str) -> None:
        super().__init__()
        self._step = step
        self._signal: int | None = signal.Signals[name]

    def emit(self, record: logging.LogRecord) -> None:
        found = vars(record)["progress"]
        if found.unit == "steps" and found.done >= self._step and self._signal is not None:
            number, self._signal = self._signal, None
            os.kill(os.getpid(), number)


def train(folder: Path, job: dict[str, object]) -> dict[str, object]:
    """Trains and tells what came of it."""
    # A table of a toy is large.
    adamw._SPARSE_ROWS = int(str(job.get("sparse_rows", adamw._SPARSE_ROWS)))
    if job.get("kill_at"):
        LOGGER.setLevel(logging.INFO)
        LOGGER.addHandler(KillAt(int(str(job["kill_at"])), str(job.get("signal", "SIGKILL"))))
    if job.get("joins"):
        join_training(str(folder / str(job["scratch"])), patience_seconds=120)
        return {}
    dropout = job.get("dropout", 0.0)
    vocabulary, model = (
        str(folder / "vocab.txt"),
        {
            "kind": "transformer",
            "hidden_dim": 8,
            "num_heads": 2,
            "intermediate_dim": 16,
            "head_dim": 8,
            "bigram_buckets": 100,
            "dropout": dropout,
            "word_dropout": dropout,
            "bigram_dropout": dropout,
        },
    )
    if "encoder" in job:
        vocabulary = str(job["encoder"])
        model = {"kind": "bert_finetune", "encoder": vocabulary, "dropout": dropout}
    if job.get("ensemble"):
        model = {"kind": "ensemble", "network": model, "linear": {"buckets": 256}}
    replicas = int(str(job.get("replicas", 1)))
    sets = "-sets" if job.get("sets") else ""
    trained = train_together(
        TrainingJob.model_validate(
            {
                "train_files": [str(folder / f"train{sets}" / "*.gz")],
                "eval_files": [str(folder / f"eval{sets}" / "*.gz")],
                "num_classes": 4,
                "label_shape": [4] if sets else [],
                "scratch_uri": str(folder / str(job["scratch"])),
                "log_dir": str(folder / str(job["scratch"]) / "logs"),
                "base_model": None,
                "code_version": "1",
                "text": {"vocabulary": vocabulary, "lowercase": True, "max_length": 16},
                "model": model,
                "training": {
                    "epochs": job.get("epochs", EPOCHS),
                    "batch_size": BATCH_SIZE // replicas,
                    "learning_rate": 0.001 if "encoder" in job else 0.01,
                    "average_decay": 0.0 if "encoder" in job else 0.9,
                    "clip_norm": 1.0,
                },
                "devices": {
                    "strategy": job["strategy"],
                    "backup_minutes": job.get("backup_minutes", 0.0),
                    "workers": job.get("workers", 1),
                },
            }
        ),
        start_minutes=2.0,
    )
    weights = np.concatenate([weight.ravel() for weight in trained.classifier.network.get_weights()])
    return {
        "curve": trained.result.curve,
        "best_epoch": trained.result.best_epoch,
        "weights": weights.astype(float).tolist(),
        "devices": trained.devices.describe(BATCH_SIZE // replicas),
        "thresholds": trained.thresholds,
        "backups": len(list((folder / str(job["scratch"])).glob("training/*/backup.zip"))),
    }


def main() -> None:
    """Does the jobs in turn."""
    file = Path(sys.argv[1])
    jobs = json.loads(file.read_text())
    if any(job["strategy"] == "mirrored" for job in jobs):
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    for job in jobs:
        sys.stdout.write(f"RESULT {json.dumps(train(file.parent, job))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    if "TF_CONFIG" in os.environ:
        hold()
    logging.basicConfig(level=logging.INFO)
    try:
        main()
    except SystemExit as stopped:
        sys.stderr.flush()
        os._exit(int(str(stopped.code)))
