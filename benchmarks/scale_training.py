"""Two processes of one thread against one process of two, on the same global batches: what sharing a training costs.

Both train the same model on the same rows, in turns, so that a busy machine is busy for both. Figures are of the second
epoch, once TensorFlow has traced everything: processor seconds a row of all processes together, and rows a second by
the clock. With `--dense` two processes are timed once more, with gradients of embeddings as whole tables. What a
process hands over in a step is counted as it runs: all-reduces and all-gathers of more than a kilobyte, and bytes.

`--ends` asks something else: how long two processes stand still between the last step and their end. `--tuned` leaves
tf.data's autotune on, which is why they once did. `--hold` reads so many rows in one process, as each of several does:
memory, and what making the batches takes.

    python benchmarks/scale_training.py --model transformer
    python benchmarks/scale_training.py --model bert_finetune --rows 256
    python benchmarks/scale_training.py --ends 20 --rows 2048
    python benchmarks/scale_training.py --hold 1000000 [--vocabulary 70000]
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BATCH_SIZE = {"transformer": 128, "bert_finetune": 32}
MODEL: dict[str, dict[str, object]] = {
    "transformer": {"kind": "transformer"},
    "bert_finetune": {"kind": "bert_finetune", "encoder": "minilm"},
}
VOCABULARY = 30_522
STANDS_STILL = 10.0
"""Seconds between the last step and the end of a process that nothing there needs."""
SMALL = 1024
"""Bytes up to which a message is not counted."""


def write_rows(file: Path, count: int) -> None:
    """Writes rows with lengths and frequencies of words like those of news; the class is told by one word."""
    import numpy as np
    import tensorflow as tf

    random = np.random.default_rng(0)
    file.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(file), tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for _ in range(count):
            label = int(random.integers(4))
            words = 1000 + random.zipf(1.2, size=random.integers(30, 71)) % (VOCABULARY - 1000)
            example = tf.train.Example()
            example.features.feature["token_ids"].int64_list.value.extend([101, 2000 + label, *words.tolist(), 102])
            example.features.feature["label"].int64_list.value.append(label)
            writer.write(example.SerializeToString())


class Stopwatch(logging.Handler):
    """Notes clock, processor time and messages at the end of each epoch."""

    def __init__(self, messages: Messages) -> None:
        super().__init__()
        self.messages = messages
        self.marks: list[tuple[float, float, dict[str, list[float]]]] = []
        self.last = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Takes a record of progress."""
        progress = vars(record)["progress"]
        if "val_loss" in progress.metrics:
            self.marks.append((time.perf_counter(), time.process_time(), self.messages.read()))
            self.last = time.time()


class Messages:
    """Counts what TensorFlow hands over to other processes, in the graph, where sizes are known: number and bytes."""

    def __init__(self) -> None:
        self._counted: dict[str, Any] = {}

    def watch(self) -> None:
        """Begins; before the strategy is made."""
        from tensorflow.python.distribute.cross_device_utils import CollectiveReplicaLauncher as Launcher

        Launcher.all_reduce = self._watched("all-reduce", Launcher.all_reduce)
        Launcher._all_gather = self._watched("all-gather", Launcher._all_gather)

    def read(self) -> dict[str, list[float]]:
        """Returns number and bytes of each kind so far."""
        return {kind: count.numpy().tolist() for kind, count in self._counted.items()}

    def _watched(self, kind: str, method: Any) -> Any:
        import tensorflow as tf
        from tensorflow.python.ops.resource_variable_ops import ResourceVariable

        def call(launcher: Any, tensor: Any, *arguments: Any, **named: Any) -> Any:
            if kind not in self._counted:
                with tf.init_scope(), tf.device("CPU:0"):
                    # As TensorFlow's own counters are made: a variable of the strategy would be one for each replica.
                    self._counted[kind] = ResourceVariable([0.0, 0.0], dtype=tf.float64)
            size = tf.cast(tf.size(tensor) * tensor.dtype.size, tf.float64)
            # Beside gradients there are counts and lengths, of a few bytes.
            self._counted[kind].assign_add(tf.where(size > SMALL, tf.stack([1.0, size]), tf.zeros(2, tf.float64)))
            return method(launcher, tensor, *arguments, **named)

        return call


def child(job: dict[str, Any]) -> None:
    """Trains, and prints the figures of the second epoch."""
    import tensorflow as tf

    from agnews.components.optimization import adamw
    from agnews.components.training.training_job import join_training, train_together
    from agnews.schemas.progress import LOGGER
    from agnews.schemas.training_job import TrainingJob

    if job["dense"]:
        adamw._SPARSE_ROWS = 2**40
    if job["tuned"]:
        tf.data.Dataset.with_options = lambda self, options: self
    workers = job["workers"]
    messages = Messages()
    messages.watch()
    watch = Stopwatch(messages)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    LOGGER.addHandler(watch)
    if job["joins"]:
        join_training(job["scratch"], patience_seconds=300)
    else:
        train_together(
            TrainingJob.model_validate(
                {
                    "train_files": [f"{job['rows']}/train/*"],
                    "eval_files": [f"{job['rows']}/eval/*"],
                    "num_classes": 4,
                    "scratch_uri": job["scratch"],
                    "text": {"vocabulary": "minilm", "lowercase": True, "max_length": 128},
                    "model": MODEL[job["model"]],
                    "training": {"epochs": 2, "batch_size": BATCH_SIZE[job["model"]], "average_decay": 0.0},
                    "devices": {"workers": workers, "accelerator": "cpu"},
                }
            ),
            start_minutes=5.0,
        )
    (clock, processor, before), (later, used, after) = watch.marks
    sent = {kind: [now - then for now, then in zip(after[kind], before[kind], strict=True)] for kind in before}
    found = {"seconds": later - clock, "processor": used - processor, "sent": sent, "last": watch.last}
    print("RESULT " + json.dumps(found), flush=True)


def measure(folder: Path, model: str, workers: int, *, dense: bool = False, tuned: bool = False) -> dict[str, Any]:
    """Runs one training in as many processes and returns what they said, summed up."""
    with ExitStack() as stack:
        doors = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(workers)]
        hosts = [f"127.0.0.1:{door.getsockname()[1]}" for door in doors]
    scratch = tempfile.mkdtemp(dir=folder)
    processes = []
    for index in range(workers):
        job = {"model": model, "workers": workers, "dense": dense, "tuned": tuned, "joins": index > 0}
        threads = str(2 // workers)
        environment = {**os.environ, "TF_NUM_INTRAOP_THREADS": threads, "OMP_NUM_THREADS": threads}
        if workers > 1:
            place = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
            environment["TF_CONFIG"] = json.dumps(place)
        line = [sys.executable, __file__, "--child", json.dumps(job | {"rows": str(folder), "scratch": scratch})]
        processes.append(subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, text=True))
    said = []
    for process in processes:
        output, _ = process.communicate()
        if process.returncode:
            raise SystemExit(f"a process ended with {process.returncode}")
        (found,) = [line for line in output.splitlines() if line.startswith("RESULT ")]
        said.append(json.loads(found.removeprefix("RESULT ")))
    ended = time.time()
    return {
        "end": ended - max(each["last"] for each in said),
        "processor": sum(each["processor"] for each in said),
        "seconds": max(each["seconds"] for each in said),
        "sent": said[0]["sent"],
    }


def describe(sent: dict[str, list[float]], steps: int) -> str:
    """Says what a process hands over in a step."""
    return ", ".join(
        f"{number / steps:.2f} {kind}s and {size / steps / 1e6:.2f} MB" for kind, (number, size) in sent.items()
    )


class MemoryWatch(threading.Thread):
    """Sees how much memory this process has at most: what is resident, and what of that no file stands behind."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.before = self.most = self._read()
        self.start()

    def run(self) -> None:
        """Looks now and then, for as long as the process lives."""
        while True:
            self.look()
            time.sleep(0.01)

    def look(self) -> tuple[int, int]:
        """Returns the most so far beyond what there was at the start, in bytes."""
        self.most = tuple(map(max, self.most, self._read()))
        resident, anonymous = (most - before for most, before in zip(self.most, self.before, strict=True))
        return resident, anonymous

    @staticmethod
    def _read() -> tuple[int, ...]:
        lines = dict(line.split(":") for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
        return tuple(1024 * int(lines[name].split()[0]) for name in ("VmRSS", "RssAnon"))


def hold(rows: str, vocabulary_size: int) -> None:
    """Reads rows as a process that trains does, makes all batches of an epoch, and prints what that takes."""
    import tensorflow as tf

    from agnews.components.training.token_rows import read_token_rows

    for _ in read_token_rows([f"{rows}/eval/*"], vocabulary_size=vocabulary_size, num_classes=4).dataset(batch_size=64):
        pass
    watch, clock = MemoryWatch(), time.process_time()
    held = read_token_rows([f"{rows}/train/*"], vocabulary_size=vocabulary_size, num_classes=4)
    read, after = time.process_time() - clock, watch.look()
    made, count = [], len(held)
    for cut in (None, lambda batch: tf.data.Dataset.from_tensors(batch[: tf.size(batch) // 8])):
        clock = time.process_time()
        for _ in held.dataset(batch_size=BATCH_SIZE["transformer"], seed=1, cut=cut):
            pass
        made.append(1e6 * (time.process_time() - clock) / count)
    print(
        f"{count:,} rows: {1e6 * read / count:.1f} us of processor a row to read, {made[0]:.1f} to make the batches of "
        f"an epoch, {made[1]:.1f} to make an eighth of each"
    )
    for what, reading, all_of_it in zip(("resident", "anonymous"), after, watch.look(), strict=True):
        print(
            f"    {what} at most: {reading / count:,.0f} bytes a row while reading, {all_of_it / count:,.0f} with "
            f"batches ({all_of_it / 2**20:,.0f} MiB)"
        )


def ends(folder: Path, arguments: argparse.Namespace) -> None:
    """Prints for each training how long the end took."""
    found = []
    for _ in range(arguments.ends):
        found.append(measure(folder, arguments.model, 2, tuned=arguments.tuned)["end"])
        print(f"{found[-1]:.1f} s from the last step to the end of both processes", flush=True)
    late = sum(each > STANDS_STILL for each in found)
    print(f"{late} of {len(found)} took more than {STANDS_STILL:.0f} s; median {statistics.median(found):.1f} s")


def main() -> None:
    """Prints the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=sorted(MODEL), default="transformer")
    parser.add_argument("--rows", type=int, default=4096)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--dense", action="store_true", help="time two processes with whole tables, too")
    parser.add_argument("--ends", type=int, metavar="N", help="how long the ends of so many trainings take")
    parser.add_argument("--tuned", action="store_true", help="with --ends: leave autotune on")
    parser.add_argument("--hold", type=int, metavar="ROWS", help="what so many rows take in a process")
    parser.add_argument("--vocabulary", type=int, default=VOCABULARY, help="with --hold: word pieces that there are")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(json.loads(arguments.child))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "train" / "rows.gz", arguments.hold or arguments.rows)
        write_rows(folder / "eval" / "rows.gz", 64)
        if arguments.hold:
            hold(name, arguments.vocabulary)
            return
        if arguments.ends:
            ends(folder, arguments)
            return
        kinds = {"one process": (1, False), "two processes": (2, False)}
        if arguments.dense:
            kinds["two processes, whole tables"] = (2, True)
        found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
        for _ in range(arguments.pairs):
            for kind, (workers, dense) in kinds.items():
                found[kind].append(measure(folder, arguments.model, workers, dense=dense))
            processor = (f"{1000 * each[-1]['processor'] / arguments.rows:.2f}" for each in found.values())
            print(f"ms of processor a row: {', '.join(processor)}", flush=True)
    base = found["one process"]
    for kind, each in found.items():
        milliseconds = statistics.median(1000 * one["processor"] / arguments.rows for one in each)
        pace = statistics.median(arguments.rows / one["seconds"] for one in each)
        ratios = sorted(one["processor"] / first["processor"] for one, first in zip(each, base, strict=True))
        clock = statistics.median(first["seconds"] / one["seconds"] for one, first in zip(each, base, strict=True))
        print(
            f"{kind}: {milliseconds:.2f} ms of processor a row, {pace:.0f} rows/s; {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f}) times the processor time of one, {clock:.2f} times its rows/s"
        )
        if each[0]["sent"]:
            steps = math.ceil(arguments.rows / BATCH_SIZE[arguments.model])
            print(f"    a process hands over {describe(each[0]['sent'], steps)} a step")


if __name__ == "__main__":
    main()
