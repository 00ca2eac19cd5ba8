"""Follow a run until it ends."""

from __future__ import annotations

import time
from collections.abc import Callable

from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.run_record import RunRecord
from agnews.kubeflow.client.server_error import ServerError

# Rows of a run whose workflow was deleted never end.
_LAST_LOOKS = 12


def watch_run(
    api: KfpApi,
    run_id: str,
    on_change: Callable[[RunRecord], None],
    *,
    interval: float = 5.0,
    patience: float = 900.0,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> RunRecord:
    """Asks for a run again and again until it has ended.

    A run takes hours, and a server is restarted now and then: that does not end the watch. The server writes the state
    of a run before those of its steps, so the steps are looked at until they have ended as well.

    Args:
        api: The server.
        run_id: The run.
        on_change: Is told each state that was seen.
        interval: Seconds between two questions.
        patience: Seconds that the server may be away.
        sleep: Waits so many seconds.
        clock: Tells the time in seconds.

    Returns:
        The run when it had ended.

    Raises:
        ServerError: If the server refuses, or is away for too long.
    """
    last_answer, looks = clock(), 0
    while True:
        try:
            run = api.get_run(run_id)
        except ServerError as error:
            if not error.may_pass or clock() - last_answer > patience:
                raise
        else:
            last_answer = clock()
            on_change(run)
            if run.settled or (run.finished and looks >= _LAST_LOOKS):
                return run
            looks += run.finished
        sleep(interval)
