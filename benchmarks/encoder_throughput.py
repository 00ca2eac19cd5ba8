"""Fine-tuning and inference of the embedded encoder: TensorFlow as our Trainer runs it against Hugging Face on PyTorch.

Same weights, same batches (32 rows of similar length, padded to the longest), mean over the tokens, four classes, two
threads, float32. PyTorch has its dropout of 0.1, its eager attention (`--attention sdpa` for the other) and its fused
AdamW, the faster one. Each side is a process of its own that waits while the other works on one batch; medians over
rounds of each batch are summed. Waiting for other programs of a busy machine is not in the seconds of processor, but
two threads of PyTorch wait for each other by turning in circles, which is: where others keep the machine busy, only
`--threads 1` and the seconds of processor compare what the two compute.

PyTorch is no dependency of the project and needs an environment of its own:

    python3.11 -m venv /tmp/torch && /tmp/torch/bin/pip install torch==2.13.0 transformers==5.17.0
    python benchmarks/encoder_throughput.py ../shared/data/agnews --torch-python /tmp/torch/bin/python
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

BATCH_SIZE = 32
MAX_LENGTH = 128
RATE = 1e-5
Work = Callable[[np.ndarray, np.ndarray], None]
SIDES = {
    "torch": "PyTorch",
    "ours": "TensorFlow",
    "garden": "TensorFlow, Model Garden's AdamW",
    "xla": "TensorFlow, XLA",
}
"""Without `--xla` the last one is left out: it compiles anew for each batch, as `train_classifier` says."""


def torch_side(attention: str, threads: int) -> dict[str, Work]:
    """Hugging Face's BertModel with a head."""
    import torch
    import transformers

    torch.set_num_threads(threads)
    encoder = transformers.BertModel.from_pretrained(os.environ["MINILM"], attn_implementation=attention)
    head = torch.nn.Linear(encoder.config.hidden_size, 4)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=RATE, fused=True)

    def logits(ids: np.ndarray) -> torch.Tensor:
        tokens = torch.from_numpy(ids.astype(np.int64))
        mask = (tokens != 0).long()
        hidden = encoder(input_ids=tokens, attention_mask=mask).last_hidden_state
        weights = mask[..., None].to(hidden.dtype)
        return head((hidden * weights).sum(1) / weights.sum(1))

    def train(ids: np.ndarray, labels: np.ndarray) -> None:
        encoder.train()
        loss = torch.nn.functional.cross_entropy(logits(ids), torch.from_numpy(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    def infer(ids: np.ndarray, _: np.ndarray) -> None:
        encoder.eval()
        with torch.inference_mode():
            logits(ids).numpy()

    return {"train": train, "infer": infer}


def tensorflow_side(side: str, threads: int) -> dict[str, Work]:
    """hub.KerasLayer on the converted encoder with a head."""
    import tensorflow as tf
    import tensorflow_hub as hub
    from official.nlp import optimization

    from agnews.components.encoders.resolve_encoder import resolve_encoder
    from agnews.components.optimization.adamw import AdamW

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    encoder = resolve_encoder("minilm")
    layer = hub.KerasLayer(str(encoder.folder), trainable=True)
    kernel = tf.Variable(tf.random.normal((encoder.hidden_dim, 4), stddev=0.02), name="logits/kernel")
    bias = tf.Variable(tf.zeros(4), name="logits/bias")
    learning = [weight for weight in layer.trainable_weights if not weight.name.startswith("pooler")] + [kernel, bias]
    if side == "garden":
        optimizer = optimization.create_optimizer(RATE, 1000, 100, optimizer_type="adamw")
    else:
        optimizer = AdamW(RATE, weight_decay=0.01)
    signature = [tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int64)]
    step = tf.Variable(0, dtype=tf.int64, trainable=False)

    def logits(ids: tf.Tensor, **options: object) -> tf.Tensor:
        mask = tf.cast(tf.not_equal(ids, 0), tf.int32)
        words = {"input_word_ids": ids, "input_mask": mask, "input_type_ids": tf.zeros_like(ids)}
        if options.get("training"):
            words["dropout_seed"] = tf.stack([tf.constant(1, tf.int64), step])
        hidden = layer(words, **options)["sequence_output"]
        weights = tf.cast(mask, tf.float32)[..., tf.newaxis]
        return tf.matmul(tf.reduce_sum(hidden * weights, 1) / tf.reduce_sum(weights, 1), kernel) + bias

    @tf.function(input_signature=signature, jit_compile=side == "xla" or None)
    def train(ids: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits(ids, training=True))
            loss = tf.reduce_mean(losses)
        optimizer.apply_gradients(zip(tape.gradient(loss, learning), learning, strict=True))
        step.assign_add(1)
        return loss

    @tf.function(input_signature=signature, jit_compile=side == "xla" or None)
    def infer(ids: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
        return logits(ids, training=False)

    return {
        "train": lambda ids, labels: train(tf.constant(ids), tf.constant(labels)).numpy(),
        "infer": lambda ids, labels: infer(tf.constant(ids), tf.constant(labels)).numpy(),
    }


def serve(side: str, attention: str, threads: int, batches: Path) -> None:
    """Answers each line `WORK NUMBER` with seconds of the clock and of the processor."""
    data = np.load(batches)
    works = torch_side(attention, threads) if side == "torch" else tensorflow_side(side, threads)
    answers, sys.stdout = sys.stdout, sys.stderr
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        work, number = line.split()
        ids, labels = data[f"ids{number}"], data[f"labels{number}"]
        clock, processor = time.perf_counter(), time.process_time()
        works[work](ids, labels)
        found = time.perf_counter() - clock, time.process_time() - processor
        print(json.dumps(found), file=answers, flush=True)


def make_batches(data: Path, count: int, path: Path) -> list[int]:
    """Writes `count` batches of real rows and, as the last one, a single row; returns the lengths."""
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tensorflow as tf

    from agnews.components.text.clean import clean
    from agnews.components.text.tokenizer import Tokenizer
    from agnews.components.text.vocabulary import load_vocabulary

    with (data / "train.csv").open(newline="", encoding="utf-8") as file:
        records = random.Random(1).sample(list(csv.reader(file)), 100 * BATCH_SIZE)  # noqa: S311 - no secret
    labels = np.array([int(label) - 1 for label, *_ in records])
    tokenize = Tokenizer(load_vocabulary("minilm"), lowercase=True, max_length=MAX_LENGTH)
    ids = tokenize(clean(tf.constant([f"{title} {text}" for _, title, text in records])))
    order = np.argsort(ids.row_lengths().numpy(), kind="stable")
    starts = np.linspace(0, len(order) - BATCH_SIZE, 2 * count + 1).astype(int)[1::2]  # evenly over all lengths
    chosen = [order[start : start + BATCH_SIZE] for start in starts] + [order[len(order) // 2 :][:1]]
    padded = [tf.gather(ids, rows).to_tensor().numpy().astype(np.int32) for rows in chosen]
    arrays = {f"ids{number}": each for number, each in enumerate(padded)}
    np.savez(path, **arrays, **{f"labels{number}": labels[rows] for number, rows in enumerate(chosen)})
    return [each.shape[1] for each in padded]


class Side:
    """A process that works when it is told to."""

    def __init__(self, name: str, python: str, options: list[str], minilm: str) -> None:
        command = [python, __file__, "--serve", name, *options]
        variables = {"MINILM": minilm, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        if self._read() != "ready":
            raise SystemExit(f"{name} does not start; try: MINILM={minilm} {' '.join(command)}")

    def _read(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 - for the types
        return self._process.stdout.readline().strip()

    def work(self, work: str, number: int) -> tuple[float, float]:
        """Seconds of the clock and of the processor for one batch."""
        assert self._process.stdin is not None  # noqa: S101 - for the types
        self._process.stdin.write(f"{work} {number}\n")
        self._process.stdin.flush()
        clock, processor = json.loads(self._read())
        return clock, processor


def compare(sides: dict[str, Side], work: str, numbers: list[int], rounds: int) -> dict[str, tuple[float, float]]:
    """Sums of the medians over rounds for each side: seconds of the clock, and of the processor."""
    found = {name: {number: [] for number in numbers} for name in sides}
    for turn in range(rounds + 1):
        for number in numbers:
            for name, side in sides.items():
                seconds = side.work(work, number)
                if turn:  # the first one compiles, traces, fills caches
                    found[name][number].append(seconds)
    return {
        name: tuple(sum(statistics.median(each[part] for each in every) for every in of.values()) for part in (0, 1))
        for name, of in found.items()
    }


def main() -> None:
    """Compares and prints ratios; above 1, TensorFlow is faster."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", help="folder with train.csv")
    parser.add_argument("--torch-python", default="", help="interpreter that has PyTorch")
    parser.add_argument("--attention", choices=("eager", "sdpa"), default="eager", help="PyTorch's")
    parser.add_argument("--threads", type=int, default=2, help="of each side; 1 on a machine that others keep busy")
    parser.add_argument("--count", type=int, default=6, help="batches")
    parser.add_argument("--rounds", type=int, default=5, help="times that each side sees each batch")
    parser.add_argument("--xla", action="store_true", help="measure XLA too")
    parser.add_argument("--serve", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--batches", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.attention, arguments.threads, arguments.batches)
        return
    if arguments.data is None or not (arguments.data / "train.csv").is_file():
        raise SystemExit(f"skipped: no train.csv in {arguments.data}")
    if not Path(arguments.torch_python).is_file():
        how = __doc__.split("PyTorch is no ")[1]
        raise SystemExit(f"skipped: no interpreter {arguments.torch_python!r} for PyTorch, which is no {how}")

    from agnews.components.encoders.find_encoder import embedded_folder

    with tempfile.TemporaryDirectory() as scratch:
        batches = Path(scratch, "batches.npz")
        lengths = make_batches(arguments.data, arguments.count, batches)
        options = ["--attention", arguments.attention, "--threads", str(arguments.threads), "--batches", str(batches)]
        names = [name for name in SIDES if name != "xla" or arguments.xla]
        sides = {
            name: Side(
                name,
                arguments.torch_python if name == "torch" else sys.executable,
                options,
                str(embedded_folder()),
            )
            for name in names
        }
        print(f"{arguments.count} batches of {BATCH_SIZE}, padded to {lengths[:-1]}; one text of {lengths[-1]} tokens")
        several, single = list(range(arguments.count)), [arguments.count]
        for title, work, numbers, rounds in (
            ("fine-tuning", "train", several, arguments.rounds),
            ("inference", "infer", several, arguments.rounds),
            ("one text", "infer", single, 20 * arguments.rounds),
        ):
            taking_part = {name: side for name, side in sides.items() if work == "train" or name != "garden"}
            found = compare(taking_part, work, numbers, rounds)
            for name, (clock, processor) in found.items():
                print(
                    f"{title:12}{SIDES[name]:34}{1e3 * clock / len(numbers):9.1f} ms "
                    f"{found['torch'][0] / clock:6.2f} times PyTorch; by processor time "
                    f"{found['torch'][1] / processor:5.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
