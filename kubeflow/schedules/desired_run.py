"""From a schedule in the file to a recurring run as the server should have it."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from agnews.kubeflow.client.recurring_run_record import RecurringRunRecord
from agnews.kubeflow.schedules.cron import Cron
from agnews.kubeflow.schedules.schedule import Schedule
from agnews.kubeflow.schedules.server_cron import server_cron


def desired_run(
    schedule: Schedule,
    *,
    pipeline_id: str,
    version_id: str,
    experiment_id: str,
    server_zone: ZoneInfo,
    now: datetime,
) -> RecurringRunRecord:
    """Translates a schedule.

    Args:
        schedule: From the file.
        pipeline_id: The pipeline.
        version_id: The version that its runs use.
        experiment_id: The experiment of its runs.
        server_zone: The time zone in which the server evaluates crons.
        now: The present.

    Returns:
        What the server should have; not created yet.

    Raises:
        AgnewsError: If the server cannot keep the cron in the schedule's time zone.
    """
    begin, end = schedule.window
    cron = ""
    if schedule.cron is not None:
        cron = server_cron(Cron.parse(schedule.cron), schedule.zone, server_zone, now=now, end=end)
    return RecurringRunRecord(
        name=schedule.name,
        pipeline_id=pipeline_id,
        version_id=version_id,
        experiment_id=experiment_id,
        cron=cron,
        interval_seconds=int(schedule.interval.total_seconds()),
        start=begin,
        end=end,
        parameters=dict(schedule.parameters),
        max_concurrency=schedule.max_concurrency,
        catch_up=schedule.catch_up,
        enabled=schedule.enabled,
        service_account=schedule.service_account,
    )
