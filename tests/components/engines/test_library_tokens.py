"""Tokens without TensorFlow against those of the graph and of Hugging Face: the same ids, whatever the text."""

from __future__ import annotations

import gzip
import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from agnews.components.engines.library_tokens import LibraryTokens, write_tokenizer
from agnews.components.text.clean import clean
from agnews.components.text.clean_text import clean_text
from agnews.components.text.tokenizer import Tokenizer
from agnews.components.text.vocabulary import EMBEDDED, Vocabulary, load_vocabulary

pytest.importorskip("tokenizers", reason="no extra with an engine is installed")
ODD = (b"[SEP]", b"[PAD]", b"##ing", b"<b>", b" #39;s", b"&amp;", b"\\", b"x" * 101, b"\xff")
ENDS = ("", "a", " ", "\u0301", "\u03a3", "I", "\u0130", "'", "\u1100\u1161", "\u4e00")


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return load_vocabulary(EMBEDDED)


def library(folder: Path, vocabulary: Vocabulary, *, lowercase: bool, max_length: int) -> LibraryTokens:
    write_tokenizer(str(folder), vocabulary.tokens, lowercase=lowercase, max_length=max_length)
    return LibraryTokens(str(folder))


def different(tokens: LibraryTokens, vocabulary: Vocabulary, texts: list[bytes], **settings: Any) -> list[Any]:
    """Texts that the library and the graph cut differently."""
    graph = tf.function(
        lambda rows: Tokenizer(vocabulary, **settings)(clean(rows)), input_signature=[tf.TensorSpec([None], tf.string)]
    )
    wanted = graph(tf.constant(texts)).to_list()
    ids, mask = tokens(texts)
    found = [row[: count.sum()].tolist() for row, count in zip(ids, mask, strict=True)]
    return [each for each in zip(texts, found, wanted, strict=True) if each[1] != each[2]]


@pytest.mark.parametrize("case", ["uncased", "cased"])
def test_recorded_texts_have_hugging_face_s_ids(
    repository: Path, vocabulary: Vocabulary, tmp_path: Path, case: str
) -> None:
    path = repository / "tests" / "golden" / "hugging_face_tokens.json.gz"
    recording = json.loads(gzip.decompress(path.read_bytes()))
    tokens = library(tmp_path, vocabulary, lowercase=case == "uncased", max_length=recording["max_length"])
    # The recording is of Hugging Face alone, which cleans no markup.
    rows = [row for row, text in enumerate(recording["texts"]) if clean_text(text.encode()) == text]
    ids, mask = tokens([recording["texts"][row].encode() for row in rows])
    assert len(rows) > 900
    for row, found, real in zip(rows, ids, mask, strict=True):
        assert found[real].tolist() == recording[case][row], recording["texts"][row]


@pytest.mark.integration
@pytest.mark.parametrize("lowercase", [True, False])
def test_every_character_is_cut_as_the_graph_cuts_it(vocabulary: Vocabulary, tmp_path: Path, lowercase: bool) -> None:
    chance = random.Random(5)
    characters = [chr(code) for code in range(1, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    # All of the planes that letters are in, a tenth of the others.
    tried = [each for each in characters if ord(each) < 0x3200 or 0xA000 <= ord(each) < 0xAC00 or chance.random() < 0.1]
    texts = [f"a{each}b {each} x{each}".encode() for each in tried]
    tokens = library(tmp_path, vocabulary, lowercase=lowercase, max_length=96)
    found = different(tokens, vocabulary, texts, lowercase=lowercase, max_length=96)
    assert not found, f"{len(found)}, first: {found[0]}"


@pytest.mark.parametrize("lowercase", [True, False])
def test_random_texts_are_cut_as_the_graph_cuts_them(vocabulary: Vocabulary, tmp_path: Path, lowercase: bool) -> None:
    chance = random.Random(6)
    words = [each.removeprefix("##") for each in vocabulary.tokens[1000:20000]]

    def part() -> bytes:
        kind = chance.random()
        if kind < 0.4:
            return chance.choice(words).encode()
        if kind < 0.5:
            return chance.choice(
                [b"[SEP]", b"[PAD]", b"##ing", b"<b>", b" #39;s", b"&amp;", b"\\", b"x" * 101, b"\xff"]
            )
        return (chr(chance.choice([chance.randrange(32, 0x300), chance.randrange(0x300, 0xD800)])) + " ").encode()

    texts = [b"".join(part() + chance.choice(ENDS).encode() for _ in range(chance.randint(0, 60))) for _ in range(2000)]
    tokens = library(tmp_path, vocabulary, lowercase=lowercase, max_length=40)
    found = different(tokens, vocabulary, texts, lowercase=lowercase, max_length=40)
    assert not found, f"{len(found)}, first: {found[0]}"


def test_real_rows_are_cut_as_the_graph_cuts_them(real_data: Path, vocabulary: Vocabulary, tmp_path: Path) -> None:
    texts = (real_data / "test.csv").read_bytes().splitlines()
    tokens = library(tmp_path, vocabulary, lowercase=True, max_length=96)
    assert not different(tokens, vocabulary, texts, lowercase=True, max_length=96)


def test_shapes_of_odd_batches(vocabulary: Vocabulary, tmp_path: Path) -> None:
    tokens = library(tmp_path, vocabulary, lowercase=True, max_length=2)
    empty = tokens([])
    assert (empty.token_ids.shape, empty.padding_mask.shape) == ((0, 0), (0, 0))
    ids, mask = tokens([b"", b"news and more"])
    frame = [vocabulary.cls_id, vocabulary.sep_id]
    assert ids.tolist() == [frame, frame]
    assert (ids.dtype, mask.dtype, mask.all()) == (np.int32, np.bool_, True)


def test_a_damaged_file_is_no_tokeniser(vocabulary: Vocabulary, tmp_path: Path) -> None:
    write_tokenizer(str(tmp_path), vocabulary.tokens, lowercase=True, max_length=8)
    path = tmp_path / "tokenizer.json"
    path.write_text(path.read_text()[:-100])
    with pytest.raises(ValueError, match=r"tokenizer\.json"):
        LibraryTokens(str(tmp_path))
