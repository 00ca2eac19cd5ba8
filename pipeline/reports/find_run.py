"""The report of an earlier run."""

from __future__ import annotations

from pydantic import ValidationError

from agnews.pipeline.local.paths import Paths
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.first_problem import first_problem
from agnews.schemas.run_report import RunReport

LATEST, PREVIOUS = "latest", "previous"
_NEWEST = (LATEST, PREVIOUS)


def list_runs(paths: Paths) -> list[str]:
    """Returns the ids of all runs under a root, the newest first, those without a report included."""
    if not paths.runs.is_dir():
        return []
    return sorted((folder.name for folder in paths.runs.iterdir() if folder.is_dir()), reverse=True)


def find_run(paths: Paths, name: str) -> RunReport:
    """Reads the report of a run.

    Args:
        paths: Where runs are stored.
        name: Id of the run, its beginning where no other run begins so, or `latest` or `previous` for the newest,
            or the one before it, that have a report.

    Returns:
        The report.

    Raises:
        AgnewsError: There is no such run, or it left no report.
    """
    runs = list_runs(paths)
    if name in _NEWEST:
        position = _NEWEST.index(name)
        found = [run for run in runs if paths.report(run).is_file()][position : position + 1]
    else:
        found = [run for run in runs if run == name] or [run for run in runs if run.startswith(name)]
    if len(found) != 1:
        raise AgnewsError(
            "There is no run yet." if not runs else "No run has this name." if not found else "Several runs begin so.",
            found=f"{name} in {paths.runs}" if len(found) < 2 else ", ".join(found),
            fix="`agnews report list` shows all runs of a root folder; --root DIR chooses another.",
        )
    return read_report(paths, found[0])


def read_report(paths: Paths, run_id: str) -> RunReport:
    """Reads the report of a run that exists.

    Args:
        paths: Where runs are stored.
        run_id: Id of the run.

    Returns:
        The report.

    Raises:
        AgnewsError: It left no report, or one that this version cannot read.
    """
    path = paths.report(run_id)
    if not path.is_file():
        raise AgnewsError(
            f"Run {run_id} has left no report: it goes on still, or its process was killed.",
            found=f"no {path}",
            fix=f"Look into {paths.log(run_id)}; the same `agnews run` goes on where it was cut.",
        )
    try:
        return RunReport.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise AgnewsError(
            f"{path} is no report that this version of agnews can read.",
            found=first_problem(error),
            fix="Run again: what has not changed is answered from the cache, and the report is written anew.",
            exit_code=ExitCode.FAILED,
        ) from error
