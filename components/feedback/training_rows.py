"""Training rows whose labels look wrong, in the queue of texts that people are asked about."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from agnews.components.corpus_files.text_key import text_key
from agnews.components.feedback.document_lines import SUFFIX, read_lines, remove_lines, write_lines
from agnews.components.feedback.random_share import TRAINING_ROW
from agnews.components.request_log.places import Places
from agnews.components.storage.files_at import files_at
from agnews.schemas.linear_check import DoubtfulLabel


def training_row(text: str) -> str:
    """Returns the id that a training row has among logged ones.

    Args:
        text: Its text; copies have the same id.
    """
    return f"{TRAINING_ROW}{text_key(text):016x}"


def queue_training_rows(places: Places, name: str, rows: Iterable[DoubtfulLabel]) -> int:
    """Puts training rows into the queue; those that are there already stay once.

    Args:
        places: Of the log.
        name: Of the run that doubts them. What it has brought before is replaced.
        rows: The rows, the most doubtful first.

    Returns:
        How many rows of the run are in the queue now.

    Raises:
        OSError: They cannot be written.
    """
    found = {text_key(each.text): each for each in rows}
    write_lines(f"{places.training_rows}/{name}{SUFFIX}", found.values())
    return len(found)


def read_training_rows(places: Places) -> list[DoubtfulLabel]:
    """Reads the rows that are in the queue.

    Args:
        places: Of the log.

    Returns:
        Each text once, as the newest run saw it; those of the newest run first, the most doubtful of a run first.
    """
    files = files_at(places.uri)
    names = sorted((name for name in files.names(places.training_rows) if name.endswith(SUFFIX)), reverse=True)
    found: dict[int, DoubtfulLabel] = {}
    for name in names:
        for each in read_lines(f"{places.training_rows}/{name}", DoubtfulLabel):
            found.setdefault(text_key(each.text), each)
    return list(found.values())


def training_texts(places: Places, rows: Collection[str]) -> dict[str, str]:
    """Finds the texts of training rows that were asked about.

    Args:
        places: Of the log.
        rows: Ids, those of logged rows among them.

    Returns:
        Texts by id.
    """
    if not any(row.startswith(TRAINING_ROW) for row in rows):
        return {}
    texts = {training_row(each.text): each.text for each in read_training_rows(places)}
    return {row: texts[row] for row in rows if row in texts}


def remove_training_rows(places: Places, has_to_go: Callable[[str], bool]) -> int:
    """Removes rows from the queue.

    Args:
        places: Of the log.
        has_to_go: Which, by the text.

    Returns:
        How many.
    """
    paths = (f"{places.training_rows}/{name}" for name in files_at(places.uri).names(places.training_rows))
    return remove_lines(paths, DoubtfulLabel, lambda row: has_to_go(row.text))
