"""A reader's own words, with what the model made of each: nothing lost, nothing in the wrong place."""

from __future__ import annotations

import gzip
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from agnews.components.text.align_words import Word, align_words
from agnews.components.text.vocabulary import EMBEDDED, load_vocabulary


def words(text: str, pieces: str) -> list[tuple[str, float]]:
    """Aligns with contributions 1, 2, 4, ..., so that a sum tells which pieces are in it."""
    split = pieces.split()
    return [
        (word.text, word.contribution) for word in align_words(text, split, [2.0**place for place in range(len(split))])
    ]


def test_pieces_are_summed_over_words_as_they_were_typed() -> None:
    assert words("Oil  Rallied, again", "oil rall ##ied , again") == [
        ("Oil", 1.0),
        ("Rallied", 6.0),
        (",", 8.0),
        ("again", 16.0),
    ]


def test_frame_and_padding_contribute_nothing() -> None:
    found = align_words("Oil up", ["[CLS]", "oil", "up", "[SEP]", "", ""], [9.0, 1.0, 2.0, 9.0, 9.0, 9.0])

    assert found == [Word("Oil", 0, 1.0), Word("up", 4, 2.0)]


@pytest.mark.parametrize(
    ("text", "pieces", "expected"),
    [
        ("don't", "don ' t", [("don't", 7.0)]),
        ("the U.S.", "the u . s .", [("the", 1.0), ("U.S", 14.0), (".", 16.0)]),
        ('"oil-price"', '" oil - price "', [('"', 1.0), ("oil-price", 14.0), ('"', 16.0)]),
        ("(Reuters) - up", "( reuters ) - up", [("(", 1), ("Reuters", 2), (")", 4), ("-", 8), ("up", 16)]),
        ("rise--but", "rise - - but", [("rise", 1.0), ("-", 2.0), ("-", 4.0), ("but", 8.0)]),
        ("$8.6bn", "$ 8 . 6 ##bn", [("$", 1.0), ("8.6bn", 30.0)]),
    ],
)
def test_signs_belong_to_a_word_only_inside_of_it(text: str, pieces: str, expected: list[tuple[str, float]]) -> None:
    assert words(text, pieces) == expected


@pytest.mark.parametrize(
    ("text", "pieces", "expected"),
    [
        ("it #39;s", "it ' s", [("it #39;s", 7.0)]),
        ("S&amp;P fell", "s & p fell", [("S&amp;P", 7.0), ("fell", 8.0)]),
        ("a &lt;b&gt;bold&lt;/b&gt; move", "a bold move", [("a", 1.0), ("bold", 2.0), ("move", 4.0)]),
        ("rock<br>band\\plays", "rock band plays", [("rock", 1.0), ("band", 2.0), ("plays", 4.0)]),
        ("<MSFT.O>", "< ms ##ft . o >", [("<", 1.0), ("MSFT.O", 30.0), (">", 32.0)]),
        ("&#x1F600;", "[UNK]", [("&#x1F600;", 1.0)]),
    ],
)
def test_remnants_of_markup_stay_with_the_words_that_they_are_part_of(
    text: str, pieces: str, expected: list[tuple[str, float]]
) -> None:
    assert words(text, pieces) == expected


@pytest.mark.parametrize(
    ("text", "pieces", "expected"),
    [
        ("日本の経済", "日 本 の 経 済", [("日", 1.0), ("本", 2.0), ("の", 4.0), ("経", 8.0), ("済", 16.0)]),
        ("Café ÉLAN", "cafe el ##an", [("Café", 1.0), ("ÉLAN", 6.0)]),
        (unicodedata.normalize("NFD", "Café é"), "cafe e", [("Cafe\u0301", 1.0), ("e\u0301", 2.0)]),
        ("Ελλάδα", "ελλ ##αδα", [("Ελλάδα", 3.0)]),
        ("한국 경제", "[UNK] [UNK]", [("한국", 1.0), ("경제", 2.0)]),
        ("👨\u200d👩\u200d👧 won", "[UNK] won", [("👨\u200d👩\u200d👧", 1.0), ("won", 2.0)]),
        ("❤\ufe0f, ⚽goal", "[UNK] , [UNK]", [("❤\ufe0f", 1.0), (",", 2.0), ("⚽goal", 4.0)]),
        ("מזל טוב", "[UNK] [UNK]", [("מזל", 1.0), ("טוב", 2.0)]),
    ],
)
def test_any_script_is_marked_where_it_stands(text: str, pieces: str, expected: list[tuple[str, float]]) -> None:
    assert words(text, pieces) == expected


def test_unknown_words_do_not_shift_what_follows() -> None:
    assert words("qqq ⚽⚽ shares", "[UNK] [UNK] shares") == [("qqq", 1.0), ("⚽⚽", 2.0), ("shares", 4.0)]


def test_pieces_that_the_text_lacks_cost_no_later_word_its_place() -> None:
    assert words("oil shares rally", "oil shares rally oops")[-1] == ("rally", 12.0)
    assert words("odd oil rally", "oil rally") == [("odd", 0.0), ("oil", 1.0), ("rally", 2.0)]


def test_words_that_were_cut_off_are_left_out() -> None:
    assert words("markets rallied on", "markets rall") == [("markets", 1.0), ("rallied", 2.0)]


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b", "<b></b>", "\\"])
def test_a_text_without_words_has_none(text: str) -> None:
    assert align_words(text, ["[CLS]", "[SEP]"], [0.5, 0.5]) == []
    assert align_words(text, [], []) == []


def test_contributions_for_other_pieces_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        align_words("oil", ["oil"], [1.0, 2.0])


def test_recorded_tokens_of_hugging_face_find_their_words(repository: Path) -> None:
    recording: dict[str, Any] = json.loads(
        gzip.decompress((repository / "tests" / "golden" / "hugging_face_tokens.json.gz").read_bytes())
    )
    tokens = load_vocabulary(EMBEDDED).tokens
    for text, ids in zip(recording["texts"], recording["uncased"], strict=True):
        if any(sign in text for sign in ("&", ";", "<", "\\")):
            continue  # Hugging Face's tokens are those of texts that were not cleaned.
        pieces = [tokens[each] for each in ids]
        found = align_words(text, pieces, [1.0] * len(pieces))

        assert sum(word.contribution for word in found) == len(pieces) - 2, text
        end = 0
        for word in found:
            assert word.start >= end
            end = word.start + len(word.text)
            assert text[word.start : end] == word.text
        # Letter by letter what was read, in the order in which it was read.
        spelled = "".join(piece.removeprefix("##") for piece in pieces[1:-1])
        if "[UNK]" not in pieces:
            assert _letters("".join(word.text for word in found)).startswith(_letters(spelled)), text


def _letters(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text).lower()
    return "".join(each for each in decomposed if unicodedata.category(each)[0] not in "MCZ")
