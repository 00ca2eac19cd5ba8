"""An epoch on a frozen encoder: features that are kept, against running the encoder in every epoch as a notebook does.

Both train on the same rows with the same encoder and batches of 128. The notebook's way sends each batch, padded to 128
word pieces, through the encoder; it is timed on a part of the rows and scaled up, since its cost is proportional to
them. Ours is timed on as many rows of features as there are in the whole, with the head of `--model bert_frozen`; what
the features cost once is told too. The two take turns.

    python benchmarks/frozen_epochs.py DATA
    python benchmarks/frozen_epochs.py DATA --encoder FOLDER
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tensorflow_hub as hub
import tf_keras as keras

from agnews.components.encoders.resolve_encoder import Encoder, resolve_encoder
from agnews.components.modeling.bert_classifier import ClassifierHead
from agnews.components.modeling.pooled_encoder import PooledEncoder
from agnews.components.optimization.adamw import create_adamw
from agnews.components.text.clean import clean
from agnews.components.text.tokenizer import Tokenizer
from agnews.components.text.vocabulary import load_vocabulary
from agnews.components.training.extract_features import extract_features
from agnews.components.training.fit import fit
from agnews.components.training.token_rows import FeatureRows, TokenRows
from agnews.schemas.learning_config import TrainingConfig

BATCH_SIZE = 128
NOTEBOOK_LENGTH = 128


def tokenize(texts: list[str], labels: list[int], encoder: Encoder) -> TokenRows:
    """Makes word pieces as Transform does, shortest rows first as the Trainer has them."""
    tokenizer = Tokenizer(
        load_vocabulary(str(encoder.vocabulary_file)), lowercase=encoder.do_lower_case, max_length=NOTEBOOK_LENGTH
    )
    ragged = tokenizer(clean(tf.constant(texts)))
    order = tf.argsort(ragged.row_lengths(), stable=True)
    ragged = tf.gather(ragged, order)
    return TokenRows(ragged.values.numpy().astype(np.int32), ragged.row_splits.numpy(), np.array(labels)[order.numpy()])


class Notebook:
    """The notebook's model: encoder, `pooled_output`, dropout, four classes."""

    def __init__(self, rows: TokenRows, encoder: Encoder) -> None:
        ids = tf.RaggedTensor.from_row_splits(rows.token_ids, rows.row_splits).to_tensor(shape=(None, NOTEBOOK_LENGTH))
        words = {
            "input_word_ids": ids,
            "input_mask": tf.cast(ids != 0, tf.int32),
            "input_type_ids": tf.zeros_like(ids),
        }
        inputs = {name: keras.Input((NOTEBOOK_LENGTH,), dtype=tf.int32, name=name) for name in words}
        pooled = hub.KerasLayer(str(encoder.folder), trainable=False)(inputs)["pooled_output"]
        outputs = keras.layers.Dense(4, activation="softmax")(keras.layers.Dropout(0.1)(pooled))
        self.model = keras.Model(inputs, outputs)
        self.model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        self.rows = tf.data.Dataset.from_tensor_slices((words, rows.labels)).batch(BATCH_SIZE)
        self.model.fit(self.rows.take(1), verbose=0)

    def epoch(self) -> float:
        """Trains an epoch and returns its seconds."""
        began = time.perf_counter()
        self.model.fit(self.rows, verbose=0)
        return time.perf_counter() - began


def ours(features: FeatureRows) -> float:
    """Trains the head and returns the seconds of an epoch after the first."""
    head = ClassifierHead(num_classes=4, head_dim=512, dropout=0.4)
    head(features.features[:1])
    few = FeatureRows(features.features[:500], features.labels[:500])
    result = fit(
        head,
        features,
        few,
        TrainingConfig(epochs=4, batch_size=BATCH_SIZE, learning_rate=2e-3, patience=4, seed=1),
        create_optimizer=partial(create_adamw, weight_decays={}),
    )
    return statistics.median(epoch["seconds"] for epoch in result.curve[1:])


def main() -> None:
    """Times both in turns and prints the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.csv")
    parser.add_argument("--encoder", default="minilm", help="as in `--set model.encoder=...`")
    parser.add_argument("--part", type=int, default=512, help="rows that the notebook's way is timed on")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each")
    arguments = parser.parse_args()

    with (arguments.data / "train.csv").open(newline="", encoding="utf-8") as file:
        records = list(csv.reader(file))
    total = len(records)
    step = max(1, total // arguments.part)
    records = records[::step][: arguments.part]
    encoder = resolve_encoder(arguments.encoder)
    rows = tokenize([f"{title} {text}" for _, title, text in records], [int(row[0]) - 1 for row in records], encoder)
    notebook = Notebook(rows, encoder)
    backbone = PooledEncoder(str(encoder.folder), pooling="mean", trainable=False)

    with tempfile.TemporaryDirectory() as folder:
        extract_features(backbone, rows, backbone_digest="warm-up", cache_uri=folder)
        began = time.perf_counter()
        features = extract_features(backbone, rows, backbone_digest="timed", cache_uri=folder)
        once = (time.perf_counter() - began) * total / len(rows)
    copies = -(-total // len(rows))
    whole = FeatureRows(np.tile(features.features, (copies, 1))[:total], np.tile(features.labels, copies)[:total])

    found: dict[str, list[float]] = {"notebook": [], "ours": []}
    for turn in range(arguments.rounds):
        found["notebook"].append(notebook.epoch() * total / len(rows))
        found["ours"].append(ours(whole))
        print(f"round {turn + 1}: notebook {found['notebook'][-1]:,.0f} s, ours {found['ours'][-1]:.2f} s", flush=True)
    notebook_epoch, our_epoch = (statistics.median(found[side]) for side in ("notebook", "ours"))
    print(f"\n{total:,} rows, encoder {arguments.encoder}, medians of {arguments.rounds} rounds")
    print(f"notebook, each epoch              {notebook_epoch:10,.1f} s")
    print(f"ours, features, once              {once:10,.1f} s {notebook_epoch / once:8,.1f} times as fast")
    print(f"ours, each epoch after the first  {our_epoch:10,.2f} s {notebook_epoch / our_epoch:8,.0f} times as fast")


if __name__ == "__main__":
    main()
