"""The description that fits what the files look like."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agnews.components.corpus_sniffing.choose_columns import ChosenColumns, choose_columns
from agnews.components.corpus_sniffing.guess_language import guess_language
from agnews.components.corpus_sniffing.read_raw_rows import read_raw_rows
from agnews.components.corpus_sniffing.sniff_file import SniffedFile, sniff_file
from agnews.components.drift.noise_between_splits import noise_between_splits
from agnews.components.text.has_markup import has_markup
from agnews.schemas.corpus import MAX_CLASSES, Reading
from agnews.schemas.errors import AgnewsError

_LOOKED_AT = 1000
_NOISE_ROWS = 4000
_TEST_SHARE = 0.2
_EXAMPLES, _SHORT = 3, 200
_FEW = 6


@dataclass(frozen=True)
class Wanted:
    """What a person said.

    Attributes:
        files: Training file, or a folder; a second one is the test file.
        test: Test file, or None.
        test_share: Share of the texts that are test rows, or None.
        label: Column of the class, or None.
        texts: Columns of the text; none to choose.
        name: Name of the corpus, or None for that of the file.
    """

    files: Sequence[Path]
    test: Path | None = None
    test_share: float | None = None
    label: str | None = None
    texts: Sequence[str] = ()
    name: str | None = None


@dataclass(frozen=True)
class Proposal:
    """A description in the making.

    Attributes:
        document: Keys and values as they stand in corpus.yaml, paths relative to `root`.
        root: The folder of the files.
        rows: Rows that were read of the training file.
        texts: Some of their texts, drawn at random.
        seen: What the files look like.
        unsure: What a person has to look at.
    """

    document: dict[str, Any]
    root: Path
    rows: int
    texts: tuple[str, ...]
    seen: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)


def propose_corpus(wanted: Wanted) -> Proposal:
    """Looks at files and describes them.

    Args:
        wanted: The files, and what is said about them.

    Returns:
        The description, to be reviewed.

    Raises:
        AgnewsError: The files cannot be read, or nothing in them looks like texts in classes.
    """
    train, test = _find_files(wanted)
    root, sniffed = train.parent, sniff_file(train)
    head = list(islice(read_raw_rows(train, sniffed), _LOOKED_AT))
    if not head:
        raise AgnewsError("The file has no row.", found=train, fix="Copy or download it again.")
    names = list(dict.fromkeys(name for row in head for name in row))
    chosen = choose_columns(
        {name: [row.get(name, "") for row in head] for name in names}, label=wanted.label, texts=wanted.texts
    )
    rows = [
        (row.get(chosen.label, ""), " ".join(filter(None, (row.get(name, "") for name in chosen.texts))))
        for row in read_raw_rows(train, sniffed)
    ]
    seen = [*sniffed.seen, *chosen.seen, f"{len(rows):,} rows in {train.name}"]
    unsure = [*sniffed.unsure, *chosen.unsure]
    split = chosen.sets.split if chosen.sets is not None else _one
    cells = [split(label) for label, _ in rows]
    classes = _classes([name for names in cells for name in names], train, seen, unsure)
    known = {value: number for number, value in enumerate(classes)}
    may_be_empty = chosen.sets is not None and not all(cells)
    if may_be_empty:
        share = sum(not names for names in cells) / len(cells)
        unsure.append(f"label.may_be_empty: {share:.1%} of the rows have no class; false makes them bad rows")
    texts = [
        (text, [known[name] for name in names])
        for (_, text), names in zip(rows, cells, strict=True)
        if text.strip() and all(name in known for name in names) and (names or may_be_empty)
    ]
    files = {"train": str(train.relative_to(root)), "test": _test_rows(wanted, chosen, test, root, sniffed, seen)}
    language, certain = guess_language([text for text, _ in texts[:_LOOKED_AT]])
    if not certain:
        unsure.append(f"language: {language} is a guess")
    document: dict[str, Any] = {
        "name": _name(wanted.name or (root.name if train.name.startswith("train") else train.name)),
        "language": language,
        "files": files,
        "read": _said(sniffed.reading),
        "columns": list(sniffed.columns) if sniffed.reading.header is False else [],
        "label": chosen.label if chosen.sets is None else _sets(chosen.label, chosen.sets.separator, may_be_empty),
        "texts": list(chosen.texts),
        "classes": classes,
        "limits": _limits([text for text, _ in texts]),
        "distances": {"noise": _noise(texts, len(classes), one_class=chosen.sets is None)},
        "floors": _floors(texts, len(classes), one_class=chosen.sets is None),
        "example_texts": list(dict.fromkeys(t for t, _ in texts if len(t) < _SHORT and "\n" not in t))[:_EXAMPLES],
    }
    drawn = np.random.default_rng(1).permutation(len(texts))[:_NOISE_ROWS].tolist()
    return Proposal(document, root, len(rows), tuple(texts[i][0] for i in drawn), seen, unsure)


def _one(label: str) -> list[str]:
    return [label]


def _sets(column: str, separator: str | None, may_be_empty: bool) -> dict[str, object]:
    said: dict[str, object] = {"column": column}
    if separator is not None:
        said["separator"] = separator
    return said | ({"may_be_empty": True} if may_be_empty else {})


def _find_files(wanted: Wanted) -> tuple[Path, Path | None]:
    files = [path.expanduser().absolute() for path in wanted.files]
    if len(files) > 2 or (len(files) == 2 and wanted.test is not None):
        raise AgnewsError(
            "There are more files than one to learn from and one to be judged on.",
            found=", ".join(map(str, wanted.files)),
            fix="Name the training file, and the other with --test; files of days lie in dated folders.",
        )
    for path in [*files, *([wanted.test] if wanted.test else [])]:
        if not path.exists():
            raise AgnewsError("There is no such file.", found=path, fix="Check its name.")
    train = files[0]
    if train.is_dir():
        train = _in_folder(train)
    test = files[1] if len(files) == 2 else wanted.test.expanduser().absolute() if wanted.test else None
    if test is not None and wanted.test_share is not None:
        raise AgnewsError("Test rows are named twice.", found="a test file and --test-share", fix="Keep one of them.")
    if test is None and wanted.test_share is None and "train" in train.name:
        beside = train.with_name(train.name.replace("train", "test"))
        test = beside if beside.exists() else None
    return train, test


def _in_folder(folder: Path) -> Path:
    """Finds the training rows of a folder: a file or a folder called train, or a folder for each class."""
    there = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    named = [path for path in there if path.name.split(".")[0] == "train"]
    if len(named) == 1:
        return named[0]
    if sum(path.is_dir() for path in there) >= 2:
        return folder
    if len(there) == 1 and there[0].is_dir():
        return _in_folder(there[0])
    files = [path for path in there if path.is_file() and path.suffix != ".yaml"]
    if len(files) == 1:
        return files[0]
    fix = "Name the training file, and the test file with --test."
    raise AgnewsError("It is not clear which file is to learn from.", found=", ".join(p.name for p in there), fix=fix)


def _test_rows(
    wanted: Wanted, chosen: ChosenColumns, test: Path | None, root: Path, sniffed: SniffedFile, seen: list[str]
) -> object:
    if test is not None:
        if not test.is_relative_to(root):
            raise AgnewsError(
                "The test file has to lie in the folder of the training file, or below it.",
                found=f"{test}, not in {root}",
                fix="Move or link it there.",
            )
        other = sniff_file(test)
        if (other.reading, other.columns) != (sniffed.reading, sniffed.columns) and sniffed.reading.header:
            raise AgnewsError(
                "Training and test file are not of the same form.",
                found=f"{_said(sniffed.reading)}, columns {', '.join(sniffed.columns)}; {test.name}: "
                f"{_said(other.reading)}, columns {', '.join(other.columns)}",
                fix="Write them in the same way.",
            )
        seen.append(f"test rows in {test.name}")
        return str(test.relative_to(root))
    if chosen.part is not None and wanted.test_share is None:
        return {"column": chosen.part[0], "value": chosen.part[1]}
    share = wanted.test_share or _TEST_SHARE
    seen.append(f"no test file, so {share:.0%} of the texts, chosen by a hash, are test rows")
    return {"share": share}


def _classes(labels: Sequence[str], train: Path, seen: list[str], unsure: list[str]) -> list[str]:
    counts = Counter(labels)
    del counts[""]
    rare = sorted(value for value, count in counts.items() if count < 2)
    values = [value for value in counts if value not in rare]
    if not 2 <= len(values) <= MAX_CLASSES:
        raise AgnewsError(
            f"{train.name} has no classes to tell apart." if len(values) < 2 else f"{train.name} has too many classes.",
            found=f"{len(values):,} values stand in more than one row",
            fix="Name the column of the class with --label.",
        )
    if rare:
        shown = ", ".join(rare[:_FEW]) + (f" and {len(rare) - _FEW:,} more" if len(rare) > _FEW else "")
        unsure.append(f"classes: left out, since one row is too few to learn from and to be judged on: {shown}")
    numbers = all(re.fullmatch(r"-?\d+", value) for value in values)
    values.sort(key=int if numbers else None)
    if numbers:
        unsure.append("classes: numbers; say what they mean, people are shown the names")
    few, many = min(counts[v] for v in values), max(counts[v] for v in values)
    seen.append(f"{len(values)} classes of {few:,} to {many:,} rows" + ("" if many < 10 * few else ", very uneven"))
    return values


def _limits(texts: Sequence[str]) -> dict[str, int]:
    words, size = max(len(text.split()) for text in texts), max(len(text.encode("utf-8", "replace")) for text in texts)
    limits = {"max_words": _round_up(2 * max(words, 25))}
    if size > 48 * 1024:
        limits["max_field_bytes"] = min(_round_up(2 * size), 16 << 20)
    return limits


def _round_up(number: int) -> int:
    """To one digit and zeros: 57 becomes 60."""
    unit = int(10 ** (len(str(number)) - 1))
    return -(-number // unit) * unit


_Text = tuple[str, list[int]]
"""A text and its classes."""


def _noise(texts: Sequence[_Text], num_classes: int, *, one_class: bool) -> dict[str, float]:
    chosen = np.random.default_rng(0).permutation(len(texts))[:_NOISE_ROWS].tolist()
    some = [texts[i] for i in chosen]
    noise = noise_between_splits(
        [text for text, _ in some],
        np.array([label for _, (label,) in some]) if one_class else _marks(some, num_classes),
        np.array([has_markup(text) for text, _ in some]),
        num_classes=num_classes,
    )
    return {name: round(value, 2) for name, value in noise.items()}


def _marks(texts: Sequence[_Text], num_classes: int) -> NDArray[np.int64]:
    marks = np.zeros((len(texts), num_classes), np.int64)
    for row, (_, labels) in zip(marks, texts, strict=True):
        row[labels] = 1
    return marks


def _floors(texts: Sequence[_Text], num_classes: int, *, one_class: bool) -> dict[str, float | int]:
    """Half of the way from always giving the largest class to no mistake: more than a broken model gets.

    Of several classes a tenth of the way, from the set that comes most often: not one of them may be wrong.
    """
    counts = Counter(tuple(sorted(labels)) for _, labels in texts)
    majority = counts.most_common(1)[0][1] / len(texts)
    if not one_class:
        return {"min_accuracy": round(majority + 0.1 * (1 - majority), 2), "min_class_recall": 0.0}
    return {"min_accuracy": round((1 + majority) / 2 - 0.1, 2), "min_class_recall": 0.1 if num_classes <= 20 else 0.0}


def _said(reading: Reading) -> dict[str, Any]:
    return reading.model_dump(exclude_defaults=True)


def _name(text: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", text.lower().split(".")[0]).strip("_")[:60]
    return name if re.match(r"[a-z]", name) else f"corpus_{name}".rstrip("_")
