"""Compares logged requests with what a model was trained on."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agnews.components.drift.estimate_accuracy import estimate_accuracy
from agnews.components.drift.judge_window import LEAST_ROWS, LOOKS, LiveTexts, count_confidence, judge_window
from agnews.components.monitoring.measure_accuracy import measure_accuracy
from agnews.components.request_log import columns
from agnews.components.request_log.places import Places
from agnews.components.request_log.read_requests import lost_rows, read_requests
from agnews.components.storage.files_at import files_at
from agnews.schemas.errors import AgnewsError
from agnews.schemas.monitor_reference import MONITOR_FILE, FeatureDrift, MonitorReference, MonitorReport

_MEASURED = (
    columns.VERSION,
    columns.WORDS,
    columns.HAS_MARKUP,
    columns.UNKNOWN_WORDS,
    columns.GRAMS,
    columns.LABEL,
    columns.PROBABILITIES,
)


def read_reference(folder: str) -> MonitorReference | None:
    """Reads what a pushed version says about its training rows.

    Args:
        folder: Of the version.

    Returns:
        The reference; None where the version was pushed without one.

    Raises:
        AgnewsError: It is of a later form.
    """
    path = f"{folder}/{MONITOR_FILE}"
    files = files_at(path)
    return MonitorReference.model_validate_json(files.read_bytes(path)) if files.exists(path) else None


def require_reference(folder: str, version: str) -> MonitorReference:
    """Reads the same, where there has to be one.

    Args:
        folder: Of the version.
        version: Its number.

    Raises:
        AgnewsError: There is none.
    """
    found = read_reference(folder)
    if found is None:
        raise AgnewsError(
            f"Version {version} was pushed without counts of its training rows, so nothing can be compared with them.",
            found=f"no {MONITOR_FILE} in {folder}",
            fix="Push a version with this agnews: every push writes them.",
        )
    return found


def monitor_requests(
    places: Places, reference: MonitorReference, version: str, since: datetime, until: datetime, *, looks: int = LOOKS
) -> MonitorReport:
    """Judges the requests of a time.

    Args:
        places: Of the log.
        reference: Of the version.
        version: Its number; what others answered is left out.
        since: The first moment.
        until: The first moment that does not count.
        looks: Times that somebody looks in a day.

    Returns:
        What was found.

    Raises:
        OSError: The log cannot be read.
    """

    def judged(rows: pa.Table) -> pa.Table:
        is_own = pc.equal(rows.column(columns.VERSION), version)
        return rows.filter(pc.and_(is_own, pc.is_valid(rows.column(columns.WORDS))))

    rows = read_requests(places, since, until, names=_MEASURED, where=judged)
    measured = measure_accuracy(places, version, until)
    common = {
        "version": version,
        "since": since.isoformat(timespec="seconds"),
        "until": until.isoformat(timespec="seconds"),
        "rows": rows.num_rows,
        "lost": lost_rows(places, since),
        "measured_accuracy": measured,
    }
    if rows.num_rows < LEAST_ROWS:
        return MonitorReport(**common, state="too few rows")
    live = live_texts(rows, reference)
    features = judge_window(reference, live, looks=looks)
    alarms = [each for each in features if each.alarm]
    return MonitorReport(
        **common,
        state="alarm" if alarms else "quiet",
        features=features,
        estimated_accuracy=estimate_accuracy(reference, count_confidence(reference, live)),
        reasons=tuple(_sentence(each) for each in alarms),
    )


def live_texts(rows: pa.Table, reference: MonitorReference) -> LiveTexts:
    """Turns rows of the log into numbers.

    Args:
        rows: With the columns that are measured.
        reference: Knows the classes.
    """
    rows = rows.combine_chunks()
    grams = rows.column(columns.GRAMS).combine_chunks()
    probabilities = rows.column(columns.PROBABILITIES).combine_chunks()
    starts = probabilities.offsets.to_numpy()[:-1] - probabilities.offsets[0].as_py()
    values = probabilities.flatten().to_numpy(zero_copy_only=False)
    places = {name: place for place, name in enumerate(reference.classes)}
    answers = [places.get(name, -1) for name in rows.column(columns.LABEL).to_pylist()]
    known = np.array(answers) >= 0
    numbers = {
        name: rows.column(name).to_numpy() for name in (columns.WORDS, columns.HAS_MARKUP, columns.UNKNOWN_WORDS)
    }
    return LiveTexts(
        words=numbers[columns.WORDS].astype(np.int64),
        has_markup=numbers[columns.HAS_MARKUP].astype(bool),
        unknown_words=numbers[columns.UNKNOWN_WORDS].astype(np.int64),
        grams=grams.flatten().to_numpy(zero_copy_only=False).astype(np.int64),
        owners=np.repeat(np.arange(rows.num_rows), pc.list_value_length(grams).to_numpy(zero_copy_only=False)),
        answers=np.array(answers)[known],
        confidence=np.maximum.reduceat(values, starts).astype(np.float64),
    )


def _sentence(found: FeatureDrift) -> str:
    size = f"{found.measure} {found.value:.3f} ({found.low:.3f} to {found.high:.3f})"
    return f"{found.feature}: {size}; {found.detail}"
