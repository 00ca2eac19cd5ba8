"""A job of Flink by a name of its own, by which the cluster ends it where nobody else can any more."""

from __future__ import annotations

import json
import logging
import secrets
from dataclasses import dataclass
from typing import Self

from agnews.pipeline.beam.ask_flink import ask_flink
from agnews.schemas.execution_config import BeamConfig

_LOGGER = logging.getLogger(__name__)

_OPTION = "--job_name"
_SECONDS = 4.0
_ENDED = frozenset({"FINISHED", "CANCELED", "FAILED", "SUSPENDED"})


@dataclass(frozen=True)
class NamedFlinkJob:
    """A job that is on a cluster, on its way there, or has ended.

    A job server that is gone cannot cancel what it has submitted: the job would go on, with its slots.

    Attributes:
        name: As Flink's page shows it.
        master: HOST:PORT of the REST interface; None where it is not known, or where the user has given the name, which
            other jobs may have as well.
    """

    name: str
    master: str | None

    @classmethod
    def of(cls, config: BeamConfig, node: str) -> Self | None:
        """Names a job of a step; None for runners that name jobs themselves, or where the user does.

        Args:
            config: Where it runs.
            node: The step.
        """
        if config.runner not in ("flink", "portable") or any(
            option.partition("=")[0] == _OPTION for option in config.options
        ):
            return None
        words = node.lower().replace(" ", "-").removeprefix("agnews-")
        return cls(f"agnews-{words}-{secrets.token_hex(4)}", config.flink_master)

    @property
    def arguments(self) -> tuple[str, ...]:
        """What Beam is told."""
        return (f"{_OPTION}={self.name}",)

    def cancel(self) -> None:
        """Ends the job where it still runs. Where the cluster does not answer, there is nothing more to do."""
        if self.master is None:
            return
        try:
            jobs = json.loads(ask_flink(self.master, "/jobs/overview", seconds=_SECONDS))["jobs"]
            for job in jobs:
                if job["name"] == self.name and job["state"] not in _ENDED:
                    ask_flink(self.master, f"/jobs/{job['jid']}?mode=cancel", seconds=_SECONDS, method="PATCH")
        except (OSError, ValueError, KeyError, TypeError) as error:
            _LOGGER.warning("Flink at %s was not asked to cancel %s: %s", self.master, self.name, error)
