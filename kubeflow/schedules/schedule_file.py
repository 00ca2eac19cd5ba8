"""The file with all schedules."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from agnews.kubeflow.schedules.cron import Cron
from agnews.schemas.errors import AgnewsError
from agnews.schemas.strict_numbers import StrictNumbers
from agnews.schemas.yaml_text import read_yaml

_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def _checked_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f"{name} is no time zone of the IANA database, such as UTC or Europe/Berlin") from error
    return name


TimeZone = Annotated[str, AfterValidator(_checked_zone)]


class Schedule(StrictNumbers):
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
        # A bare number would be taken for seconds since 1970.
        if isinstance(value, int | float):
            raise ValueError(f"{value} is no time, such as 2026-12-01 or 2026-12-01T06:00:00+01:00")
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
            (time if time.tzinfo else time.replace(tzinfo=self.zone)).astimezone(UTC).replace(microsecond=0)
            if time
            else None
            for time in (self.start, self.end)
        )
        return begin, end

    @property
    def interval(self) -> timedelta:
        """The interval; zero if there is a cron."""
        return timedelta(seconds=int(self.every[:-1]) * _UNITS[self.every[-1]]) if self.every else timedelta()

    def fire_times(self, now: datetime) -> Iterator[datetime]:
        """Yields when it starts something, from now on, as crontab(5) means it: after the start, up to the end.

        The server leaves out some of these where clocks change; see `server_walk`.

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


# The one that comes with the package.
DEFAULT_FILE = Path(__file__).parent.parent / "schedules.yaml"


class ScheduleFile(BaseModel):
    """All schedules, and what is true of the server that keeps them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server_time_zone: TimeZone = Field(
        default="UTC", description="CRON_SCHEDULE_TIMEZONE of the deployment ml-pipeline-scheduledworkflow."
    )
    schedules: tuple[Schedule, ...] = ()

    @classmethod
    def read(cls, path: Path) -> ScheduleFile:
        """Reads and checks a file.

        Args:
            path: YAML.

        Returns:
            The schedules.

        Raises:
            AgnewsError: If the file is missing or wrong; the message names the schedule and the key.
        """
        try:
            document = read_yaml(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise AgnewsError(
                "The file with the schedules cannot be read.", found=path, fix="Correct --file."
            ) from error
        except yaml.YAMLError as error:
            raise AgnewsError(f"{path} is no YAML.", found=" ".join(str(error).split()), fix="Correct it.") from error
        try:
            file = cls.model_validate(document or {})
        except ValidationError as error:
            raise _explain(path, document, error) from None
        twice = [name for name, count in Counter(schedule.name for schedule in file.schedules).items() if count > 1]
        if twice:
            raise AgnewsError(f"{path} has two schedules of one name.", found=twice[0], fix="Rename one of them.")
        return file

    def find(self, name: str) -> Schedule:
        """Returns the schedule of this name.

        Raises:
            AgnewsError: If there is none.
        """
        for schedule in self.schedules:
            if schedule.name == name:
                return schedule
        raise AgnewsError(
            f"There is no schedule {name} in the file.",
            found=", ".join(schedule.name for schedule in self.schedules) or "none",
            fix="Correct the name, or write the schedule to the file.",
        )


def _explain(path: Path, document: object, error: ValidationError) -> AgnewsError:
    first = error.errors(include_url=False)[0]
    where = [str(part) for part in first["loc"]]
    if len(where) > 1 and where[0] == "schedules" and isinstance(document, dict):
        entry = document["schedules"][int(where[1])]
        where[:2] = [str(entry.get("name", f"number {where[1]}")) if isinstance(entry, dict) else f"number {where[1]}"]
    message = first["msg"].removeprefix("Value error, ")
    return AgnewsError(
        f"{path}: {'.'.join(where) or 'the file'}: {message}",
        found=None if isinstance(first["input"], dict) else first["input"],
        fix="Correct the file; docs/schedules.md explains the keys.",
    )
