"""Drift is told when it begins, when it changes, and once a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agnews.components.request_log.places import places_at
from agnews.pipeline.notification.tell_drift import tell_drift
from agnews.schemas.execution_config import NotifyConfig
from agnews.schemas.monitor_reference import FeatureDrift, MonitorReport

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)


def report(*alarms: str, version: str = "7", state: str = "alarm") -> MonitorReport:
    figures: dict[str, Any] = {"measure": "AUC", "value": 0.7, "low": 0.6, "high": 0.8, "p": 1e-9, "tolerance": 0.51}
    features = tuple(FeatureDrift(feature=name, alarm=True, **figures) for name in alarms)
    return MonitorReport(
        version=version,
        since="2026-11-28T12:00:00+00:00",
        until="2026-11-29T12:00:00+00:00",
        rows=2000,
        lost=0,
        state=state if alarms else "quiet",  # type: ignore[arg-type]
        features=features,
        reasons=tuple(f"{name}: AUC 0.700" for name in alarms),
    )


@pytest.fixture
def tell(tmp_path: Path) -> Any:
    def tell(found: MonitorReport, hours: float, *, command: str = "true", on: tuple[str, ...] = ("drift",)) -> int:
        config = NotifyConfig.model_validate(
            {"on": on, "channels": [{"kind": "command", "command": [command]}], "retries": 0}
        )
        now = NOON + timedelta(hours=hours)
        return len(tell_drift(config, found, model="agnews", places=places_at(str(tmp_path)), now=now))

    return tell


def test_the_same_alarm_is_told_once_a_day(tell: Any) -> None:
    assert [tell(report("domain", "words"), hours) for hours in (0, 1, 23)] == [1, 0, 0]
    # Less of the same is not news; a day later it is told again.
    assert tell(report("domain"), 23.5) == 0
    assert tell(report("domain"), 24) == 1


def test_another_respect_and_another_version_are_news(tell: Any) -> None:
    assert tell(report("domain"), 0) == 1
    assert tell(report("domain", "words"), 1) == 1
    assert tell(report("domain", version="8"), 2) == 1


def test_an_alarm_that_ended_and_begins_again_is_news(tell: Any) -> None:
    assert tell(report("domain"), 0) == 1
    assert tell(report(), 1) == 0
    assert tell(report("domain"), 2) == 1


def test_what_nobody_took_is_told_at_the_next_look(tell: Any) -> None:
    assert tell(report("domain"), 0, command="false") == 1
    assert tell(report("domain"), 1) == 1


def test_whoever_does_not_ask_for_drift_is_not_told(tell: Any) -> None:
    assert tell(report("domain"), 0, on=("failed",)) == 0
