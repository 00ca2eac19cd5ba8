"""Dated sub-folders of a data folder: the rows of a day each."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from agnews.components.storage.explain_storage_errors import explain_storage_errors
from agnews.components.storage.files import Files
from agnews.components.storage.files_at import files_at
from agnews.components.storage.open_binary import open_binary
from agnews.schemas.corpus import Corpus
from agnews.schemas.errors import AgnewsError

INCOMPLETE = "_INCOMPLETE"
"""A file of this name in a span says that it is still being written."""

_SPAN = re.compile(r"\d{4}-\d{2}-\d{2}")
_LIKE_A_SPAN = re.compile(r"(\d{4})(?:[-_.]?(\d\d)[-_.]?(\d\d)|[-_.](\d{1,2})[-_.](\d{1,2}))")
_UNFINISHED_NAME = re.compile(r"[._]*\d{4}-\d{2}-\d{2}\D.*|[._]+\d{4}-\d{2}-\d{2}")
# Forms that others use: Hive and Spark, TFX, weeks of ISO 8601, months.
_OTHER_FORM = re.compile(r"(?i)(?:date|day|dt|ds)=.+|span[-_]?\d+|\d{4}-?w\d{1,2}(?:-?\d)?|\d{4}-\d{2}")
_YEAR = re.compile(r"(?i)(?:y|year=)?\d{4}")
# Hadoop and Spark write here first, and move what they wrote when it is whole.
_TEMPORARY = "_temporary"
_LOOKED_AT = 1 << 16
_TRIED = 50
"""Folders that are looked into for an error message."""


@dataclass(frozen=True)
class Spans:
    """The spans that a run takes.

    Attributes:
        names: `YYYY-MM-DD` each, oldest first; empty where the folder is none of spans.
        notes: What was passed over, a sentence each.
    """

    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_spans(folder: str, corpus: Corpus, window: int | None = None, *, today: date | None = None) -> Spans:
    """Finds the spans of a folder.

    A span counts once it holds the training file, with something in it, and neither a file `_INCOMPLETE` nor a
    folder `_temporary`, and once its day has begun somewhere: one dated 2062 by mistake would be the newest for ever.
    Days may be missing. Folders with other names are none of our business, except for those whose names look like
    dates and are none, and those that hold training files where no span and no training file is.

    Args:
        folder: A local folder, or the URI of one.
        corpus: Names of the files.
        window: Take the newest that many spans; None takes all.
        today: The date at Greenwich; None asks the clock.

    Returns:
        The spans; no names where the folder holds the training file itself, or neither it nor spans.

    Raises:
        AgnewsError: A name looks like a date and is none, there are spans beside a training file or only such with
            names of another form, no span is complete, the test file is missing beside spans, or a window is asked of
            a folder without spans.
    """
    folder = folder.rstrip("/")
    files = files_at(folder)
    with explain_storage_errors(f"looking into {folder}"):
        is_plain = files.exists(f"{folder}/{corpus.train_file}")
    try:
        names = [name for name in files.names(folder) if name]
    except OSError as error:
        if is_plain and window is None:
            # Who may read two objects need not be allowed to list a bucket.
            return Spans()
        raise AgnewsError(
            "The data folder cannot be listed.", found=f"{folder}: {error}", fix="Check the name and your permissions."
        ) from error
    _require_dates(folder, names)
    dated = [name for name in names if _SPAN.fullmatch(name)]
    if is_plain and dated:
        raise AgnewsError(
            f"The data folder holds both {corpus.train_file} and dated spans, so nobody knows which rows are meant.",
            found=f"{folder}: {corpus.train_file}, {_few(dated)}",
            fix=f"Move {corpus.train_file} into a span of its own ({folder}/YYYY-MM-DD/{corpus.train_file}), or out "
            "of the folder.",
        )
    if not dated:
        if not is_plain:
            _require_no_other_form(files, folder, names, corpus)
        if corpus.files.test.newest_spans is not None:
            raise AgnewsError(
                "The newest spans are the test split, and this folder has no spans.",
                found=folder,
                fix=f"Name a folder with YYYY-MM-DD/{corpus.train_file} in it, or say another files.test.",
            )
        if window is not None:
            raise AgnewsError(
                "data.window takes the newest spans of a folder, and this folder has none.",
                found=folder,
                fix=f"Leave data.window out, or name a folder with YYYY-MM-DD/{corpus.train_file} in it.",
            )
        return Spans()
    # Where the day begins first it is 14 hours ahead of Greenwich.
    last = ((today or datetime.now(UTC).date()) + timedelta(days=1)).isoformat()
    return _complete(files, folder, names, dated, corpus, window, last)


def is_blank(head: bytes) -> bool:
    """Whether the first bytes of a file, white space and a byte-order mark aside, are nothing."""
    return not head.removeprefix(codecs.BOM_UTF8).strip()


def _complete(
    files: Files, folder: str, names: list[str], dated: list[str], corpus: Corpus, window: int | None, last: str
) -> Spans:
    notes = [
        f"{name} is passed over: its name is no date"
        for name in names
        if _UNFINISHED_NAME.fullmatch(name) or _OTHER_FORM.fullmatch(name)
    ]
    taken: list[str] = []
    own_tests, held_out = 0, corpus.files.test.newest_spans or 0
    for name in sorted(dated, reverse=True):
        if window is not None and len(taken) == window + held_out:
            break
        if name > last:
            notes.append(f"{name} is passed over: that day is still to come")
            continue
        inside = files.names(f"{folder}/{name}")
        lacking = _lacking(f"{folder}/{name}", inside, corpus)
        if lacking:
            notes.append(f"{name} is passed over: {lacking}")
        else:
            taken.insert(0, name)
            own_tests += corpus.files.test.file in inside
    if not taken:
        raise AgnewsError(
            "No span is complete.",
            found=f"{folder}: {'; '.join(notes)}",
            fix=f"A span counts once its day has come and it holds {corpus.train_file} and no {INCOMPLETE}.",
        )
    test = corpus.files.test.file
    if test is not None and test not in names:
        raise AgnewsError(
            f"A folder of spans needs {test} beside them.",
            found=f"{folder}: {_few(taken)}, no {test}",
            fix=f"Put rows that no span has into {folder}/{test}: all models are compared on them.",
        )
    if own_tests:
        notes.append(
            f"{test} of {own_tests} span{'s' * (own_tests > 1)} is not read: the test split is {test} beside the spans"
        )
    if len(taken) <= held_out:
        raise AgnewsError(
            f"The newest {held_out} spans are the test split, and no other is left to learn from.",
            found=f"{folder}: {_few(taken)}",
            fix="Lower files.test.newest_spans, or wait for another span.",
        )
    return Spans(tuple(taken), tuple(notes))


def _lacking(span: str, inside: list[str], corpus: Corpus) -> str:
    if INCOMPLETE in inside:
        return f"it is marked as {INCOMPLETE}"
    if _TEMPORARY in inside:
        return f"somebody is writing to it ({_TEMPORARY})"
    if corpus.train_file not in inside:
        return f"it has no {corpus.train_file}"
    if corpus.form == "folders":
        return "" if files_at(span).names(f"{span}/{corpus.train_file}") else f"{corpus.train_file} is empty"
    with open_binary(f"{span}/{corpus.train_file}") as stream:
        return f"{corpus.train_file} is empty" if is_blank(stream.read(_LOOKED_AT)) else ""


def _require_no_other_form(files: Files, folder: str, names: list[str], corpus: Corpus) -> None:
    named = [name for name in names if _OTHER_FORM.fullmatch(name)]
    others = (name for name in sorted(names)[:_TRIED] if name not in named and name.rpartition(".")[2] != "csv")
    found = [name for name in [*named, *others] if _holds(files, f"{folder}/{name}", corpus)]
    if not found:
        years = [name for name in names if _YEAR.fullmatch(name)]
        found = list(islice(_below_years(files, folder, years, corpus), _TRIED))
    if found:
        raise AgnewsError(
            f"The data folder has no {corpus.train_file}, and the folders that have one are not named as spans.",
            found=f"{folder}: {_few(found)}",
            fix=f"If they are spans, name each after its day: YYYY-MM-DD/{corpus.train_file}. Otherwise name one of "
            f"them as the data: {folder}/{found[0]}.",
        )


def _below_years(files: Files, folder: str, years: Sequence[str], corpus: Corpus) -> Iterator[str]:
    """Yields folders of months, or of days in them, that hold training files."""
    for year in years[:_TRIED]:
        for month in files.names(f"{folder}/{year}")[:_TRIED]:
            inside = f"{year}/{month}"
            if _holds(files, f"{folder}/{inside}", corpus):
                yield inside
                continue
            days = files.names(f"{folder}/{inside}")[:_TRIED]
            yield from (f"{inside}/{day}" for day in days if _holds(files, f"{folder}/{inside}/{day}", corpus))


def _holds(files: Files, folder: str, corpus: Corpus) -> bool:
    try:
        return files.exists(f"{folder}/{corpus.train_file}")
    except OSError:
        return False


def _require_dates(folder: str, names: list[str]) -> None:
    for name in names:
        found = _LIKE_A_SPAN.fullmatch(name)
        if found is None:
            continue
        try:
            proper = date(*map(int, filter(None, found.groups()))).isoformat()
        except ValueError:
            raise AgnewsError(
                "The name of a span is no date of the calendar.",
                found=f"{folder}/{name}",
                fix="Give it the right date, as YYYY-MM-DD, or a name that does not look like one.",
            ) from None
        if name != proper:
            raise AgnewsError(
                "The name of a span is not written as YYYY-MM-DD.",
                found=f"{folder}/{name}",
                fix=f"Rename it to {proper}, or give it a name that does not look like a date.",
            )


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
