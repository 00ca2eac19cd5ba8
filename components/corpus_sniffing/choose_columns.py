"""Which column holds the class, which the text, and which tells test rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from agnews.components.corpus_sniffing.column_names import KEYS, LABELS, PARTS, TEXTS
from agnews.components.corpus_sniffing.guess_label_sets import GuessedSets, guess_label_sets
from agnews.schemas.corpus import MAX_CLASSES
from agnews.schemas.errors import AgnewsError

_LABELS = (*LABELS, "coarse_label", "label_text")
_NO_TEXTS = frozenset([*KEYS, *PARTS, "time", "link", "author", "user", "source", "file"])
_PARTS = frozenset([*PARTS, "part", "subset", "partition"])
_TEST = ("test", "testing", "eval", "validation")


@dataclass(frozen=True)
class ChosenColumns:
    """Columns by what they hold.

    Attributes:
        label: That of the class.
        texts: Those of the text, in the order of the file.
        part: The column that tells test rows, and what stands there; None where there is none.
        sets: How the label's column names several classes; None where it names one.
        seen: Why, a sentence each.
        unsure: What a person has to look at.
    """

    label: str
    texts: tuple[str, ...]
    part: tuple[str, str] | None = None
    sets: GuessedSets | None = None
    seen: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)


def choose_columns(
    columns: Mapping[str, Sequence[str]], *, label: str | None = None, texts: Sequence[str] = ()
) -> ChosenColumns:
    """Chooses.

    Args:
        columns: Some hundred values by name; what is no text is written as one.
        label: The column that a person named.
        texts: Those that a person named.

    Returns:
        The choice.

    Raises:
        AgnewsError: A named column is not there, or none looks like a class or a text.
    """
    for name in (*texts, *((label,) if label else ())):
        if name not in columns:
            raise AgnewsError(
                "There is no such column.", found=name, fix=f"Columns are {', '.join(map(repr, columns))}."
            )
    unsure: list[str] = []
    part = _find_part(columns)
    taken = set(texts) | ({part[0]} if part else set())
    if label is None:
        label = _find_label({name: values for name, values in columns.items() if name not in taken}, unsure)
    chosen = tuple(texts) or _find_texts({n: v for n, v in columns.items() if n != label and n not in taken})
    if not chosen:
        raise AgnewsError("No column looks like a text.", found=_summary(columns), fix="Name it: --text COLUMN.")
    values, sets = Counter(columns[label]), guess_label_sets(columns[label])
    if sets is None and len(values) > len(columns[label]) / 2:
        unsure.append(f"label: hardly a value of {label} comes twice in the first {len(columns[label]):,} rows")
    if not texts and len(chosen) > 1:
        unsure.append(f"texts: {', '.join(chosen)} are joined; --text says which are meant")
    apart = "" if sets is None else "as a list" if sets.separator is None else f"told apart by {sets.separator!r}"
    if sets is not None:
        unsure.append(
            f"label: a text seems to have several classes, {apart}; if each cell is one class, say label: {label}"
        )
    seen = [
        f"the class is in {label}, {len(values)} values in the first {len(columns[label]):,} rows"
        if sets is None
        else f"the classes are in {label}, {apart}",
        f"the text is in {' and '.join(chosen)}",
    ]
    if part:
        seen.append(f"{part[0]} = {part[1]} marks test rows")
    return ChosenColumns(label, chosen, part, sets, seen, unsure)


def _find_label(columns: Mapping[str, Sequence[str]], unsure: list[str]) -> str:
    scores = {name: _label_score(name, values) for name, values in columns.items()}
    good = sorted((name for name, score in scores.items() if score > 0), key=lambda name: -scores[name])
    if not good:
        raise AgnewsError(
            "No column looks like a class: none has a few values that come again and again.",
            found=_summary(columns),
            fix="Name it: --label COLUMN.",
        )
    if len(good) > 1 and scores[good[0]] - scores[good[1]] < 1:
        unsure.append(f"label: {good[0]} could be {good[1]} as well (--label {good[1]})")
    return good[0]


def _words(values: Sequence[str]) -> float:
    return sum(len(value.split()) for value in values) / max(len(values), 1)


def _characters(values: Sequence[str]) -> float:
    return sum(map(len, values)) / max(len(values), 1)


def _label_score(name: str, values: Sequence[str]) -> float:
    """More than 0 for what can be a class; 3 for a good name, up to 2 for few values that come often."""
    sets = guess_label_sets(values)
    if sets is not None:
        values = [name for value in values for name in sets.split(value)]
    distinct, lower = len(set(values)), name.lower()
    # Of thousands of classes few come twice in some hundred rows: then the name has to say what the column is.
    most = len(values) - 1 if lower in _LABELS else len(values) / 2
    if not 2 <= distinct <= min(MAX_CLASSES, max(most, 2)) or _characters(values) > 80:
        return 0.0
    known = 3.0 - _LABELS.index(lower) / 20 if lower in _LABELS else 1.0 * any(each in lower for each in _LABELS[:8])
    return known + 2 * (1 - distinct / len(values)) - 3 * (lower in _NO_TEXTS)


def _find_texts(columns: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    def is_text(name: str, values: Sequence[str]) -> bool:
        lower = name.lower()
        if lower in _NO_TEXTS or len(set(values)) < len(values) / 3:
            return False
        # Chinese and Thai have no spaces.
        return _words(values) >= 2 or (_characters(values) >= 6 and not all(map(str.isascii, values)))

    found = tuple(name for name, values in columns.items() if is_text(name, values))
    known = tuple(name for name in found if name.lower() in TEXTS)
    if known or found:
        return known or found
    longest = max(columns, key=lambda name: _characters(columns[name]), default=None)
    return (longest,) if longest is not None and _characters(columns[longest]) >= 3 else ()


def _find_part(columns: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    for name, values in columns.items():
        if name.lower() in _PARTS:
            there = {value.lower(): value for value in values}
            for word in _TEST:
                if word in there and len(there) > 1:
                    return name, there[word]
    return None


def _summary(columns: Mapping[str, Sequence[str]]) -> str:
    return "; ".join(
        f"{name!r}: {len(set(values))} values in {len(values)} rows, like {values[0][:40]!r}"
        for name, values in columns.items()
        if values
    )
