"""What a GPU makes of training, serving and batches, each against the answers of this machine's processor.

    python benchmarks/on_gpu.py            on a machine with a GPU, eight minutes at most
    python benchmarks/on_gpu.py --dry      the same way on the processor alone: it shows that the script works

Trained on the bundled sample, each case by `agnews run` in a process of its own: what `auto` chooses, float32 with and
without XLA, bfloat16, float16, a mirrored strategy; the embedded encoder frozen and fine-tuned. Then models answer the
test file, on the GPU and on the processor, by `agnews predict`, `agnews batch` and `agnews serve`. One table says what
was taken, rows per second, the GPU's memory, the share of its arithmetic limit, and how far answers are from those of
the processor. The limit is what a product of large matrices reaches on the same device in the same precision, times the
devices that were used; the share counts the products for word pieces that a text has, and none for padding.
Cases for which no time is left are named. Without a GPU nothing is run, and that is said.
"""

from __future__ import annotations

import argparse
import csv
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from network_flop import MINILM, SMALL, Network

AGNEWS = str(Path(sys.executable).with_name("agnews"))
CASES: Mapping[str, Sequence[str]] = {
    "transformer, auto": ("model.kind=transformer",),
    "transformer, float32": ("model.kind=transformer", "devices.precision=float32", "devices.xla=off"),
    "transformer, float32, XLA": ("model.kind=transformer", "devices.precision=float32", "devices.xla=on"),
    "transformer, bfloat16": ("model.kind=transformer", "devices.precision=bfloat16"),
    "transformer, float16": ("model.kind=transformer", "devices.precision=float16"),
    "transformer, mirrored": ("model.kind=transformer", "devices.strategy=mirrored"),
    "bert_frozen, auto": ("model.kind=bert_frozen",),
    "bert_finetune, auto": ("model.kind=bert_finetune", "training.epochs=2"),
    "bert_finetune, float32": ("model.kind=bert_finetune", "training.epochs=2", "devices.precision=float32"),
}
"""Settings by the name of the case, besides those of the packaged configuration of the kind. The first epoch holds the
tracing of the graph, so that each has a second one, whose rows per second are those of the table."""
NETWORKS: Mapping[str, Network] = {"transformer": SMALL, "bert_frozen": MINILM, "bert_finetune": MINILM}
ANY_MODEL = ("evaluation.beats_linear=ignore", "evaluation.min_accuracy=0", "evaluation.min_class_recall=0")
DRY = ("transformer, auto", "transformer, bfloat16", "bert_finetune, auto")

PROBE = """
import json, sys, time
import tensorflow as tf
size, found = int(sys.argv[1]), {}
for name in ("float32", "bfloat16", "float16"):
    a = tf.cast(tf.random.normal([size, size]), name)
    multiply = tf.function(lambda a: tf.matmul(a, a))
    multiply(a)[0, 0].numpy()
    best, ends = float("inf"), time.perf_counter() + 2
    while time.perf_counter() < ends:
        start = time.perf_counter()
        for _ in range(10):
            last = multiply(a)
        # Waits for all of them, and brings one number from the device: the matrix would take longer than a product.
        last[0, 0].numpy()
        best = min(best, (time.perf_counter() - start) / 10)
    found[name] = 2 * size**3 / best
print(json.dumps(found))
"""


@dataclass
class Row:
    """A line of the table."""

    case: str
    taken: str = ""
    rows_per_second: float = 0.0
    memory_mib: float = 0.0
    share: float = 0.0
    against_cpu: str = ""

    def cells(self) -> list[str]:
        """Its cells as they are printed."""
        numbers = (f"{value:,.0f}" if value else "-" for value in (self.rows_per_second, self.memory_mib))
        share = f"{100 * self.share:.1f} %" if self.share else "-"
        return [self.case, self.taken or "-", *numbers, share, self.against_cpu or "-"]


@dataclass
class Device:
    """Where cases run.

    Attributes:
        name: Of the GPU, or of what stands for it.
        variables: Environment of processes that may use it.
        limit: Floating-point operations a second of one device, by precision.
    """

    name: str
    variables: dict[str, str]
    limit: dict[str, float] = field(default_factory=dict)

    def share(self, flop: float, rows_per_second: float, precision: str, devices: int = 1) -> float:
        """Returns the share of the limit that so many rows a second make use of, 0 where no limit is known."""
        limit = self.limit.get(precision, 0.0) * devices
        return flop * rows_per_second / limit if limit else 0.0


ON_CPU = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3", "TF_USE_LEGACY_KERAS": "1"}


def find_device(dry: bool) -> Device | None:
    """Returns the GPU that TensorFlow sees, or None; with `dry`, the processor in its place."""
    if dry:
        return Device("the processor, in place of a GPU", dict(ON_CPU))
    variables = {**ON_CPU, "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0")}
    code = (
        "import tensorflow as tf; gpus = tf.config.list_physical_devices('GPU');"
        "print([tf.config.experimental.get_device_details(gpu).get('device_name', 'GPU') for gpu in gpus])"
    )
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)
    names = json.loads(done.stdout.strip().replace("'", '"') or "[]") if done.returncode == 0 else []
    return Device(names[0], variables) if names else None


@contextmanager
def memory_watched() -> Iterator[list[float]]:
    """Asks nvidia-smi for the memory in use, MiB, as long as the block runs; nothing where there is none."""
    seen: list[float] = []
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.5):
            command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
            answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
            seen.extend(float(line) for line in answer[:1])

    watcher = threading.Thread(target=look)
    if shutil.which("nvidia-smi"):
        watcher.start()
    try:
        yield seen
    finally:
        over.set()
        if watcher.is_alive():
            watcher.join()


def call(arguments: Sequence[str], variables: Mapping[str, str], seconds: float) -> str:
    """Runs `agnews`; returns what it printed, or raises with the end of it."""
    done = subprocess.run(
        [AGNEWS, *arguments], env=dict(variables), capture_output=True, text=True, check=False, timeout=seconds
    )
    if done.returncode:
        raise RuntimeError(f"agnews {arguments[0]} ended with {done.returncode}\n{(done.stdout + done.stderr)[-1500:]}")
    return done.stdout


def train(case: str, root: Path, device: Device, seconds: float) -> tuple[Row, list[str]]:
    """Trains and pushes a case; returns its line so far and the options that name its model."""
    kind, *settings = CASES[case]
    # Pushed whatever it is worth, so that it can be asked.
    arguments = ["run", "--root", str(root), "--new-baseline", "--model", kind.partition("=")[2]]
    for setting in [*settings, *ANY_MODEL]:
        arguments += ["--set", setting]
    with memory_watched() as memory:
        call(arguments, device.variables, seconds)
    newest = max(root.glob("artifacts/Trainer/model_run/*/training.json"), key=lambda path: path.stat().st_mtime)
    record = json.loads(newest.read_text())
    taken = record["devices"]["taken"]
    speed = max(entry.get("rows_per_second", 0.0) for entry in record["curve"])
    row = Row(
        f"train {case}",
        f"{taken['accelerator']}, {taken['strategy']}, {taken['precision']}, XLA {'on' if taken['xla'] else 'off'}",
        speed,
        max(memory, default=0.0),
    )
    report = json.loads(max(root.glob("runs/*/report.json"), key=lambda path: path.stat().st_mtime).read_text())
    # A frozen encoder reads each row once, before training: what learns then is a few thousand weights.
    if (name := kind.partition("=")[2]) != "bert_frozen":
        length = report["documents"]["token_check"]["splits"]["train"]["mean_length"]
        row.share = device.share(NETWORKS[name].training(length), speed, taken["precision"], taken["replicas"])
    return row, ["--root", str(root), "--version", Path(report["pushed_model"]).name]


def read_answers(file: Path) -> tuple[list[str], list[list[float]]]:
    """Returns labels and probabilities of a file that `agnews predict` has written."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [line["label"] for line in lines], [
        [share for _, share in sorted(line["probabilities"].items())] for line in lines
    ]


def difference(found: Path, wanted: Path) -> str:
    """How far two files of answers are apart."""
    (labels, ours), (others, theirs) = read_answers(found), read_answers(wanted)
    same = sum(one == other for one, other in zip(labels, others, strict=True)) / len(others)
    farthest = max(abs(a - b) for one, other in zip(ours, theirs, strict=True) for a, b in zip(one, other, strict=True))
    return f"{100 * same:.2f} % same, {farthest:.1e} apart"


def read_texts(file: Path) -> list[str]:
    """Returns the texts of a file as `agnews predict` joins them."""
    with file.open(newline="", encoding="utf-8") as stream:
        return [f"{row['title']} {row['description']}" for row in csv.DictReader(stream)]


def predict(model: Sequence[str], texts: Path, folder: Path, device: Device, seconds: float, limit: str) -> list[Row]:
    """Answers a file on the device and on the processor, by `predict` and by `batch`."""
    outputs = {name: folder / f"{name}.jsonl" for name in ("device", "cpu")}
    rows, count = [], len(read_texts(texts))
    shared = ["--file", str(texts), *model, "--format", "jsonl"]
    start = time.monotonic()
    with memory_watched() as memory:
        call(["predict", *shared, "--output", str(outputs["device"])], device.variables, seconds)
    took = time.monotonic() - start
    call(["predict", *shared, "--output", str(outputs["cpu"])], ON_CPU, seconds)
    rows.append(
        Row(
            f"predict, {limit}, start included",
            device.name,
            count / took,
            max(memory, default=0.0),
            against_cpu=difference(outputs["device"], outputs["cpu"]),
        )
    )
    start = time.monotonic()
    batch = ["batch", "--input", str(texts), "--output", str(folder / "batch"), *model]
    call([*batch, "--format", "jsonl"], device.variables, seconds)
    joined = folder / "batch.jsonl"
    parts = sorted((folder / "batch").rglob("part-*.jsonl"))
    joined.write_text("".join(part.read_text() for part in parts))
    rows.append(
        Row(
            f"batch, {limit}, start included",
            device.name,
            count / (time.monotonic() - start),
            against_cpu=difference(joined, outputs["cpu"]),
        )
    )
    return rows


def serve(model: Sequence[str], texts: Path, wanted: Path, device: Device, seconds: float) -> Row:
    """Asks a server on the device for the same answers, 256 texts a request."""
    instances = read_texts(texts)
    command = [AGNEWS, "serve", *model, "--port", "0"]
    server = subprocess.Popen(
        command, env=device.variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        port = _port(server, seconds)
        labels: list[str] = []
        best = 0.0
        with memory_watched() as memory:
            for first in range(0, len(instances), 256):
                start = time.monotonic()
                answers = _ask(port, instances[first : first + 256])
                best = max(best, len(answers) / (time.monotonic() - start))
                labels += [answer["label"] for answer in answers]
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    others, _ = read_answers(wanted)
    same = sum(one == other for one, other in zip(labels, others, strict=True)) / len(others)
    return Row(
        "serve, 256 texts a request",
        device.name,
        best,
        max(memory, default=0.0),
        against_cpu=f"{100 * same:.2f} % same",
    )


def _port(server: subprocess.Popen[str], seconds: float) -> int:
    """The port that a server says that it listens on."""
    over = threading.Timer(seconds, server.kill)
    over.start()
    seen = []
    assert server.stdout is not None  # noqa: S101 - a pipe was asked for
    for line in server.stdout:
        seen.append(line)
        if "http://" in line:
            over.cancel()
            threading.Thread(target=server.stdout.read, daemon=True).start()
            return int(re.findall(r"http://[^:/ ]+:(\d+)", line)[0])
    over.cancel()
    raise RuntimeError(f"agnews serve did not start:\n{''.join(seen)[-1500:]}")


def _ask(port: int, instances: Sequence[str]) -> list[dict[str, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        body = json.dumps({"instances": list(instances)})
        connection.request("POST", "/v1/models/agnews:predict", body, {"Content-Type": "application/json"})
        predictions: list[dict[str, Any]] = json.load(connection.getresponse())["predictions"]
    finally:
        connection.close()
    return predictions


def write_texts(root: Path, file: Path) -> None:
    """Writes the sample's test file with a header."""
    from agnews.components.corpus_files.sample import write_sample
    from agnews.schemas.corpus_document import packaged_corpus

    write_sample(root / "sample", packaged_corpus())
    rows = list(csv.reader((root / "sample" / "test.csv").open(newline="", encoding="utf-8")))
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["title", "description"], *([" ".join(row[1].split()), row[2]] for row in rows)])


def main() -> None:
    """Runs the cases and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry", action="store_true", help="on the processor, three cases: shows that the script works")
    parser.add_argument("--minutes", type=float, default=8.0, help="no case is begun when these are over")
    arguments = parser.parse_args()
    device = find_device(arguments.dry)
    if device is None:
        print("Skipped: TensorFlow sees no GPU here. `--dry` runs the same on the processor.")
        return
    ends = time.monotonic() + 60 * arguments.minutes
    table: list[Row] = []
    left_out: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        root, texts = scratch / "root", scratch / "texts.csv"
        write_texts(scratch, texts)
        probed = subprocess.run(
            [sys.executable, "-c", PROBE, "512" if arguments.dry else "8192"],
            env=device.variables,
            capture_output=True,
            text=True,
            check=True,
        )
        device.limit = json.loads(probed.stdout.splitlines()[-1])
        models: dict[str, list[str]] = {}
        for case in DRY if arguments.dry else CASES:
            if time.monotonic() > ends:
                left_out.append(case)
                continue
            print(f"{case} ...", flush=True)
            try:
                row, models[case] = train(case, root, device, max(60.0, ends + 60 - time.monotonic()))
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                row = Row(f"train {case}", against_cpu="FAILED")
                print(f"{case}: {error}", file=sys.stderr)
            table.append(row)
        for case in [name for name in models if name.endswith(("r, auto", "e, auto"))]:
            if time.monotonic() > ends:
                left_out.append(f"answers of {case}")
                continue
            print(f"answers of {case} ...", flush=True)
            own = scratch / case.replace(", ", "-")
            own.mkdir()
            try:
                table += predict(models[case], texts, own, device, 240, case.partition(",")[0])
                table.append(serve(models[case], texts, own / "cpu.jsonl", device, 120))
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                table.append(Row(f"answers of {case}", against_cpu="FAILED"))
                print(f"{case}: {error}", file=sys.stderr)
    print_table(device, table, left_out, dry=arguments.dry)
    if any(row.against_cpu == "FAILED" for row in table):
        raise SystemExit(1)


def print_table(device: Device, table: Sequence[Row], left_out: Sequence[str], *, dry: bool) -> None:
    """Prints what was found, as Markdown."""
    limits = ", ".join(f"{name} {value / 1e12:.1f}" for name, value in device.limit.items())
    print(f"\n{device.name}; matrix products, TFLOP/s: {limits}")
    if dry:
        print("A dry run: it says that the script works, and nothing about any GPU.")
    print("\n| case | taken | rows/s | memory, MiB | share of the limit | against the processor |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in table:
        print(f"| {' | '.join(row.cells())} |")
    if left_out:
        print(f"\nNo time was left for: {'; '.join(left_out)}.")


if __name__ == "__main__":
    main()
