"""Tells of drift in what is asked, once and not at every look: whoever looks every hour sees the same day 24 times."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ValidationError

from agnews.components.request_log.places import Places
from agnews.components.storage.files_at import files_at
from agnews.pipeline.notification.message import Message
from agnews.pipeline.notification.notify import Delivery, notify
from agnews.schemas.execution_config import NotifyConfig
from agnews.schemas.monitor_reference import MonitorReport

_LOGGER = logging.getLogger(__name__)
_AGAIN = timedelta(hours=24)


class _Told(BaseModel):
    """What people know already, `LOG/drift-told.json`."""

    version: str
    features: tuple[str, ...]
    at: datetime


def tell_drift(
    config: NotifyConfig, report: MonitorReport, *, model: str, places: Places, now: datetime | None = None
) -> list[Delivery]:
    """Tells of an alarm: the first time, where it is in another respect or of another version, and once a day.

    Args:
        config: Of which events, by which channels.
        report: What was found.
        model: Name of the served model.
        places: Of the log, which remembers what was told. A log that cannot be written has it told at every look.
        now: The present.

    Returns:
        What became of the message on each channel; none where there is nothing to tell.
    """
    now, path = now or datetime.now(UTC), f"{places.uri}/drift-told.json"
    if not config.channels or "drift" not in config.on:
        return []
    if report.state != "alarm":
        # Too few texts tell nothing either way.
        if report.state == "quiet":
            _forget(path)
        return []
    features = tuple(each.feature for each in report.features if each.alarm)
    told = _read(path)
    if told and told.version == report.version and set(features) <= set(told.features) and now - told.at < _AGAIN:
        return []
    deliveries = notify(config, [_message(report, model, now)])
    if any(not each.problem for each in deliveries):
        _remember(path, _Told(version=report.version, features=features, at=now))
    return deliveries


def _message(report: MonitorReport, model: str, now: datetime) -> Message:
    known = [
        f"accuracy, {title}: {100 * each.value:.1f} % ({100 * each.low:.1f} to {100 * each.high:.1f})"
        for title, each in (("estimated", report.estimated_accuracy), ("measured", report.measured_accuracy))
        if each is not None
    ]
    return Message(
        event="drift",
        model=model,
        run_id="",
        title=f"{model}: what is asked is not what version {report.version} has learnt from",
        detail="; ".join([f"{report.rows:,} texts since {report.since}", *known]),
        version=report.version,
        accuracy=report.measured_accuracy.value if report.measured_accuracy else None,
        reasons=report.reasons,
        at=now.replace(microsecond=0),
    )


def _read(path: str) -> _Told | None:
    try:
        return _Told.model_validate_json(files_at(path).read_bytes(path))
    except (OSError, ValidationError):
        return None


def _remember(path: str, told: _Told) -> None:
    try:
        files_at(path).replace(path, told.model_dump_json().encode() + b"\n")
    except OSError as error:
        _LOGGER.warning("The same drift will be told again at the next look: %s", " ".join(str(error).split()))


def _forget(path: str) -> None:
    try:
        files_at(path).remove_file(path)
    except OSError as error:
        _LOGGER.warning("The next drift may not be told for a day: %s", " ".join(str(error).split()))
