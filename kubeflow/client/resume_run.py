"""A run that failed or was stopped goes on from where it was cut."""

from __future__ import annotations

import uuid
from dataclasses import replace

from agnews.kubeflow.client.kfp_api import KfpApi
from agnews.kubeflow.client.run_record import RunRecord
from agnews.kubeflow.client.server_error import ServerError
from agnews.schemas.errors import AgnewsError


def resume_run(api: KfpApi, run: RunRecord) -> RunRecord:
    """Runs the failed steps of a run, and what follows them, again; steps that succeeded keep their outputs.

    Args:
        api: The server.
        run: The run; it must have ended, and not well.

    Returns:
        The run that goes on: the same one. Where the server cannot do that, a new one with the same version and
        parameters, which takes from the cache what the first had done.

    Raises:
        AgnewsError: The run goes on, or has succeeded.
        ServerError: The server refuses, or cannot be reached.
    """
    if not run.finished:
        raise AgnewsError(
            "The run has not ended: there is nothing to retry.",
            found=run.outcome,
            fix=f"agnews runs show {run.run_id} says what it does; agnews runs stop {run.run_id} stops it.",
        )
    if run.state in ("SUCCEEDED", "SKIPPED"):
        raise AgnewsError("The run has succeeded: there is nothing to retry.", fix="agnews submit starts another one.")
    try:
        api.retry_run(run.run_id)
    except ServerError as error:
        # The run is there, since it was asked for before: so it is the request that the server does not know.
        if error.status not in (404, 405, 501):
            raise
        fresh = replace(run, run_id="", description=f"in the place of {run.run_id}")
        return api.create_run(fresh, mark=f"submission {uuid.uuid4()}")
    return api.get_run(run.run_id)
