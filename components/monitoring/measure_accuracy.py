"""How often a model was right, on texts that were drawn at random and labelled by people."""

from __future__ import annotations

from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from agnews.components.feedback.collect_labels import read_labelled
from agnews.components.feedback.random_share import is_in_random_share
from agnews.components.report.wilson_interval import wilson_interval
from agnews.components.request_log import columns
from agnews.components.request_log.places import Places
from agnews.components.request_log.read_requests import read_requests
from agnews.schemas.feedback import Source
from agnews.schemas.monitor_reference import Estimate

_DAYS = timedelta(days=30)


def measure_accuracy(places: Places, version: str, until: datetime) -> Estimate | None:
    """Compares answers of the last thirty days with labels of the random share.

    Only what somebody was asked about counts: who sends a label without being asked mostly does so because the answer
    was wrong.

    Args:
        places: Of the log.
        version: Whose answers.
        until: The end of the thirty days.

    Returns:
        The share of right answers with Wilson's 95 % interval; None where no such text has a label that all agree on.
    """
    labelled, _ = read_labelled(places)
    said = {
        label.row: text.label
        for text in labelled
        if text.label is not None
        for label in text.said
        if label.source is Source.QUEUE and is_in_random_share(label.row)
    }
    if not said:
        return None
    names = [columns.ID, columns.LABEL, columns.VERSION]
    rows = read_requests(places, until - _DAYS, until, names=names)
    wanted = pc.is_in(rows.column(columns.ID), value_set=pa.array(sorted(said), pa.string()))
    rows = rows.filter(pc.and_(wanted, pc.equal(rows.column(columns.VERSION), version)))
    if not rows.num_rows:
        return None
    answers = zip(rows.column(columns.ID).to_pylist(), rows.column(columns.LABEL).to_pylist(), strict=True)
    right = sum(said[row] == answer for row, answer in answers)
    low, high = wilson_interval(right, rows.num_rows)
    return Estimate(value=right / rows.num_rows, low=low, high=high, rows=rows.num_rows)
