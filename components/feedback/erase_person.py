"""Removes texts, and what people said about them, from everything that a log has led to."""

from __future__ import annotations

import io
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq

from agnews.components.feedback.collected_span import remove_collected
from agnews.components.feedback.document_lines import rewrite
from agnews.components.feedback.label_store import read_labels, remove_labels
from agnews.components.feedback.read_logged_texts import read_logged_texts
from agnews.components.feedback.training_rows import remove_training_rows
from agnews.components.request_log.erasures import Erasures, note_erasures
from agnews.components.request_log.places import Places
from agnews.components.request_log.read_requests import request_files
from agnews.components.request_log.text_hash import text_hash
from agnews.components.storage.files_at import files_at
from agnews.components.storage.half_written import remove_half_written
from agnews.schemas.corpus import Corpus

_EVER = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Erased:
    """How much was removed.

    Attributes:
        requests: Rows of the log.
        labels: Labels.
        rows: Rows of spans, of the test pool, and training rows in the queue.
    """

    requests: int
    labels: int
    rows: int


def erase(
    places: Places,
    *,
    texts: Collection[str] = (),
    requests: Collection[str] = (),
    by: Collection[str] = (),
    data: str = "",
    corpus: Corpus | None = None,
) -> Erased:
    """Removes all rows of some texts or requests, in all copies, and the labels of some people.

    What a server still holds is left out when it is written: digests and ids are kept for that, no texts. Files that a
    killed process has left half written go whole, whatever they hold: nobody reads them.

    Args:
        places: Of the log.
        texts: Texts; copies that differ in case, spaces or markup go as well.
        requests: Ids of requests, whose texts go wherever they stand.
        by: People whose labels go; the texts that they labelled stay in the log.
        data: Folder with spans of collected labels; empty for none.
        corpus: The form of their files; needed with `data`, and for a test pool.

    Returns:
        How much was removed.

    Raises:
        OSError: Something cannot be read or written; then do it again.
    """
    ids = {each.rpartition("/")[0] if "/" in each else each for each in requests}
    hashes = {text_hash(text) for text in texts}
    if ids:
        labels = read_labels(places)
        hashes |= {text_hash(each.text) for each in labels if each.text and each.row.rpartition("/")[0] in ids}
        logged = read_logged_texts(places, _EVER)
        hashes |= {text_hash(each.text) for each in logged if each.row.rpartition("/")[0] in ids}
    erasures = Erasures(hashes, ids)
    if erasures:
        note_erasures(places, erasures)
    people = set(by)
    removed_rows = 0
    for folder in filter(None, (data, places.test_pool)):
        if corpus is not None:
            removed_rows += remove_collected(
                folder,
                corpus,
                lambda row: (
                    erasures.covers("", row.text)
                    or any(erasures.covers(each["row"], None) for each in row.said)
                    or (bool(people) and {each["by"] for each in row.said} <= people)
                ),
            )
        remove_half_written(folder)
    remove_half_written(places.uri)
    removed_rows += remove_training_rows(places, lambda text: erasures.covers("", text))
    return Erased(
        requests=_erase_requests(places, erasures) if erasures else 0,
        labels=remove_labels(
            places, lambda label: label.by in people or erasures.covers(label.row, label.text or None)
        ),
        rows=removed_rows,
    )


def _erase_requests(places: Places, erasures: Erasures) -> int:
    files = files_at(places.uri)
    removed = 0
    for path in list(request_files(files, places, _EVER, datetime.now(UTC) + timedelta(days=1))):
        removed += rewrite(path, lambda content: _without(content, erasures))
    return removed


def _without(content: bytes, erasures: Erasures) -> tuple[bytes | None, int]:
    rows = pq.read_table(io.BytesIO(content))
    kept = erasures.apply(rows)
    sink = io.BytesIO()
    if kept.num_rows:
        pq.write_table(kept, sink, compression="zstd")
    return sink.getvalue() or None, rows.num_rows - kept.num_rows
