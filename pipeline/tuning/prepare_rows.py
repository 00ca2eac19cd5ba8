"""The rows that all trials of a study share."""

from __future__ import annotations

from rich.console import Console

from agnews.pipeline.local.live_view import LiveView
from agnews.pipeline.local.run_locally import RunRequest, run_locally
from agnews.pipeline.reports.describe_node import describe_node

LAST_NODE = "TokenGate"
"""Behind it, rows are tokenised and checked."""


def prepare_rows(request: RunRequest, console: Console) -> str:
    """Runs the pipeline up to the training; what an earlier run has done is answered from the cache.

    Args:
        request: The run, with `to_node` LAST_NODE. The caller holds the lock of the root folder.
        console: Where the run is drawn.

    Returns:
        Folder of the tokenised rows, with a folder a split in it.

    Raises:
        AgnewsError: The data cannot be used. The message names the step.
        KeyboardInterrupt: Ctrl-C or SIGTERM.
    """
    title = f"rows for tuning  data {request.config.data.source}  model {request.config.model.kind}"
    view = LiveView(console, title, describe_node)
    try:
        with view:
            run_locally(request, view)
    except Exception as error:
        from agnews.pipeline.local.explain_failure import explain_failure

        raise explain_failure(error, view.current, request.paths.log(request.run_id)) from error
    return view.results["Transform"].outputs["transformed_examples"]
