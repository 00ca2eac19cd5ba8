"""Rows per second in training: the notebook's Keras code against ours, the same architecture on the same rows.

Both train the notebook's transformer: width 32, one block with 2 heads of width 32, feed-forward 32, dropout 0.1, head
20, batches of 128, Adam without decay, clipping or smoothing. The notebook's code splits texts in each epoch and pads
every one of them to 256; ours reads word pieces, which Transform has made once, so a second figure charges that work to
every epoch. Both are timed once TensorFlow has traced them, each in a process of its own, in turns, so that a busy
machine is busy for both.

    python benchmarks/train_throughput.py ../shared/data/agnews
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
import time
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tf_keras as keras

from agnews.components.modeling.factory import build_model
from agnews.components.text.clean import clean
from agnews.components.text.tokenizer import Tokenizer
from agnews.components.text.vocabulary import load_vocabulary
from agnews.components.training.fit import fit
from agnews.components.training.token_rows import TokenRows
from agnews.schemas.learning_config import TrainingConfig, parse_model_config

BATCH_SIZE = 128
MAX_LENGTH = 128
layers = keras.layers


class TransformerBlock(layers.Layer):
    """The block as notebooks write it."""

    def __init__(self, width: int, num_heads: int, feed_forward: int, dropout: float) -> None:
        super().__init__()
        self.attention = layers.MultiHeadAttention(num_heads=num_heads, key_dim=width)
        self.feed_forward = keras.Sequential([layers.Dense(feed_forward, activation="relu"), layers.Dense(width)])
        self.norms = [layers.LayerNormalization(epsilon=1e-6) for _ in range(2)]
        self.dropouts = [layers.Dropout(dropout) for _ in range(2)]

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """(batch, length, width) to the same."""
        attended = self.dropouts[0](self.attention(inputs, inputs), training=training)
        attended = self.norms[0](inputs + attended)
        forwarded = self.dropouts[1](self.feed_forward(attended), training=training)
        return self.norms[1](attended + forwarded)


class Embeddings(layers.Layer):
    """Token plus position."""

    def __init__(self, length: int, vocabulary_size: int, width: int) -> None:
        super().__init__()
        self.tokens = layers.Embedding(vocabulary_size, width)
        self.positions = layers.Embedding(length, width)

    def call(self, token_ids: tf.Tensor) -> tf.Tensor:
        """(batch, length) to (batch, length, width)."""
        return self.tokens(token_ids) + self.positions(tf.range(tf.shape(token_ids)[-1]))


def notebook(texts: list[str], labels: list[int]) -> float:
    """Trains the notebook's model and returns the rows per second of an epoch, once it is warm."""
    rows = tf.data.Dataset.from_tensor_slices((texts, labels)).batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)
    vectorize = layers.TextVectorization(max_tokens=20_000, output_sequence_length=256)
    vectorize.adapt(rows.map(lambda text, _: text))

    inputs = keras.Input((1,), dtype=tf.string)
    hidden = Embeddings(256, 20_000, 32)(vectorize(inputs))
    hidden = TransformerBlock(32, 2, 32, 0.1)(hidden)
    hidden = layers.Dropout(0.1)(layers.GlobalAveragePooling1D()(hidden))
    hidden = layers.Dropout(0.1)(layers.Dense(20, activation="relu")(hidden))
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(hidden))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    if model.count_params() != 648_192 + 10_656 + 660 + 84:
        raise SystemExit(f"this is not the notebook's model: {model.count_params():,} parameters")
    model.fit(rows.take(3), verbose=0)
    began = time.perf_counter()
    model.fit(rows, verbose=0)
    return len(texts) / (time.perf_counter() - began)


def tokenize(texts: list[str], labels: list[int]) -> tuple[TokenRows, float]:
    """Makes word pieces as Transform does, and says how many rows a second that took."""
    tokenizer = Tokenizer(load_vocabulary("minilm"), lowercase=True, max_length=MAX_LENGTH)
    split = tf.function(lambda batch: tokenizer(clean(batch)), input_signature=[tf.TensorSpec([None], tf.string)])
    split(tf.constant(texts[:10]))
    began = time.perf_counter()
    parts = [split(tf.constant(texts[start : start + 1000])) for start in range(0, len(texts), 1000)]
    pace = len(texts) / (time.perf_counter() - began)
    ragged = tf.concat(parts, axis=0)
    ids = ragged.values.numpy().astype(np.int32)
    return TokenRows(ids, ragged.row_splits.numpy(), np.array(labels, np.int64)), pace


def ours(rows: TokenRows) -> float:
    """Trains our model of the same architecture and returns the rows per second of its second epoch."""
    vocabulary = load_vocabulary("minilm")
    classifier = build_model(
        parse_model_config(
            {
                "hidden_dim": 32,
                "num_heads": 2,
                "key_dim": 32,
                "num_layers": 1,
                "intermediate_dim": 32,
                "head_dim": 20,
                "dropout": 0.1,
                "word_dropout": 0.0,
                "bigram_buckets": 0,
            }
        ),
        token_counts=rows.token_counts(len(vocabulary)),
        unknown_id=vocabulary.unknown_id,
        special_ids=(0, vocabulary.cls_id, vocabulary.sep_id),
        max_length=MAX_LENGTH,
        num_classes=4,
    )
    few = TokenRows(rows.token_ids[: rows.row_splits[500]], rows.row_splits[:501], rows.labels[:500])
    result = fit(
        classifier.network,
        rows,
        few,
        TrainingConfig(
            epochs=2,
            batch_size=BATCH_SIZE,
            learning_rate=1e-3,
            weight_decay=0.0,
            label_smoothing=0.0,
            patience=2,
            average_decay=0.0,
            seed=1,
        ),
        create_optimizer=classifier.create_optimizer,
    )
    return result.curve[-1]["rows_per_second"]


def handed_out(rows: TokenRows) -> float:
    """Returns the rows per second that the input pipeline makes into batches where nobody learns from them."""
    began = time.perf_counter()
    count = sum(len(labels) for _, labels in rows.dataset(batch_size=BATCH_SIZE, seed=1))
    return count / (time.perf_counter() - began)


SIDES = {"notebook": {}, "ours": {}, "ours-one-thread": {"TF_NUM_INTRAOP_THREADS": "1"}}
"""Variables of each side's process. On few cores, TensorFlow's default of sharing each operation out among all of them
costs a narrow model more than it gives; operations still run beside each other."""


def read(data: Path, count: int) -> tuple[list[str], list[int]]:
    """Reads a sample of the training rows: texts and 0-based labels."""
    with (data / "train.csv").open(newline="", encoding="utf-8") as file:
        records = list(csv.reader(file))
    records = random.Random(1).sample(records, min(count, len(records)))  # noqa: S311 - no secret
    return [f"{title} {text}" for _, title, text in records], [int(label) - 1 for label, _, _ in records]


def measure(side: str, data: Path, count: int) -> dict[str, float]:
    """Trains one side in this process and returns what it was like."""
    texts, labels = read(data, count)
    if side == "notebook":
        return {"pace": notebook(texts, labels)}
    rows, tokenizing = tokenize(texts, labels)
    pace = ours(rows)
    return {"pace": pace, "batches": handed_out(rows), "tokenizing": tokenizing, "pieces": float(rows.lengths.mean())}


def main() -> None:
    """Times both in turns and prints the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.csv")
    parser.add_argument("--rows", type=int, default=12_800, help="rows to train on")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each")
    parser.add_argument("--side", choices=SIDES, help="train this side alone, here, and print its figures as JSON")
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(measure(arguments.side, arguments.data, arguments.rows)))
        return

    found: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for turn in range(arguments.rounds):
        for side, variables in SIDES.items():
            command = [sys.executable, __file__, str(arguments.data), "--rows", str(arguments.rows), "--side", side]
            done = subprocess.run(
                command, env={**os.environ, **variables}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
            )
            found[side].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"round {turn + 1}, {side}: {found[side][-1]['pace']:,.0f} rows/s", flush=True)

    def median(side: str, figure: str) -> float:
        return statistics.median(each[figure] for each in found[side])

    pieces = median("ours", "pieces")
    print(f"\n{arguments.rows:,} rows, {pieces:.1f} word pieces a row, medians of {arguments.rounds} rounds")
    reference = median("notebook", "pace")
    print(f"{'notebook':42}{reference:9,.0f} rows/s")
    for side, title in (("ours", "ours"), ("ours-one-thread", "ours, TF_NUM_INTRAOP_THREADS=1")):
        pace = median(side, "pace")
        with_tokenizing = 1 / (1 / pace + 1 / median(side, "tokenizing"))
        print(f"{title:42}{pace:9,.0f} rows/s {pace / reference:6.1f} times")
        times = with_tokenizing / reference
        print(f"{'  tokenised anew in each epoch':42}{with_tokenizing:9,.0f} rows/s {times:6.1f} times")
    batches = median("ours", "batches")
    pace = median("ours", "pace")
    print(f"{'the input pipeline by itself':42}{batches:9,.0f} rows/s {batches / pace:6.1f} times what is learnt from")


if __name__ == "__main__":
    main()
