# Odd characters are what this file is about.
# ruff: noqa: RUF001

from __future__ import annotations

import csv
import html
import random
import re
from html.entities import name2codepoint
from pathlib import Path

import pytest
import tensorflow as tf

from agnews.components.text.clean import clean
from agnews.components.text.markup import MARKUP_PATTERN

# As they stand in news feeds, and what their writers meant.
TABLE = [
    # An entity that lost its `&`; the space in its place goes with it.
    ("it #39;s", "it's"),
    ("said  #39;no #39; twice", "said 'no' twice"),
    (" quot;Jaws quot; and quot;", '"Jaws" and"'),
    ("#39;Tis", "'Tis"),
    ("S amp;P", "S&P"),
    ("AT #38;T", "AT&T"),
    ("US #36;5", "US$5"),
    ("r eacute;sum eacute;", "résumé"),
    ("end hellip;. and", "end…. and"),
    ("a #151; b", "a— b"),
    ("a #x2014; b", "a— b"),
    ("is nbsp;so", "is\xa0so"),
    ("Corp.  lt;7269.T gt; said", "Corp. <7269.T> said"),
    # Whole entities, once or often escaped.
    ("&quot;a&quot; &amp; &#39;b&#39;", "\"a\" & 'b'"),
    ("&amp;amp;", "&"),
    ("West  amp;amp;amp; South", "West & South"),
    ("women amp;apos;s", "women's"),
    ("&amp;#39;", "'"),
    ("&eacute;&Eacute;", "éÉ"),
    ("&#146;&#147;&#148;", "’“”"),
    ("&#x1F600;&#128512;", "😀😀"),
    ("&#1114112;&#9999999;", "��"),
    # Tags, escaped or not, with what is in them; text between them stays.
    ("a &lt;b&gt;c&lt;/b&gt; d", "a  c  d"),
    ("a <b>c</b> d", "a  c  d"),
    ("x&lt;br/&gt;y<BR>z", "x y z"),
    ('&lt;A HREF="http://x.com/q?t=MSFT.O&amp;u" target=/s&gt;MSFT.O&lt;/A&gt;.', " MSFT.O ."),
    ('<font face="verdana" size="-2"\\ color="#66">news', " news"),
    ("lt;b gt;bold lt;/b gt;", " bold "),
    # Line breaks, and escapes of signs.
    ("dwindling\\band of", "dwindling band of"),
    ("at \\$8.6 \\\\ more", "at  $8.6   more"),
    ("\\", " "),
]

# Words and signs that must not be taken for markup.
UNTOUCHED = [
    "",
    " ",
    "No markup (Reuters) - at all; really.",
    "Microsoft Corp. <MSFT.O>, Agilent <A.N> and Sprint <S.N>",
    "3 < 5 and 7 > 6; a<b",
    "ranked #25; lost",
    "We're #1; you're not",
    "the sum; this part; The Times; in all",
    "AT&T; R&D",
    "&unknown; &;",
    "a#39;b",
    "#;",
    "champ; camp; Gilt;",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 é ü 日本; 😀",
    "nul\x00 tab\t line\n end",
    "\x1f\x1e\x1f",
]


def cleaned(*texts: str) -> list[str]:
    return [text.decode() for text in clean(tf.constant([text.encode() for text in texts])).numpy()]


@pytest.mark.parametrize(("text", "wanted"), TABLE)
def test_remnants(text: str, wanted: str) -> None:
    assert cleaned(text) == [wanted]


def test_a_batch_is_cleaned_row_by_row() -> None:
    texts = [text for pair in zip(*TABLE, strict=True) for text in pair][: len(TABLE)] + UNTOUCHED
    assert cleaned(*texts) == [cleaned(text)[0] for text in texts]


def test_what_is_no_markup_stays_byte_for_byte() -> None:
    assert cleaned(*UNTOUCHED) == UNTOUCHED


def test_empty_batch() -> None:
    assert clean(tf.constant([], tf.string)).shape == [0]


def test_every_entity_of_html_4_is_decoded_as_python_does() -> None:
    texts = [f"a&{name};b" for name in name2codepoint] + [f"a&#{code};b" for code in range(32, 700)]
    texts += [f"a&#x{code:x};b" for code in (0x20, 0x80, 0x9F, 0x2014, 0x1F600, 0x10FFFF)]
    # Tags that the decoding itself would make are not in question here, nor are controls that browsers drop.
    texts = [text for text in texts if len(html.unescape(text)) == 3]
    assert cleaned(*texts) == [" ".join(html.unescape(text).split("\\")) for text in texts]


def random_texts(count: int) -> list[str]:
    draw = random.Random(5)
    parts = [
        "news",
        " ",
        ";",
        "&",
        "#",
        "39",
        "amp",
        "quot",
        "lt",
        "gt",
        "<",
        ">",
        "/",
        "b",
        "font",
        "a",
        "\\",
        "x2014",
    ]
    parts += ["x2014", "&amp;", " #39;", "&lt;", "&gt;", " quot;", "é", "日", "\x00", "\x1f", "\n", "K", "ſ"]
    return ["".join(draw.choices(parts, k=draw.randint(0, 12))) for _ in range(count)]


def test_the_pattern_tells_in_python_what_cleaning_changes_in_the_graph() -> None:
    texts = random_texts(5000)
    found = [re.search(MARKUP_PATTERN, text) is not None for text in texts]
    changed = [before != after for before, after in zip(texts, cleaned(*texts), strict=True)]
    assert found == changed
    assert 1000 < sum(found) < 4500


def test_control_characters_of_the_text_do_not_pass_for_ours() -> None:
    assert cleaned("\x1f\x1e#39\x1f it #39;s \x1elt\x1f") == ["#39 it's lt"]


def test_real_rows_keep_no_remnant(real_data: Path) -> None:
    with (real_data / "test.csv").open(newline="", encoding="utf-8") as file:
        rows = [" ".join(row[1:]) for row in csv.reader(file)]
    after = cleaned(*rows)
    assert 0.35 < sum(a != b for a, b in zip(rows, after, strict=True)) / len(rows) < 0.45
    left = re.compile(r"\\|#\d+;|\b(?:quot|amp|nbsp|lt|gt);|</?(?:b|a|p|i|font|br|strong|em)\b")
    assert not [text for text in after if left.search(text)]
    # Nothing but markup goes: the words around it are still there.
    assert sum(len(text.split()) for text in after) > 0.97 * sum(len(text.split()) for text in rows)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"caf\xe9 &lt;b&gt;it #39;s&lt;/b&gt;", "caf\ufffd  it's "),
        (b'<a href="\xff">x</a>\n\xc3', " x \n\ufffd"),
        (b"\xe9 alone", b"\xe9 alone"),
    ],
)
def test_a_byte_that_is_no_utf_8_does_not_keep_markup_in_its_text(text: bytes, expected: str | bytes) -> None:
    (cleaned, other) = clean(tf.constant([text, "it #39;s"])).numpy()
    assert cleaned == (expected if isinstance(expected, bytes) else expected.encode())
    assert other == b"it's"
