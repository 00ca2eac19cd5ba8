"""The bundled sample: news that never happened, made by a grammar, the same bytes on every machine.

It exists for a first run and for tests. It is built so that a good model reaches about nine rows in ten: some stories
fit two classes, some say nothing about theirs, and some labels are wrong.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from agnews.schemas.corpus import Corpus
from agnews.schemas.errors import AgnewsError

SAMPLE = "sample"
"""What the configuration's key `data.source` says for it."""

TRAIN_ROWS, TEST_ROWS = 3_200, 800

_SEED = 20_260_101
_BETWEEN_SHARE = 0.14
_BETWEEN_SECOND_SHARE = 0.3
_VAGUE_SHARE = 0.04
_WRONG_LABEL_SHARE = 0.012
_TAIL_SHARE = 0.7
_MARKUP_SHARE = 0.45
_REPEATED_IN_TRAIN, _REPEATED_IN_TEST = 6, 4

_SMALL_WORDS = frozenset(
    [
        *("a", "an", "and", "as", "at", "by", "for", "from", "in", "mln", "of", "off"),
        *("on", "or", "over", "pct", "per", "the", "to", "with"),
    ]
)
_ORDINALS = (("twoth", "second"), ("threeth", "third"), ("fiveth", "fifth"), ("nineth", "ninth"))
_SLOT = re.compile(r"\{([A-Za-z]+)(\d?)\}")
_Item = TypeVar("_Item")


def write_sample(folder: str | Path, corpus: Corpus) -> None:
    """Writes the sample in the files and the format of a corpus.

    Args:
        folder: Where to; it is made if it is missing. Files of the same names are replaced.
        corpus: Names of files and classes.

    Raises:
        AgnewsError: The corpus is not AG News, or one with its classes and columns: the sample knows no other stories.
    """
    if corpus.class_names != tuple(_content()["classes"]) or corpus.columns != ("class", "title", "description"):
        raise AgnewsError(
            "The sample has no stories for the classes of this corpus.",
            found=f"{corpus.name}: {', '.join(corpus.class_names)}",
            fix="Name a folder with --data DIR.",
        )
    # Python documents that random() of an integer seed never changes; choice() and shuffle() have changed.
    draw = random.Random(_SEED)  # noqa: S311 - not for secrets
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    train = [_row(draw) for _ in range(TRAIN_ROWS - _REPEATED_IN_TRAIN - _REPEATED_IN_TEST)]
    test = [_row(draw) for _ in range(TEST_ROWS)]
    repeated = [_pick(draw, train) for _ in range(_REPEATED_IN_TRAIN)] + [
        _pick(draw, test) for _ in range(_REPEATED_IN_TEST)
    ]
    for row in repeated:
        train.insert(int(draw.random() * len(train)), row)
    for name, rows in ((corpus.train_file, train), (corpus.test_name, test)):
        lines = (_csv_line(corpus.classes[label].value, title, text) for label, title, text in rows)
        (target / name).write_bytes("".join(lines).encode())


@dataclass(frozen=True)
class _Story:
    """Headlines and first sentences that belong together."""

    headlines: list[str]
    leads: list[str]


@dataclass(frozen=True)
class _Grammar:
    """The content of sample_news.yaml, classes in the order of the corpus."""

    pools: dict[str, list[str]]
    classes: list[list[_Story]]
    between: list[tuple[tuple[int, int], list[_Story]]]
    vague: _Story
    tails: list[str]


@cache
def _content() -> dict[str, Any]:
    content: dict[str, Any] = yaml.load(
        Path(__file__).with_name("sample_news.yaml").read_bytes(),
        Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader),  # noqa: S506 - both are safe, one is fast
    )
    return content


@cache
def _grammar() -> _Grammar:
    content = _content()
    names = tuple(content["classes"])
    return _Grammar(
        pools=content["pools"],
        classes=[[_Story(**story) for story in content["classes"][name]] for name in names],
        between=[
            ((names.index(pair["classes"][0]), names.index(pair["classes"][1])), [_Story(**s) for s in pair["stories"]])
            for pair in content["between"]
        ],
        vague=_Story(**content["vague"]),
        tails=content["tails"],
    )


def _row(draw: random.Random) -> tuple[int, str, str]:
    """Makes one row: 0-based class, title, description."""
    grammar = _grammar()
    label = int(draw.random() * len(grammar.classes))
    story = _pick(draw, grammar.classes[label])
    kind = draw.random()
    if kind < _VAGUE_SHARE:
        story = grammar.vague
    elif kind < _VAGUE_SHARE + _BETWEEN_SHARE:
        pair, stories = _pick(draw, grammar.between)
        story = _pick(draw, stories)
        label = pair[draw.random() < _BETWEEN_SECOND_SHARE]
    if draw.random() < _WRONG_LABEL_SHARE:
        label = int(draw.random() * len(grammar.classes))
    return label, *_dress(draw, *_tell(draw, story))


def _tell(draw: random.Random, story: _Story) -> tuple[str, str]:
    bound: dict[str, str] = {}
    title = _capitalise(_fill(draw, _pick(draw, story.headlines), bound))
    sentences = [_fill(draw, _pick(draw, story.leads), bound)]
    if draw.random() < _TAIL_SHARE:
        sentences.append(_fill(draw, _pick(draw, _grammar().tails), bound))
    return title, " ".join(sentences)


def _fill(draw: random.Random, template: str, bound: dict[str, str]) -> str:
    """Fills the slots of a template; what a slot got stays in `bound` for the rest of the story."""

    def word(slot: re.Match[str]) -> str:
        pool, number = slot[1].lower(), slot[2]
        key = pool + number
        while key not in bound:
            candidate = _pick(draw, _grammar().pools[pool])
            if candidate not in bound.values():
                bound[key] = candidate
        value = bound[key]
        return value[0].upper() + value[1:] if slot[1][0].isupper() else value

    text = _SLOT.sub(word, template)
    for wrong, right in _ORDINALS:
        text = text.replace(wrong, right)
    return text[0].upper() + text[1:]


def _dress(draw: random.Random, title: str, text: str) -> tuple[str, str]:
    """Adds what feeds leave behind: source marks, lost entities, line breaks."""
    agency, place = _pick(draw, _grammar().pools["agency"]), _pick(draw, _grammar().pools["place"])
    mark = draw.random()
    if mark < 0.2:
        title, text = f"{title} ({agency})", f"{agency} - {text}"
    elif mark < 0.45:
        text = f"{place.upper()} ({agency}) - {text}"
    if draw.random() >= _MARKUP_SHARE:
        return title, text
    kind = draw.random()
    if kind < 0.5:
        text = text.replace("'", " #39;").replace('"', " quot;").replace(" said", r"\said")
    elif kind < 0.7:
        text = f"&lt;b&gt;{place}&lt;/b&gt; {text}"
    elif kind < 0.85:
        text = text.replace("$", " #36;").replace(" and ", " &amp; ")
    else:
        text = text.replace("'", "\u2019").replace(", ", " \u2013 ", 1).removesuffix(".") + "\u2026"
    return title, text


def _capitalise(headline: str) -> str:
    words = headline.split()
    return " ".join(word if i and word in _SMALL_WORDS else word[0].upper() + word[1:] for i, word in enumerate(words))


def _csv_line(label: str, title: str, text: str) -> str:
    fields = (label, title, text)
    return ",".join('"' + field.replace('"', '""') + '"' for field in fields) + "\n"


def _pick(draw: random.Random, items: Sequence[_Item]) -> _Item:
    return items[int(draw.random() * len(items))]
