"""Processes that train together, and signals to each: what is said, how long it takes, and that nothing is lost."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).with_name("toy_training.py")
SECONDS = 300
ROWS = 329
"""41 batches of 8 and one of a single row, of which all but one of the processes see nothing."""
STEPS = 42
STOPPED_AT = STEPS + 5
"""In the first execution of the second of three epochs."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows and a vocabulary."""
    spec = importlib.util.spec_from_file_location("toy_training", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    toy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(toy)
    root = tmp_path_factory.mktemp("several")
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"word{number}" for number in range(26))]
    (root / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens))
    toy.write_rows(root / "train" / "rows.gz", ROWS, seed=0)
    toy.write_rows(root / "eval" / "rows.gz", 31, seed=1)
    toy.write_rows(root / "train-sets" / "rows.gz", ROWS, seed=2, sets=True)
    toy.write_rows(root / "eval-sets" / "rows.gz", 60, seed=3, sets=True)
    return root


def free_addresses(count: int) -> list[str]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


@dataclass
class Together:
    """Processes of one training; the first is the chief."""

    folder: Path
    name: str
    processes: list[subprocess.Popen[bytes]]

    def wait(self, *indices: int) -> list[int]:
        """Returns what they end with."""
        return [self.processes[index].wait(SECONDS) for index in indices]

    def said(self, index: int) -> str:
        return (self.folder / f"{self.name}-{index}.err").read_text(errors="replace")

    def result(self) -> dict[str, Any]:
        (line,) = [
            line for line in (self.folder / f"{self.name}-0.out").read_text().splitlines() if line.startswith("RESULT")
        ]
        found: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
        return found


@contextmanager
def started(
    folder: Path,
    name: str,
    *,
    workers: int,
    scratch: str,
    kill: dict[int, str] | None = None,
    sharing: int | None = None,
    **job: object,
) -> Iterator[Together]:
    """Starts a chief and its workers; `kill` names the signal that one sends itself at STOPPED_AT.

    `sharing` is `devices.workers`: all of them, unless another number is given.
    """
    addresses = free_addresses(workers)
    with ExitStack() as stack:
        together = Together(folder, name, [])
        for index in range(workers):
            facts = {"strategy": "auto", "workers": sharing or workers, "scratch": scratch, "joins": index > 0, **job}
            if kill and index in kill:
                facts |= {"kill_at": STOPPED_AT, "signal": kill[index]}
            file = folder / f"{name}-{index}.json"
            file.write_text(json.dumps([facts]))
            place = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            out, err = (stack.enter_context((folder / f"{name}-{index}.{kind}").open("wb")) for kind in ("out", "err"))
            environment = {**os.environ, "TF_CONFIG": json.dumps(place), "TF_NUM_INTRAOP_THREADS": "1"}
            process = subprocess.Popen(
                [sys.executable, str(SCRIPT), str(file)], stdout=out, stderr=err, env=environment
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            together.processes.append(process)
        yield together


@cache
def alone(folder: Path, **job: object) -> dict[str, Any]:
    """One process on the same rows."""
    file = folder / "alone.json"
    file.write_text(json.dumps([{"strategy": "none", "scratch": "alone", **job}]))
    done = subprocess.run([sys.executable, str(SCRIPT), str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("RESULT")]
    found: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
    return found


def figures(result: dict[str, Any], *names: str) -> np.ndarray:
    return np.array([[entry[name] for name in names] for entry in result["curve"]])


def backups(folder: Path, scratch: str) -> Sequence[Path]:
    return list((folder / scratch).glob("training/*/backup.zip"))


def require_equal_to_one(folder: Path, found: dict[str, Any], workers: int, **job: object) -> None:
    one = alone(folder, **job)
    taken = {**one["devices"], "strategy": "multiworker", "replicas": workers, "workers": workers}
    assert found["devices"] == taken, "a step sees as many rows"
    np.testing.assert_allclose(figures(found, "val_loss"), figures(one, "val_loss"), rtol=0, atol=1e-5)
    # In the mean that Keras shows, the single row of the last batch weighs more; see `replica_batches`.
    np.testing.assert_allclose(figures(found, "loss"), figures(one, "loss"), rtol=0.02)
    np.testing.assert_allclose(found["weights"], one["weights"], rtol=0, atol=1e-4)


def test_one_of_two_is_told_to_go_and_the_next_start_ends_as_if_nothing_had_happened(folder: Path) -> None:
    """The signal reaches one of them; both finish the step, write a backup and say so with 143."""
    # A backup nobody asked for is due only at the ends of epochs.
    # Both exchange slices of the table of word pairs, always as many, since sixteen steps are one loop.
    job = {"workers": 2, "scratch": "told", "backup_minutes": 60.0, "sparse_rows": 100}
    with started(folder, "told", kill={1: "SIGTERM"}, **job) as together:
        codes = together.wait(0, 1)
    assert codes == [143, 143], together.said(0) + together.said(1)
    assert len(backups(folder, "told")) == 1
    assert not list((folder / "told").glob("training_job-*")), "a later worker must not take it for that of its chief"

    (folder / "told" / "training_job-0123.json").write_text("what a killed chief has left")
    with started(folder, "again", **job) as together:
        codes = together.wait(0, 1)
    assert codes == [0, 0], together.said(0) + together.said(1)
    assert "epoch 2, step 16" in together.said(0), "it went on, and did not begin anew"
    require_equal_to_one(folder, together.result(), 2)


@pytest.mark.long
def test_two_processes_learn_several_classes_a_text_as_one_does(folder: Path) -> None:
    with started(folder, "sets", workers=2, scratch="sets", sets=True) as together:
        codes = together.wait(0, 1)
    assert codes == [0, 0], together.said(0) + together.said(1)
    found = together.result()
    require_equal_to_one(folder, found, 2, sets=True)
    np.testing.assert_allclose(found["thresholds"], alone(folder, sets=True)["thresholds"], atol=1e-4)
    assert figures(found, "val_accuracy")[-1] > figures(found, "val_accuracy")[0]


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSTOP"])
def test_a_worker_that_is_gone_or_frozen_ends_the_chief_with_words(folder: Path, name: str) -> None:
    with started(folder, f"gone-{name}", workers=2, scratch=name, kill={1: name}) as together:
        codes = together.wait(0)
        seconds = time.time() - (folder / f"gone-{name}-1.err").stat().st_mtime
    assert codes == [1], together.said(0)
    assert "Another process of this training went away" in together.said(0)
    assert seconds < 60, "since the last word of the other one"
    assert len(backups(folder, name)) == 1


@pytest.mark.long
@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGSTOP"])
@pytest.mark.parametrize("index", [0, 2], ids=["chief", "worker"])
def test_four_processes_lose_nothing_whichever_is_cut(folder: Path, name: str, index: int) -> None:
    scratch = f"four-{name}-{index}"
    with started(folder, scratch, workers=4, scratch=scratch, kill={index: name}) as together:
        others = [each for each in range(4) if each != index]
        codes = together.wait(*others)
        seconds = time.time() - (folder / f"{scratch}-{index}.err").stat().st_mtime
    assert codes == ([143] * 3 if name == "SIGTERM" else [1] * 3), [together.said(each) for each in others]
    assert seconds < 60, "since the last word of the one that was cut"
    if name != "SIGTERM":
        for each in others:
            assert "Another process of this training went away" in together.said(each)
    assert len(backups(folder, scratch)) == 1
    with started(folder, f"{scratch}-again", workers=4, scratch=scratch) as together:
        codes = together.wait(0, 1, 2, 3)
    assert codes == [0] * 4, [together.said(each) for each in range(4)]
    assert "Training goes on from" in together.said(0)
    require_equal_to_one(folder, together.result(), 4)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_none_of_twenty_trainings_stands_still_at_its_end(folder: Path) -> None:
    """The end of an iterator used to wait for a thread that sleeps, for as long as the training has taken, up to a
    minute: `benchmarks/scale_training.py --ends 20 --tuned` shows it."""
    waits = []
    for number in range(20):
        with started(folder, f"end-{number}", workers=2, scratch=f"end-{number}", epochs=40) as together:
            codes = together.wait(0, 1)
            assert codes == [0, 0], together.said(0) + together.said(1)
            # The last one is written at the end of the last epoch.
            (backup,) = backups(folder, f"end-{number}")
            waits.append(time.time() - backup.stat().st_mtime)
    assert max(waits) < 5, waits


def test_a_chief_whose_worker_never_comes_says_who_is_missing(folder: Path) -> None:
    from agnews.components.training.rendezvous import receive_workers
    from agnews.schemas.errors import AgnewsError

    chief, other = free_addresses(2)
    with pytest.raises(AgnewsError, match="1 of 2 processes of this training did not come") as caught:
        receive_workers(chief, [other], "abc", patience_seconds=1.0)
    assert other in str(caught.value.found)


def test_a_chief_whose_model_one_process_trains_lets_the_others_go_and_waits_for_none(folder: Path) -> None:
    """A TF_CONFIG set by hand says that there are others, and the network of an ensemble could be shared."""
    # The command line refuses to share a batch of this kind of model.
    with started(folder, "ensemble", workers=2, scratch="ensemble", sharing=1, ensemble=True, epochs=1) as together:
        codes = together.wait(1, 0)
    assert codes == [0, 0], together.said(0) + together.said(1)
    assert "the model ensemble is trained in one process" in together.said(1)
    found = together.result()["devices"]
    assert (found["strategy"], found["workers"]) == ("none", 1)


def test_a_process_that_waits_is_ended_by_sigterm_at_once(folder: Path) -> None:
    addresses = free_addresses(2)
    place = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": 1}}
    line = [sys.executable, "-m", "agnews.components.training.worker", str(folder / "nobody")]
    process = subprocess.Popen(line, env={**os.environ, "TF_CONFIG": json.dumps(place)}, stderr=subprocess.PIPE)
    time.sleep(2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
    assert process.stderr is not None
    process.stderr.close()
