"""The file with all schedules."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agnews.kubeflow.schedules.schedule import Schedule, TimeZone
from agnews.schemas.errors import AgnewsError

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
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
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
