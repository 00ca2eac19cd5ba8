"""One schedule: what shall run, and when."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from agnews.kubeflow.schedules.cron import Cron

_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def _checked_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"{name} is no time zone of the IANA database, such as UTC or Europe/Berlin") from error
    return name


TimeZone = Annotated[str, AfterValidator(_checked_zone)]


class Schedule(BaseModel):
    """A schedule as it stands in the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", description="Small letters, digits, hyphens.")
    cron: str | None = Field(default=None, description="Five fields, in time_zone. This or `every`.")
    every: str | None = Field(default=None, description="Interval: a number and m, h, d or w. This or `cron`.")
    time_zone: TimeZone = Field(description="Time zone of cron, start and end, by its name in the IANA database.")
    start: datetime | None = Field(default=None, description="Nothing starts up to then.")
    end: datetime | None = Field(default=None, description="Nothing starts later.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="Parameters of the pipeline, on a cluster.")
    arguments: list[str] = Field(default_factory=list, description="Arguments of `agnews run`, on this machine.")
    max_concurrency: int = Field(default=1, ge=1, le=10, description="How many runs may go on at the same time.")
    catch_up: bool = Field(default=False, description="Whether to make up for starts that were missed.")
    enabled: bool = Field(default=True, description="Whether it starts anything.")
    experiment: str = Field(default="agnews", min_length=1, description="Experiment of the runs.")
    service_account: str = Field(default="", description="Kubernetes service account of the runs.")

    @field_validator("cron")
    @classmethod
    def _check_cron(cls, text: str | None) -> str | None:
        if text is not None:
            Cron.parse(text)
        return text

    @field_validator("every")
    @classmethod
    def _check_every(cls, text: str | None) -> str | None:
        if text is not None and not re.fullmatch(r"[1-9]\d*[mhdw]", text):
            raise ValueError(f"{text} is no interval, such as 90m, 6h, 1d or 2w")
        return text

    @field_validator("start", "end", mode="before")
    @classmethod
    def _check_time(cls, value: object) -> object:
        # YAML reads 2026-12-01 as a date: midnight is meant.
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime(value.year, value.month, value.day)
        return value

    @model_validator(mode="after")
    def _check_whole(self) -> Schedule:
        if (self.cron is None) == (self.every is None):
            raise ValueError("write either `cron` or `every`")
        begin, end = self.window
        if begin and end and end <= begin:
            raise ValueError(f"the end {end} is not after the start {begin}")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """Time zone of cron, start and end."""
        return ZoneInfo(self.time_zone)

    @property
    def window(self) -> tuple[datetime | None, datetime | None]:
        """Start and end in UTC; without an offset of their own they are in the schedule's time zone."""
        begin, end = (
            (time if time.tzinfo else time.replace(tzinfo=self.zone)).astimezone(UTC) if time else None
            for time in (self.start, self.end)
        )
        return begin, end

    @property
    def interval(self) -> timedelta:
        """The interval; zero if there is a cron."""
        return timedelta(seconds=int(self.every[:-1]) * _UNITS[self.every[-1]]) if self.every else timedelta()

    def fire_times(self, now: datetime) -> Iterator[datetime]:
        """Yields when it starts something, from now on, as the server counts: after the start, up to the end.

        Args:
            now: The present; an interval without a start is counted from here.

        Returns:
            Times in UTC.
        """
        begin, end = self.window
        for time in self._all_after(max(now, begin) if begin else now, begin):
            if end is not None and time > end:
                return
            yield time

    def _all_after(self, after: datetime, begin: datetime | None) -> Iterator[datetime]:
        if self.cron is not None:
            yield from Cron.parse(self.cron).fire_times(after, self.zone)
            return
        origin = begin or after
        count = (after - origin) // self.interval
        while True:
            count += 1
            yield origin + count * self.interval
