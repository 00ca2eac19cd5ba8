"""Rows a second from raw text to packed token ids, beside TensorFlow Text's BertTokenizer on the same rows.

Both run in a graph on all cores that TensorFlow takes, in batches of 1,000 rows, in turns. BertTokenizer is given the
cleaned texts for nothing; ours cleans them within its time. The tokens are compared, too: the two differ where a text
holds a `…`, which BertTokenizer takes for three full stops and Hugging Face, like ours, for one token.

    python benchmarks/tokenizer.py ../shared/data/agnews
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from agnews.components.text.clean import clean
from agnews.components.text.tokenizer import Tokenizer
from agnews.components.text.vocabulary import EMBEDDED, load_vocabulary

BATCH = 1000
MAX_LENGTH = 128
ROUNDS = 3

Tokenize = Callable[[tf.Tensor], tf.RaggedTensor]


def read(folder: Path) -> list[str]:
    """Returns title and description of each row of train.csv and test.csv, as NewsExampleGen joins them."""
    texts = []
    for name in ("train.csv", "test.csv"):
        with (folder / name).open(newline="", encoding="utf-8") as file:
            texts += [" ".join(row[1:]) for row in csv.reader(file)]
    return texts


def reference() -> Tokenize:
    """Builds TensorFlow Text's BertTokenizer, packed and cut off as ours."""
    vocabulary = load_vocabulary(EMBEDDED)
    ids = np.arange(len(vocabulary), dtype=np.int64)
    initializer = tf.lookup.KeyValueTensorInitializer(list(vocabulary.tokens), ids)
    tokenizer = tf_text.BertTokenizer(tf.lookup.StaticVocabularyTable(initializer, 1), lower_case=True)

    def tokenize(texts: tf.Tensor) -> tf.RaggedTensor:
        pieces = tokenizer.tokenize(texts).merge_dims(-2, -1)[:, : MAX_LENGTH - 2]
        edge = tf.ones([tf.size(texts), 1], tf.int64)
        return tf.concat([edge * vocabulary.cls_id, pieces, edge * vocabulary.sep_id], axis=1)

    return tokenize


def seconds(tokenize: Tokenize, batches: Sequence[tf.Tensor]) -> float:
    """Returns how long all batches take."""
    start = time.perf_counter()
    for batch in batches:
        tokenize(batch)
    return time.perf_counter() - start


def main() -> None:
    """Measures both, prints rows a second, their ratio, and on how many rows the tokens agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.csv and test.csv")
    texts = read(parser.parse_args().data)
    raw = [tf.constant(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
    cleaned = [clean(batch) for batch in raw]

    tokenizer = Tokenizer(load_vocabulary(EMBEDDED), lowercase=True, max_length=MAX_LENGTH)
    signature = [tf.TensorSpec([None], tf.string)]
    ours = tf.function(lambda batch: tokenizer(clean(batch)), input_signature=signature)
    theirs = tf.function(reference(), input_signature=signature)
    same = sum(
        np.array_equal(a, b)
        for batch, clean_batch in zip(raw, cleaned, strict=True)
        for a, b in zip(ours(batch).to_list(), theirs(clean_batch).to_list(), strict=True)
    )
    ours_seconds, theirs_seconds = [], []
    for _ in range(ROUNDS):
        ours_seconds.append(seconds(ours, raw))
        theirs_seconds.append(seconds(theirs, cleaned))
    fast, slow = (len(texts) / statistics.median(times) for times in (ours_seconds, theirs_seconds))
    print(f"{len(texts):,} rows, batches of {BATCH:,}, median of {ROUNDS} rounds")
    print(f"ours, with cleaning:            {fast:10,.0f} rows/s")
    print(f"BertTokenizer, already cleaned: {slow:10,.0f} rows/s")
    print(f"ratio {fast / slow:.1f}; the same tokens on {same:,} of {len(texts):,} rows")


if __name__ == "__main__":
    main()
