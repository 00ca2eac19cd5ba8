"""Turns what people agree on into rows to learn from, and rows to measure with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from agnews.components.feedback.collected_span import (
    CollectedRow,
    find_collected_spans,
    remove_collected,
    write_span,
)
from agnews.components.feedback.label_store import read_labels
from agnews.components.feedback.read_logged_texts import read_logged_texts
from agnews.components.feedback.resolve_labels import LabelledText, resolve_labels
from agnews.components.feedback.training_rows import training_texts
from agnews.components.request_log.places import Places
from agnews.schemas.corpus import Corpus

_SLACK = timedelta(days=400)


@dataclass(frozen=True)
class Collected:
    """What became of the labels.

    Attributes:
        train: Rows of the new span.
        test: Rows of the test pool, of the random share, which no span has.
        changed: Rows of earlier spans that are labelled otherwise now, and went from there.
        conflicts: Texts of which no label has more than half of the people; a third is asked.
        unknown_text: Labels of requests whose text is not in the log.
        unknown_class: Labels that name no class of the corpus.
        known: Texts that an earlier span has already, with the same label.
    """

    train: int
    test: int
    changed: int
    conflicts: int
    unknown_text: int
    unknown_class: int
    known: int


def read_labelled(places: Places) -> tuple[list[LabelledText], int]:
    """Reads all labels with their texts.

    Args:
        places: Of the log.

    Returns:
        The texts, and how many labels belong to a request whose text is not there.
    """
    labels = read_labels(places)
    wanted = {label.row for label in labels if label.row and not label.text}
    texts = {}
    if wanted:
        since = min(label.at for label in labels) - _SLACK
        texts = {each.row: each.text for each in read_logged_texts(places, since, rows=wanted)}
        texts |= training_texts(places, wanted)
    found, unknown = resolve_labels(labels, texts)
    return found, len(unknown)


def collect_labels(places: Places, corpus: Corpus, data: str, span: str, *, dry_run: bool = False) -> Collected:
    """Writes a dated span of what was labelled since the last one, and the test pool.

    Args:
        places: Of the log.
        corpus: How files of the corpus are written.
        data: The folder of the corpus, with or without spans.
        span: The day, YYYY-MM-DD. A span of collected labels that is there already is added to.
        dry_run: Write nothing.

    Returns:
        What became of the labels.

    Raises:
        AgnewsError: The span holds other rows.
        OSError: Something cannot be read or written.
    """
    texts, unknown_text = read_labelled(places)
    classes = set(corpus.class_names)
    unknown_class = sum(not each.names <= classes for each in texts)
    agreed = [each for each in texts if each.label in classes]
    target = f"{data}/{span}"
    earlier = {row.key: row for each in find_collected_spans(data) if each.folder != target for row in each.rows}
    rows = [CollectedRow.of(each) for each in agreed if not each.is_random]
    changed = {row.key for row in rows if row.key in earlier and earlier[row.key].label != row.label}
    # Once people disagree, the row that was learnt from them goes, too.
    changed |= {f"{each.key:016x}" for each in texts if each.label is None} & set(earlier)
    new = [row for row in rows if row.key not in earlier or row.key in changed]
    pool = [CollectedRow.of(each) for each in agreed if each.is_random]
    if not dry_run:
        remove_collected(data, corpus, lambda row: row.key in changed)
        if new or any(each.folder == target for each in find_collected_spans(data)):
            write_span(target, new, corpus)
        if pool:
            write_span(f"{places.test_pool}/{datetime.now(UTC):%Y-%m-%d}", pool, corpus)
    return Collected(
        train=len(new),
        test=len(pool),
        changed=len(changed),
        conflicts=sum(each.label is None and each.names <= classes for each in texts),
        unknown_text=unknown_text,
        unknown_class=unknown_class,
        known=len(rows) - len(new),
    )
