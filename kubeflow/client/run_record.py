"""A run as the server knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from agnews.schemas.errors import ExitCode


@dataclass(frozen=True)
class RowRecord:
    """A node of the workflow behind a run, which is what the server lists as a task.

    Attributes:
        name: Its name within its parent; empty for rows that name none.
        state: As of a run; empty where Argo left it out.
        started_at: When it began.
        ended_at: When it ended.
        children: Ids of the nodes that follow it: name of the workflow, hyphen, hash of the node's full name.
    """

    name: str = ""
    state: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    children: tuple[str, ...] = ()


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
        service_account: Kubernetes service account of its pods.
        mlflow: What became of the entry in MLflow that was asked for; empty: nothing.
        history: Its states so far, the oldest first.
        rows: The nodes of its workflow, in no order.
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
    service_account: str = ""
    mlflow: str = ""
    history: tuple[str, ...] = ()
    rows: tuple[RowRecord, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in FINISHED

    @property
    def settled(self) -> bool:
        """Whether its rows have ended too: the server writes them some seconds after the state."""
        return self.finished and not any(row.state in ("RUNNING", "PENDING") for row in self.rows)

    @property
    def stopped(self) -> bool:
        """Whether somebody stopped it: servers end such a run as FAILED, and the state before tells."""
        if self.state == "FAILED":
            return self.history[-2:-1] == ("CANCELING",)
        return self.state == "CANCELED"

    @property
    def outcome(self) -> str:
        """Its state in a word for people."""
        if self.stopped:
            return "STOPPED"
        # Until Argo has looked at it a run has no state.
        return self.state if self.state not in ("", "RUNTIME_STATE_UNSPECIFIED") else "PENDING"

    @property
    def exit_code(self) -> ExitCode:
        """What a command that waited for this run ends with."""
        if self.state in ("SUCCEEDED", "SKIPPED"):
            return ExitCode.OK
        return ExitCode.INTERRUPTED if self.stopped else ExitCode.FAILED


@dataclass(frozen=True)
class VersionRecord:
    """A version of a pipeline. The server never changes what it holds.

    Attributes:
        pipeline_id: The pipeline.
        version_id: The server's name for the version.
        name: Our name for it: its digest.
        created_at: When it was uploaded.
        description: What we wrote about it: commit and digest of the spec.
        spec: What was uploaded, as the server gives it back; None where it was not asked for.
    """

    pipeline_id: str
    version_id: str
    name: str
    created_at: datetime | None = None
    description: str = ""
    spec: dict[str, object] | None = None


@dataclass(frozen=True)
class RecurringRunRecord:
    """What Kubeflow Pipelines calls a recurring run, before and after it was created.

    It cannot be changed once it is there, except that it can be enabled and disabled.

    Attributes:
        name: Its name; not unique on the server.
        pipeline_id: The pipeline.
        version_id: The version that its runs use, whatever is uploaded later.
        experiment_id: The experiment of its runs.
        cron: Six fields, seconds first, in the time zone of the server's controller; empty if an interval is set.
        interval_seconds: Seconds from one start to the next; 0 if a cron is set.
        start: No run before; None: from now on.
        end: No run after; None: for ever.
        parameters: What its runs get.
        max_concurrency: How many of its runs may go on at the same time, 1 to 10.
        catch_up: Whether starts that were missed are made up for, one by one.
        enabled: Whether it starts runs.
        description: What we wrote about it.
        service_account: Kubernetes service account of its runs; empty: the server's default.
        recurring_run_id: The server's name for it; empty before it is created.
        created_at: When it was created.
    """

    name: str
    pipeline_id: str
    version_id: str
    experiment_id: str
    cron: str = ""
    interval_seconds: int = 0
    start: datetime | None = None
    end: datetime | None = None
    parameters: dict[str, object] = field(default_factory=dict)
    max_concurrency: int = 1
    catch_up: bool = False
    enabled: bool = True
    description: str = ""
    service_account: str = ""
    recurring_run_id: str = ""
    created_at: datetime | None = None
