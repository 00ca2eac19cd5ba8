"""The server's walk from start to start, against a recording of the parser that it uses."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from itertools import islice, takewhile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agnews.kubeflow.schedules.cron import Cron
from agnews.kubeflow.schedules.server_walk import next_start, server_starts

RECORDING: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "golden" / "server_cron_starts.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("zone", sorted(RECORDING["starts"]))
def test_starts_are_those_of_the_servers_parser(zone: str) -> None:
    after, until = (datetime.fromisoformat(RECORDING[key]) for key in ("from", "until"))
    for cron, count, sha256 in RECORDING["starts"][zone]:
        found = takewhile(lambda time: time <= until, server_starts(Cron.parse(cron), ZoneInfo(zone), after))
        lines = [f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in found]
        assert len(lines) == count, cron
        assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == sha256, cron


def test_a_start_is_later_than_the_second_that_is_asked_about() -> None:
    at = datetime(2026, 6, 1, 3, tzinfo=UTC)
    times = list(islice(server_starts(Cron.parse("0,30 3 * * *"), ZoneInfo("UTC"), at), 2))
    assert times == [datetime(2026, 6, 1, 3, 30, tzinfo=UTC), datetime(2026, 6, 2, 3, tzinfo=UTC)]
    just_before = datetime(2026, 6, 1, 2, 59, 59, 999_999, tzinfo=UTC)
    assert next_start(Cron.parse("0 3 * * *"), ZoneInfo("UTC"), just_before) == at


def test_the_walk_ends_after_five_years() -> None:
    assert next_start(Cron.parse("0 0 30 2 *"), ZoneInfo("UTC"), datetime(2026, 1, 1, tzinfo=UTC)) is None
