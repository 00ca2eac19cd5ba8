"""The report of an earlier run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agnews.components.report.assemble_report import headline
from agnews.pipeline.literal_text import literal
from agnews.pipeline.paths import Paths
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.first_problem import first_problem
from agnews.schemas.run_report import RunReport

if TYPE_CHECKING:
    from agnews.schemas.run_config import RunConfig


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


_LOOKED_AT = 50


def training_seconds(paths: Paths, config: RunConfig, digest: str) -> float | None:
    """Tells how long a training took before.

    Args:
        paths: Where runs are stored.
        config: The configuration; its model and its number of epochs count.
        digest: Digest of the data.

    Returns:
        Seconds of the Trainer in the newest run that was like this one; None where there is none.
    """
    for name in list_runs(paths)[:_LOOKED_AT]:
        try:
            report = read_report(paths, name)
        except AgnewsError:
            continue
        trainer, training = report.nodes.get("Trainer"), report.settings.get("training")
        if (
            trainer is not None
            and trainer.state == "done"
            and report.model == config.model.model_dump(mode="json")
            and isinstance(training, dict)
            and training.get("epochs") == config.training.epochs
            and report.data is not None
            and report.data.digest == digest
        ):
            return trainer.seconds
    return None


_STYLES = {"good": "green", "bad": "red", "plain": ""}


def show_runs(reports: Mapping[str, RunReport | None], more: int, console: Console) -> None:
    """Prints a line for each run.

    Args:
        reports: By id of the run, in the order to show; None where a run has left no report.
        more: How many runs are not among them.
        console: Where to print.
    """
    if not reports:
        console.print("There is no run yet. Start with: [bold]agnews run[/bold]")
        return
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim")
    # In a narrow terminal words are folded; figures and the name of the run stay whole.
    table.add_column("run", no_wrap=True)
    for column in ("model", "data"):
        table.add_column(column, overflow="fold")
    for column in ("accuracy", "seconds"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("outcome")
    for name, report in reports.items():
        table.add_row(literal(name), *(_cells(report) if report else ("", "", "", "", Text("no report", style="dim"))))
    console.print(table)
    if more:
        console.print(f"[dim]and {more:,} older: --last {more + len(reports)}[/dim]")


def _cells(report: RunReport) -> tuple[str | Text, ...]:
    outcome = headline(report)
    return (
        literal(report.model.get("kind", "")),
        literal(report.data.name) if report.data else "",
        f"{100 * report.metrics.accuracy:.2f} %" if report.metrics else "",
        f"{report.seconds:,.0f}" if report.seconds is not None else "",
        Text(outcome.words, style=_STYLES[outcome.tone]),
    )
