from __future__ import annotations

import html
import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agnews.components.corpus_files.measure_texts import measure_texts
from agnews.components.corpus_files.text_key import normalize, text_key
from agnews.components.text.has_markup import has_markup
from agnews.components.text.markup import BREAK_PATTERN, ENTITY_PATTERN, TAG_PATTERN


@pytest.mark.parametrize(
    "other",
    [
        "OIL PRICES RISE, it's said",
        "  Oil prices\trise,\nit's  said ",
        "Oil prices rise, it #39;s said",
        "Oil prices rise, it&#39;s said",
        "Oil\\prices rise, it's\\said",
        "<b>Oil</b> prices rise, it's said",
        "&lt;b&gt;Oil&lt;/b&gt; prices rise, it's said",
    ],
)
def test_copies_that_differ_in_markup_case_and_space_are_the_same(other: str) -> None:
    assert normalize(other) == normalize("Oil prices rise, it's said")
    assert text_key(other) == text_key("Oil prices rise, it's said")


@pytest.mark.parametrize(
    "other", ["Oil prices rise its said", "Oil prices rose, it's said", "Oil price rise, it's said"]
)
def test_other_words_and_punctuation_make_another_text(other: str) -> None:
    assert text_key(other) != text_key("Oil prices rise, it's said")


def test_the_key_never_changes() -> None:
    # Splits depend on it: another value would move rows between train and eval of every corpus.
    assert text_key("Oil prices rise") == 15224841997798911212


PIECES = [
    "#39;",
    "&#39;",
    "amp;",
    "&amp;",
    "quot;",
    "lt;b gt;",
    "&lt;b&gt;",
    ";",
    "&",
    " ",
    "  ",
    "\n",
    "\t",
    "\\",
    "<br>",
]
MARKED = st.lists(st.sampled_from([*PIECES, "a", "S", "\u00df", "word", "word" * 10]), max_size=12).map("".join)


@given(MARKED)
@settings(max_examples=1000, deadline=None)
def test_looking_at_words_alone_finds_what_the_patterns_find_in_the_whole_text(text: str) -> None:
    decoded = re.sub(ENTITY_PATTERN, lambda entity: html.unescape(f"&{entity[1] or entity[2]};"), text)
    bare = re.sub(f"{TAG_PATTERN}|{BREAK_PATTERN}", " ", decoded)
    assert normalize(text) == " ".join(bare.casefold().split())


@given(st.lists(MARKED | st.text(), max_size=5))
@settings(max_examples=300, deadline=None)
def test_measures_are_those_of_each_text(texts: list[str]) -> None:
    measured = measure_texts(texts)
    assert measured.keys.tolist() == [text_key(text) for text in texts]
    assert measured.words.tolist() == [len(text.split()) for text in texts]
    assert measured.characters.tolist() == [len(text) for text in texts]
    assert measured.markup.tolist() == [has_markup(text) for text in texts]


def test_folding_case_makes_no_white_space_and_takes_none_away() -> None:
    # The words of the normal form are counted for those of the text.
    characters = map(chr, range(sys.maxunicode + 1))
    assert all(len(f"a{each}b".casefold().split()) == len(f"a{each}b".split()) for each in characters)
