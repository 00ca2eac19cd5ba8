"""A recurring run as the server knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


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
