"""Which columns of a file hold the texts."""

from __future__ import annotations

from collections.abc import Sequence

from agnews.schemas.corpus import Corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.features import TEXT

_SHOWN = 40


def choose_columns(available: Sequence[str], wanted: Sequence[str], corpus: Corpus, path: str) -> tuple[str, ...]:
    """Finds the columns whose texts, joined by one space, go to the model.

    Args:
        available: Names of the columns of the file.
        wanted: Names that the user gave; where there are none, they are the text columns of the corpus that the model
            learnt from, or `text`.
        corpus: The corpus.
        path: What the file is called in messages.

    Returns:
        Names as the file spells them: where none is written as wanted, case and white space around it do not count.

    Raises:
        AgnewsError: A wanted column is missing or stands there twice, or nothing was wanted and no column is known.
    """
    if wanted:
        return tuple(_find(available, name, path) for name in wanted)
    for candidates in (corpus.texts, (TEXT,)):
        if all(_matches(available, name) for name in candidates):
            return tuple(_find(available, name, path) for name in candidates)
    raise AgnewsError(
        f"None of the columns of {path} is known to hold texts.",
        found=_list(available) + _separator_hint(available),
        fix="Name them: --text-columns title,description. If the first row is no header, name all columns with "
        "--header NAME,NAME,...",
    )


def find_column(available: Sequence[str], wanted: str, path: str) -> str:
    """Finds one column.

    Args:
        available: Names of the columns of the file.
        wanted: The name that the user gave.
        path: What the file is called in messages.

    Returns:
        The name as the file spells it.

    Raises:
        AgnewsError: It is missing or stands there twice.
    """
    return _find(available, wanted, path)


def _matches(available: Sequence[str], wanted: str) -> list[str]:
    exact = [name for name in available if name == wanted]
    return exact or [name for name in available if _plain(name) == _plain(wanted)]


def _find(available: Sequence[str], wanted: str, path: str) -> str:
    found = _matches(available, wanted)
    if len(found) == 1:
        return found[0]
    raise AgnewsError(
        f"{path} has {'more than one' if found else 'no'} column {wanted!r}.",
        found=_list(available) + _separator_hint(available),
        fix="Name columns that are there once, as --text-columns title,description.",
    )


def _plain(name: str) -> str:
    return name.strip().casefold()


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"columns {shown}{more}" if names else "no column"


def _separator_hint(names: Sequence[str]) -> str:
    if len(names) == 1:
        for separator, what in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if separator in names[0]:
                return f"; this looks like columns separated by {what}, and only commas are understood"
    return ""
