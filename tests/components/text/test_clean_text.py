"""Cleaning outside the graph against cleaning inside it: the same text, whatever the text."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest
import tensorflow as tf

from agnews.components.text.clean import clean
from agnews.components.text.clean_text import clean_text

PARTS = (
    *"ab<>&;#\\ \t\n'",
    *("&amp;", " #39;", "&#146;", "&#x27;", "&#xD800;", "&#0;", "&#31;", "&#1114112;", "amp;amp;lt;", " quot;"),
    *("<b>", "</a href='x'>", "<\u017fpan>", "<MSFT.O>", "< br>", "<br/>", "&euro;", "&Aacute;", "#25;", "&nosuch;"),
    *("\x1e", "\x1f", "\x00", "\u00e9", "\u2122", "\ufb01", "\U0001f680", "\ufffd", "\u2028"),
)
BROKEN = (b"\xff", b"\xe2\x82", b"\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc0\xaf")


def in_graph(texts: list[bytes]) -> list[str]:
    found = clean(tf.constant(texts)).numpy().tolist()
    return [_without_broken(each.decode("utf-8", "replace")) for each in found]


def _without_broken(text: str) -> str:
    """How many of them stand for broken bytes is nobody's business: no token holds one."""
    return text.replace("\ufffd", "")


def outside(texts: list[bytes]) -> list[str]:
    return [_without_broken(clean_text(each)) for each in texts]


def test_recorded_texts(repository: Path) -> None:
    path = repository / "tests" / "golden" / "hugging_face_tokens.json.gz"
    texts = [each.encode() for each in json.loads(gzip.decompress(path.read_bytes()))["texts"]]
    assert outside(texts) == in_graph(texts)


@pytest.mark.parametrize("seed", range(3))
def test_random_heaps_of_markup(seed: int) -> None:
    chance = random.Random(seed)
    texts = ["".join(chance.choices(PARTS, k=chance.randint(0, 12))).encode() for _ in range(3000)]
    different = [
        (text, ours, theirs)
        for text, ours, theirs in zip(texts, outside(texts), in_graph(texts), strict=True)
        if ours != theirs
    ]
    assert not different, f"{len(different)}, first: {different[0]}"


def test_bytes_that_are_no_utf8() -> None:
    chance = random.Random(4)
    parts = [*BROKEN, *(each.encode() for each in PARTS)]
    texts = [b"".join(chance.choices(parts, k=chance.randint(1, 10))) for _ in range(3000)]
    different = [
        (text, ours, theirs)
        for text, ours, theirs in zip(texts, outside(texts), in_graph(texts), strict=True)
        if ours != theirs
    ]
    assert not different, f"{len(different)}, first: {different[0]}"
