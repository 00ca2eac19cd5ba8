"""Token ids against a recorded Hugging Face run, and on what only a server meets."""

from __future__ import annotations

import csv
import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text as tf_text

from agnews.components.text.clean import clean
from agnews.components.text.tokenizer import Tokenizer
from agnews.components.text.vocabulary import EMBEDDED, Vocabulary, load_vocabulary

TOY = Vocabulary("toy", ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##happy", "happy", "news", "Happy", ".", "é"))


@pytest.fixture(scope="module")
def recording(repository: Path) -> dict[str, Any]:
    path = repository / "tests" / "golden" / "hugging_face_tokens.json.gz"
    document: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return document


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return load_vocabulary(EMBEDDED)


def test_the_recording_is_of_our_vocabulary(recording: dict[str, Any], vocabulary: Vocabulary) -> None:
    assert recording["vocabulary_sha256"] == vocabulary.digest
    assert len(set(recording["texts"])) == 1000
    assert "" in recording["texts"]


@pytest.mark.parametrize("case", ["uncased", "cased"])
def test_ids_equal_hugging_face_on_every_recorded_text(
    recording: dict[str, Any], vocabulary: Vocabulary, case: str
) -> None:
    tokenizer = Tokenizer(vocabulary, lowercase=case == "uncased", max_length=recording["max_length"])
    ids = tf.function(tokenizer)(tf.constant([text.encode() for text in recording["texts"]])).to_list()
    different = [
        (text, ours, theirs)
        for text, ours, theirs in zip(recording["texts"], ids, recording[case], strict=True)
        if ours != theirs
    ]
    assert not different, f"{len(different)} of 1000, first: {different[0]}"


def test_each_text_has_its_ids_whatever_else_is_in_the_batch(recording: dict[str, Any], vocabulary: Vocabulary) -> None:
    tokenizer = tf.function(Tokenizer(vocabulary, lowercase=True, max_length=128), reduce_retracing=True)
    for text, ids in itertools.islice(zip(recording["texts"], recording["uncased"], strict=True), 0, None, 25):
        assert tokenizer(tf.constant([text.encode()])).to_list() == [ids]


def test_toy_vocabulary() -> None:
    tokenizer = Tokenizer(TOY, lowercase=True, max_length=6)
    ids = tokenizer(tf.constant(["Unhappy news.", "news news news news news", "", "bad news", "\u00c9"])).to_list()
    # The accent of É goes, and `e` is no token.
    assert ids == [[2, 4, 5, 7, 9, 3], [2, 7, 7, 7, 7, 3], [2, 3], [2, 1, 7, 3], [2, 1, 3]]


def test_cased_keeps_case_and_accents() -> None:
    tokenizer = Tokenizer(TOY, lowercase=False, max_length=6)
    assert tokenizer(tf.constant(["Happy happy é"])).to_list() == [[2, 8, 6, 10, 3]]


def test_empty_batch() -> None:
    ids = Tokenizer(TOY, lowercase=True, max_length=6)(tf.constant([], tf.string))
    assert ids.nrows() == 0
    assert ids.dtype == tf.int64


@pytest.mark.parametrize("broken", [b"news \xff", b"\xe2\x82 news", b"\xed\xa0\x80 news", b"news\xc3"])
def test_bytes_that_are_no_utf8_do_not_fail_a_request(broken: bytes) -> None:
    tokenizer = Tokenizer(TOY, lowercase=True, max_length=6)
    assert tokenizer(tf.constant([broken, b"happy"])).to_list() == [[2, 7, 3], [2, 6, 3]]


def test_a_text_of_a_megabyte_is_cut_off() -> None:
    ids = Tokenizer(TOY, lowercase=True, max_length=128)(tf.constant(["news " * 200_000, "x" * 1_000_000])).to_list()
    assert ids == [[2, *[7] * 126, 3], [2, 1, 3]]


def test_names_of_special_tokens_are_words() -> None:
    ids = Tokenizer(TOY, lowercase=False, max_length=16)(tf.constant(["[SEP]news[PAD]"])).to_list()
    assert ids[0].count(3) == 1
    assert 0 not in ids[0]


def test_real_rows_equal_bert_tokenizer(real_data: Path, vocabulary: Vocabulary) -> None:
    """TensorFlow Text's older, slower tokenizer is another implementation of the same tokens."""
    with (real_data / "test.csv").open(newline="", encoding="utf-8") as file:
        rows = [f"{title} {description}" for _, title, description in itertools.islice(csv.reader(file), 1000)]
    texts = clean(tf.constant(rows))
    ours = Tokenizer(vocabulary, lowercase=True, max_length=128)(texts)
    table = tf.lookup.StaticVocabularyTable(
        tf.lookup.KeyValueTensorInitializer(list(vocabulary.tokens), np.arange(len(vocabulary), dtype=np.int64)), 1
    )
    reference = tf_text.BertTokenizer(table, lower_case=True).tokenize(texts).merge_dims(-2, -1)[:, :126]
    assert ours[:, 1:-1].to_list() == reference.to_list()
