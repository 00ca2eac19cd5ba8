"""A run as the server knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from agnews.kubeflow.client.step_record import StepRecord
from agnews.schemas.errors import ExitCode

FINISHED = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"})


@dataclass(frozen=True)
class RunRecord:
    """A run.

    Attributes:
        run_id: The server's name for it.
        name: Our name for it; not unique.
        state: PENDING, RUNNING, SUCCEEDED, SKIPPED, FAILED, CANCELING, CANCELED or PAUSED; empty before the first.
        created_at: When it was asked for.
        finished_at: When it ended.
        experiment_id: The experiment it belongs to.
        pipeline_id: The pipeline.
        version_id: The version of the pipeline.
        recurring_run_id: The schedule that started it; empty if a person did.
        error: What the server says went wrong.
        description: What we wrote about it.
        parameters: The values it runs with.
        steps: Its steps, in the order in which they were started.
    """

    run_id: str
    name: str
    state: str = ""
    created_at: datetime | None = None
    finished_at: datetime | None = None
    experiment_id: str = ""
    pipeline_id: str = ""
    version_id: str = ""
    recurring_run_id: str = ""
    error: str = ""
    description: str = ""
    parameters: dict[str, object] = field(default_factory=dict)
    steps: tuple[StepRecord, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in FINISHED

    @property
    def exit_code(self) -> ExitCode:
        """What a command that waited for this run ends with."""
        if self.state in ("SUCCEEDED", "SKIPPED"):
            return ExitCode.OK
        return ExitCode.INTERRUPTED if self.state == "CANCELED" else ExitCode.FAILED
