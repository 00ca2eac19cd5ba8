"""Rows per second in training: the notebook's Keras code against ours, the same architecture on the same rows.

Both train the notebook's transformer: width 32, one block with 2 heads of width 32, feed-forward 32, dropout 0.1, head
20, batches of 128. The notebook's code splits texts in each epoch and pads every one of them to 256; ours reads word
pieces, which Transform has made once, so a second figure charges that work to every epoch. Both are timed once
TensorFlow has traced them, in turns, so that a busy machine is busy for both.

    python benchmarks/train_throughput.py ../shared/data/agnews
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import statistics
import time
from collections.abc import Callable
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

BATCH_SIZE = 128
MAX_LENGTH = 128
layers = keras.layers


class TransformerBlock(layers.Layer):
    """The block as lessons write it."""

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


def notebook(texts: list[str], labels: list[int]) -> Callable[[], float]:
    """Builds and warms up the notebook's model; the result trains an epoch and returns its rows per second."""
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
    print(f"notebook: {model.count_params():,} parameters")
    model.fit(rows.take(3), verbose=0)

    def epoch() -> float:
        began = time.perf_counter()
        model.fit(rows, verbose=0)
        return len(texts) / (time.perf_counter() - began)

    return epoch


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


def ours(rows: TokenRows) -> Callable[[], float]:
    """Returns a function that trains our model and returns the rows per second of its second epoch."""

    def epoch() -> float:
        classifier = build_model(
            {
                "hidden_dim": 32,
                "num_heads": 2,
                "key_dim": 32,
                "num_layers": 1,
                "intermediate_dim": 32,
                "dropout": 0.1,
                "word_dropout": 0.0,
                "position_embedding": True,
                "convolution_width": 0,
                "max_pooling": False,
                "bigram_buckets": 0,
                "head_dim": 20,
            },
            token_counts=rows.token_counts(len(load_vocabulary("minilm"))),
            unknown_id=100,
            special_ids=(0, 101, 102),
            max_length=MAX_LENGTH,
            num_classes=4,
        )
        result = fit(
            classifier.network,
            rows,
            rows.__class__(rows.token_ids[: rows.row_splits[500]], rows.row_splits[:501], rows.labels[:500]),
            epochs=2,
            batch_size=BATCH_SIZE,
            learning_rate=1e-3,
            warmup_share=0.1,
            weight_decay=0.01,
            weight_decays=classifier.weight_decays,
            label_smoothing=0.1,
            clip_norm=1.0,
            patience=2,
            average_decay=0.0,
            seed=1,
        )
        return result.curve[-1]["rows_per_second"]

    return epoch


def main() -> None:
    """Times both in turns and prints the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.csv")
    parser.add_argument("--rows", type=int, default=12_800, help="rows to train on")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each")
    arguments = parser.parse_args()
    with (arguments.data / "train.csv").open(newline="", encoding="utf-8") as file:
        records = list(csv.reader(file))
    records = random.Random(1).sample(records, min(arguments.rows, len(records)))  # noqa: S311 - no secret
    texts = [f"{title} {description}" for _, title, description in records]
    labels = [int(label) - 1 for label, _, _ in records]

    rows, tokenizing = tokenize(texts, labels)
    paces: dict[str, list[float]] = {"notebook": [], "ours": []}
    epochs = {"notebook": notebook(texts, labels), "ours": ours(rows)}
    for turn in range(arguments.rounds):
        for name, epoch in epochs.items():
            paces[name].append(epoch())
            print(f"round {turn + 1}, {name}: {paces[name][-1]:,.0f} rows/s")
    reference, pace = (statistics.median(paces[name]) for name in ("notebook", "ours"))
    with_tokenizing = 1 / (1 / pace + 1 / tokenizing)
    print(f"\n{len(texts):,} rows, {rows.lengths.mean():.1f} word pieces a row, median of {arguments.rounds} rounds")
    print(f"notebook                               {reference:9,.0f} rows/s")
    print(f"ours                                   {pace:9,.0f} rows/s   {pace / reference:5.1f} times")
    print(
        f"ours, tokenising charged to each epoch {with_tokenizing:9,.0f} rows/s   "
        f"{with_tokenizing / reference:5.1f} times (goal: 10)"
    )


if __name__ == "__main__":
    main()
