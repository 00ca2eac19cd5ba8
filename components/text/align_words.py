"""From word pieces back to the words as somebody typed them."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from agnews.components.text import normalize as classes
from agnews.components.text.markup import BREAK_PATTERN, ENTITY_PATTERN, TAG_PATTERN
from agnews.components.text.vocabulary import CLS, SEP, UNKNOWN

# The same patterns as in the graph, in the syntax of Python's `re`.
_ENTITY, _TAG, _BREAK = re.compile(ENTITY_PATTERN), re.compile(TAG_PATTERN), re.compile(BREAK_PATTERN)


def _matcher(ranges: str) -> re.Pattern[str]:
    return re.compile("[" + re.sub(r"\\x\{([0-9a-f]+)\}", lambda code: rf"\U{int(code[1], 16):08x}", ranges) + "]")


_REMOVED, _SPACES = _matcher(classes.REMOVED), _matcher(classes.SPACES)
_IDEOGRAPHS, _PUNCTUATION, _ACCENTS = map(_matcher, (classes.IDEOGRAPHS, classes.PUNCTUATION, classes.ACCENTS))
_LOOK_AHEAD = 8


@dataclass(frozen=True)
class Word:
    """A word of a text.

    Attributes:
        text: As it stands in the text, capitals, accents and remnants of markup included.
        start: Where it begins, counted in characters (code points).
        contribution: The sum over its pieces.
    """

    text: str
    start: int
    contribution: float


@dataclass
class _Unit:
    """What BERT cuts a text into before it looks pieces up: a run of letters, a sign, or an ideograph."""

    start: int
    end: int
    spelling: str
    kind: Literal["letters", "sign", "ideograph"]
    contribution: float = 0.0


class _Character(NamedTuple):
    """A character that is read, and the stretch of the text that it stands for."""

    value: str
    start: int
    end: int


def align_words(text: str, pieces: Sequence[str], contributions: Sequence[float]) -> list[Word]:
    """Sums what word pieces contribute over the words that they were cut from.

    The model reads a text without markup, without capitals and accents, in pieces. A reader wants to see their own
    words, so the way of the text is walked again, with each character's place kept in mind.

    Words end at white space; signs at a word's edge are words of their own, those within one (`don't`, `U.S`,
    `oil-price`) belong to it, and so does a remnant such as the ` #39;` in `don #39;t`. An ideograph is a word.

    Args:
        text: As it was sent to the model.
        pieces: Word pieces that the model has read of it, continuations with `##`. [CLS] and [SEP] are passed over;
            empty pieces are padding.
        contributions: Of each piece.

    Returns:
        The words in the order of the text, without overlap. Words that were not read, since the text was too long,
        are left out.

    Example:
        >>> for word in align_words("Rallied!", ["rall", "##ied", "!"], [1.0, 2.0, 0.5]):
        ...     print(word.start, word.text, word.contribution)
        0 Rallied 3.0
        7 ! 0.5
    """
    units = _units(_cleaned(text))
    read = 0
    for spelling, contribution in _groups(pieces, contributions):
        if units:
            place = min(_find(spelling, units, read), len(units) - 1)
            units[place].contribution += contribution
            read = place + 1
    return [_join(text, run) for run in _runs(units[:read])]


def _join(text: str, run: Sequence[_Unit]) -> Word:
    start, end = run[0].start, run[-1].end
    return Word(text[start:end], start, sum(unit.contribution for unit in run))


def _runs(units: Sequence[_Unit]) -> list[list[_Unit]]:
    """Puts units together that make a word: letters, and signs that stand between letters."""
    runs: list[list[_Unit]] = []
    for place, unit in enumerate(units):
        following = units[place + 1 : place + 2]
        if unit.kind == "sign":
            # A sign belongs to a word only if letters stand on both of its sides.
            joins = bool(following) and following[0].kind == "letters" and following[0].start == unit.end
            joins = joins and bool(runs) and runs[-1][-1].kind == "letters"
        else:
            joins = unit.kind == "letters" and bool(runs) and runs[-1][0].kind == "letters"
        if joins and runs[-1][-1].end == unit.start:
            runs[-1].append(unit)
        else:
            runs.append([unit])
    return runs


def _groups(pieces: Sequence[str], contributions: Sequence[float]) -> Iterator[tuple[str, float]]:
    """Puts pieces of a unit together: its spelling, and the sum of what they contribute."""
    spelling, total = "", 0.0
    for piece, contribution in zip(pieces, contributions, strict=True):
        if spelling and len(piece) > 2 and piece.startswith("##"):
            spelling, total = spelling + piece[2:], total + float(contribution)
            continue
        if spelling:
            yield spelling, total
        spelling, total = "" if piece in ("", CLS, SEP) else piece, float(contribution)
    if spelling:
        yield spelling, total


def _find(spelling: str, units: Sequence[_Unit], start: int) -> int:
    """Finds the unit that pieces spell: the next one, unless the tokenizer's Unicode and Python's disagree."""
    if spelling != UNKNOWN:
        wanted = "".join(_fold(spelling))
        for place in range(start, min(start + _LOOK_AHEAD, len(units))):
            # The last unit that was read may have been cut off.
            if units[place].spelling.startswith(wanted):
                return place
    return start


def _fold(characters: str) -> Iterator[str]:
    """Drops case and accents, as uncased encoders do. What a cased one has read is compared the same way."""
    for part in unicodedata.normalize("NFD", characters):
        if not _ACCENTS.match(part):
            yield from part.lower()


def _units(characters: Iterable[_Character]) -> list[_Unit]:
    units: list[_Unit] = []
    may_go_on = False
    for character in characters:
        value, start, end = character
        if _SPACES.match(value):
            may_go_on = False
            continue
        letters = [] if _REMOVED.match(value) else list(_fold(value))
        if not letters and units and units[-1].end == start:
            # Not read, but to be seen with what it stands beside: an accent, the joiner inside an emoji.
            units[-1].end = end
        for letter in letters:
            if _IDEOGRAPHS.match(value):
                units.append(_Unit(start, end, letter, "ideograph"))
            elif _PUNCTUATION.match(letter):
                units.append(_Unit(start, end, letter, "sign"))
            elif may_go_on:
                units[-1].spelling += letter
                units[-1].end = end
                continue
            else:
                units.append(_Unit(start, end, letter, "letters"))
            may_go_on = units[-1].kind == "letters"
    return units


def _cleaned(text: str) -> list[_Character]:
    """Takes markup out as `clean` does."""
    characters = [_Character(value, place, place + 1) for place, value in enumerate(text)]
    if ";" in text:
        characters = _replaced(characters, _ENTITY, lambda found: html.unescape(f"&{found[1] or found[2]};"))
    if any(character.value == "<" for character in characters):
        characters = _replaced(characters, _TAG, lambda _: " ")
    return _replaced(characters, _BREAK, lambda _: " ") if "\\" in text else characters


def _replaced(
    characters: Sequence[_Character], pattern: re.Pattern[str], replace: Callable[[re.Match[str]], str]
) -> list[_Character]:
    result: list[_Character] = []
    done = 0
    for found in pattern.finditer("".join(character.value for character in characters)):
        first, behind = found.span()
        start, end = characters[first].start, characters[behind - 1].end
        result += characters[done:first]
        result += [_Character(value, start, end) for value in replace(found)]
        done = behind
    return [*result, *characters[done:]]
