"""Processes of this machine that share the Trainer's work: one view, one log each, a clean end."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from agnews.components.trainer_task import start_processes as module
from agnews.components.trainer_task.do_task import do_task
from agnews.components.trainer_task.start_processes import start_processes
from agnews.schemas import progress
from agnews.schemas.corpus_document import packaged_corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.trainer_task import TrainerTask

STUB = Path(__file__).with_name("stub_process.py")


def stubbed(folder: Path, *does: str) -> TrainerTask:
    return TrainerTask(
        train_files=("train/*",),
        eval_files=("eval/*",),
        transform_uri="graph",
        model_uri="model",
        record_uri="record",
        settings={"devices": {"accelerator": "cpu"}, "folder": str(folder), "does": list(does)},
    )


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROCESS", (sys.executable, str(STUB)))
    monkeypatch.setattr(module, "NOTICE_SECONDS", 2.0)
    monkeypatch.setattr(module, "GRACE_SECONDS", 2.0)


def are_gone(folder: Path) -> bool:
    return not [pid for pid in folder.glob("pid-*") if Path(f"/proc/{pid.read_text()}").exists()]


@pytest.mark.usefixtures("stub")
def test_the_view_is_that_of_the_chief_and_each_has_a_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, progress.LOGGER.name):
        start_processes(stubbed(tmp_path, "ends", "ends", "ends"), count=3, logs=tmp_path / "logs")
    told = [vars(record)["progress"] for record in caplog.records if "progress" in vars(record)]
    assert [(each.done, each.metrics) for each in told] == [(1, {"loss": 0.5})]
    logs = {path.name: path.read_text() for path in (tmp_path / "logs").iterdir()}
    assert logs == {f"worker-{index}.log": f"words of {index}\n" for index in range(3)}


@pytest.mark.usefixtures("stub")
@pytest.mark.parametrize(
    ("does", "problem", "code"),
    [
        (("loses the other", "is killed"), "process 1 was killed by SIGKILL", 1),
        (("is killed", "loses the other"), r"process 0 \(the chief\) was killed by SIGKILL", 1),
        (("loses the other", "is deaf"), "process 1 did nothing any more", 1),
        (("loses the other", "fails"), "The loss is not a number", 1),
        (("fails", "refuses"), "These rows cannot be learnt from", 2),
    ],
)
def test_the_error_is_that_of_the_one_that_failed_by_itself(
    tmp_path: Path, does: tuple[str, str], problem: str, code: int
) -> None:
    with pytest.raises(AgnewsError, match=problem) as caught:
        start_processes(stubbed(tmp_path, *does), count=2, logs=tmp_path / "logs")
    assert caught.value.exit_code == code
    assert are_gone(tmp_path)


SCRIPT = """
import signal
import sys
from pathlib import Path
from agnews.components.trainer_task import start_processes as module
from agnews.pipeline.local.quiet_output import terminable
from agnews.schemas.trainer_task import TrainerTask
# Who runs the tests in the background of a script may ignore it, and hands that down.
signal.signal(signal.SIGINT, signal.default_int_handler)
module.PROCESS, module.GRACE_SECONDS = (sys.executable, sys.argv[1]), 3.0
task = TrainerTask.model_validate_json(sys.argv[2])
try:
    with terminable():
        module.start_processes(task, count=2, logs=Path(sys.argv[3]))
except KeyboardInterrupt:
    sys.exit(130)
"""


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("number", "does", "code", "left"),
    [
        (signal.SIGTERM, ("waits", "waits"), 130, {"backup-0", "backup-1"}),
        (signal.SIGINT, ("waits", "waits"), 130, {"backup-0", "backup-1"}),
        (signal.SIGTERM, ("waits", "is deaf"), 130, {"backup-0"}),
        (signal.SIGKILL, ("waits", "waits"), -signal.SIGKILL, {"orphan-0", "orphan-1"}),
    ],
)
def test_all_of_them_end_with_who_started_them(
    tmp_path: Path, number: int, does: tuple[str, str], code: int, left: set[str]
) -> None:
    task = stubbed(tmp_path, *does)
    line = [sys.executable, "-c", SCRIPT, str(STUB), task.model_dump_json(), str(tmp_path / "logs")]
    process = subprocess.Popen(line)
    try:
        wait_for(lambda: len(list(tmp_path.glob("pid-*"))) == 2)
        process.send_signal(number)
        assert process.wait(30) == code
        wait_for(lambda: are_gone(tmp_path))
        assert {path.name for path in tmp_path.glob("*-[01]") if not path.name.startswith("pid")} == left
    finally:
        process.kill()
        process.wait()


@pytest.mark.integration
def test_two_processes_leave_the_model_of_one(toy_transform: Path, tmp_path: Path) -> None:
    """The chief is a child; the batch is shared, so the weights are those of one process."""
    model = {"hidden_dim": 16, "num_heads": 2, "intermediate_dim": 32, "dropout": 0.0, "word_dropout": 0.0}
    settings = {
        "corpus": packaged_corpus().canonical(),
        "text": {"vocabulary": str(toy_transform / "vocab.txt"), "lowercase": True, "max_length": 16},
        "model": {**model, "bigram_dropout": 0.0},
        "training": {"epochs": 2, "batch_size": 16, "learning_rate": 0.02, "average_decay": 0.9},
        "devices": {"accelerator": "cpu"},
        "code_version": "1",
    }

    def task(name: str) -> TrainerTask:
        return TrainerTask(
            train_files=(str(toy_transform / "examples" / "Split-train" / "*"),),
            eval_files=(str(toy_transform / "examples" / "Split-eval" / "*"),),
            transform_uri=str(toy_transform / "graph"),
            model_uri=str(tmp_path / name / "model"),
            record_uri=str(tmp_path / name / "record"),
            settings={**settings, "scratch_uri": str(tmp_path / name / "scratch")},
        )

    do_task(task("one"))
    start_processes(task("two"), count=2, logs=tmp_path / "logs")

    one, two = (json.loads((tmp_path / name / "record" / "training.json").read_text()) for name in ("one", "two"))
    assert two["devices"]["taken"]["workers"] == 2
    assert two["devices"]["taken"]["global_batch_size"] == one["devices"]["taken"]["global_batch_size"]
    losses = [[epoch["val_loss"] for epoch in each["curve"]] for each in (one, two)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0, atol=1e-5)
    assert (tmp_path / "two" / "model" / "saved_model.pb").is_file()
    assert not list((tmp_path / "two" / "scratch").rglob("backup.zip")), "the model is safe"
    assert len(list((tmp_path / "logs").iterdir())) == 2
