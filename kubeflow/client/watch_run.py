"""Follow a run until it ends."""

from __future__ import annotations

import time
from collections.abc import Callable

from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.run_record import RunRecord


def watch_run(
    api: KfpApi,
    run_id: str,
    on_change: Callable[[RunRecord], None],
    *,
    interval: float = 5.0,
    sleep: Callable[[float], None] = time.sleep,
) -> RunRecord:
    """Asks for a run again and again until it has ended.

    Args:
        api: The server.
        run_id: The run.
        on_change: Is told each state that was seen.
        interval: Seconds between two questions.
        sleep: Waits so many seconds.

    Returns:
        The run when it had ended.

    Raises:
        ServerError: If the server fails for longer than the retries take.
    """
    while True:
        run = api.get_run(run_id)
        on_change(run)
        if run.finished:
            return run
        sleep(interval)
