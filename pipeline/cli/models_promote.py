"""`agnews models promote` and `agnews models copy`: what goes into production without a run that trains."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agnews.pipeline.cli.store_options import NAME, ROOT, JsonOption, NameOption, RootOption, StoreOption, open_store
from agnews.schemas.errors import AgnewsError

if TYPE_CHECKING:
    from rich.console import Console

    from agnews.components.model_export.labelled_texts import LabelledTexts
    from agnews.components.model_store import ModelStore
    from agnews.components.model_store.find_pushed_model import PushedModel
    from agnews.pipeline.promotion.judge_version import Judgement
    from agnews.pipeline.promotion.put_into_production import Moved

ForceOption = Annotated[bool, typer.Option("--force", help="Promote although rules fail; asks for --reason.")]
ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the store with your name.")]


def promote(
    what: Annotated[str, typer.Argument(metavar="VERSION|RUN", help="A version of the store, or a run (or latest).")],
    force: ForceOption = False,
    reason: ReasonOption = "",
    test: Annotated[
        str,
        typer.Option(metavar="FILE|RUN", help="Rows to judge a version on; default: those of the run that made it."),
    ] = "",
    root: RootOption = ROOT,
    store: StoreOption = None,
    name: NameOption = NAME,
) -> None:
    """Put the model of a run, or a version of the store, into production.

    A run that was told --no-push, or whose model was held back, is taken up behind its training: floors, the paired
    test against what is in production now, and the smoke test decide, and nothing is trained. If data, configuration
    or code have changed since, the run is refused. A model that rules hold back needs --force --reason TEXT; a failed
    smoke test stops it still.

    A version of the store answers labelled rows beside the one in production: those of the run that made it, or of
    --test. The floors of its corpus, the paired test and the smoke test decide, its files are checked, and the pointer
    moves. `agnews models rollback` moves it at once, without a question: that is for emergencies.

    Exit codes: 0 it is in production; 2 it cannot be judged; 3 it was held back.

    [bold]Examples[/bold]

      agnews run --data DIR --no-push
      agnews models promote latest
      agnews models promote 20261129T091222-4f81 --force --reason "labels of the test file were wrong"
      agnews models promote 1795943805
      agnews models promote 1795943805 --test newest/test.csv
    """
    _require_reason(force, reason)
    if what.isdecimal():
        _promote_version(open_store(root, store, name), what, test, root, force=force, reason=reason)
        return
    if test:
        raise AgnewsError(
            "A run has test rows of its own.", found=f"--test {test}", fix="Leave --test out, or name a version."
        )
    if store is not None:
        raise AgnewsError(
            "A run is promoted to the store of its root folder.",
            found=f"--store {store}",
            fix="Promote it there, then `agnews models copy VERSION --to URI`.",
        )
    from agnews.pipeline.cli.run import run_and_show
    from agnews.pipeline.paths import prepare_root
    from agnews.pipeline.reports.find_run import find_run
    from agnews.schemas.run_config import RunConfig

    paths = prepare_root(root)
    report = find_run(paths, what)
    if report.fingerprint is None or report.metrics is None:
        raise AgnewsError(
            "The run has no model that was judged.",
            found=f"{report.run_id}: {report.error or 'it ended before'}",
            fix="`agnews report list` shows all runs; take one with an accuracy.",
        )
    config = RunConfig.model_validate({**report.settings, "model": report.model})
    if force:
        evaluation = config.evaluation.model_copy(update={"force_promotion": True})
        config = config.model_copy(update={"evaluation": evaluation})
    raise typer.Exit(run_and_show(config, paths, reason=reason, only_known=report.fingerprint))


def copy(
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A version of the store.")],
    to: Annotated[str, typer.Option(metavar="URI", help="Folder or URI of the other store.")],
    force: ForceOption = False,
    reason: ReasonOption = "",
    root: RootOption = ROOT,
    store: StoreOption = None,
    name: NameOption = NAME,
    as_json: JsonOption = False,
) -> None:
    """Copy a version to another store, and put it into production there: from staging to production.

    Its files are compared with its digest before, and again once they are written. It goes where nothing is in
    production, or the model that it was found not worse than; anything else needs --force --reason TEXT.

    [bold]Examples[/bold]

      agnews models copy 1795943805 --to s3://bucket/production
    """
    from agnews.components.model_store import ModelStore
    from agnews.components.model_store.copy_version import copy_version
    from agnews.components.storage.read_secret import require_no_credentials
    from agnews.pipeline.literal_text import literal
    from agnews.pipeline.printable_console import printable_console

    _require_reason(force, reason)
    require_no_credentials(to, "the other store (--to)")
    target = ModelStore(to if "://" in to else str(Path(to).expanduser().absolute()), name)
    done = copy_version(open_store(root, store, name), version, target, force=force, reason=reason)
    if as_json:
        typer.echo(json.dumps({"from": version, "to": done.record.version, "store": target.uri, "new": done.is_new}))
        return
    console = printable_console(soft_wrap=True)
    if not done.is_new:
        console.print(f"The model is in production there already, as version [bold]{done.record.version}[/bold].")
        return
    console.print(
        f"[green]✓[/green] version {version} is in production in {literal(target.uri)}, "
        f"as version [bold]{done.record.version}[/bold]"
    )


def print_untold(done: Moved, console: Console) -> None:
    """Says that MLflow's aliases do not follow, where they do not.

    Args:
        done: What changed.
        console: Where to.
    """
    from agnews.pipeline.literal_text import literal

    if done.untold:
        console.print(f"  [yellow]MLflow does not know of it:[/yellow] {literal(done.untold)}")


def _promote_version(models: ModelStore, version: str, test: str, root: Path, *, force: bool, reason: str) -> None:
    from rich.console import Console

    from agnews.components.model_store.find_pushed_model import find_pushed_model
    from agnews.pipeline.local.quiet_output import quiet_output
    from agnews.pipeline.printable_console import printable_console
    from agnews.pipeline.promotion.put_into_production import put_into_production

    console = printable_console(soft_wrap=True)
    candidate, current = find_pushed_model(models, version), models.production()
    if current is not None and current.version == version:
        console.print(f"Version [bold]{version}[/bold] is in production already; nothing was changed.")
        return
    rows = _rows(test, root, candidate, force=force)
    with quiet_output(Path(os.devnull)) as terminal, Console(file=terminal).status("Judging ..."):
        from agnews.pipeline.promotion.judge_version import judge_version

        production = find_pushed_model(models, current.version) if current is not None else None
        found = judge_version(candidate, production, rows, force=force)
    overruled = _tell(found, rows, console)
    why = "; ".join(filter(None, (reason, f"overruled: {overruled}" if overruled else "")))
    done = put_into_production(models, version, why=why)
    console.print(
        f"[green]✓[/green] version [bold]{version}[/bold] is in production, in place of {done.before.version}"
    )
    print_untold(done, console)


def _rows(test: str, root: Path, candidate: PushedModel, *, force: bool) -> LabelledTexts | None:
    from agnews.pipeline.labelled_rows import labelled_rows

    try:
        return labelled_rows(test or candidate.record.run_id, root, candidate)
    except AgnewsError as error:
        if force and not test:
            return None
        raise AgnewsError(
            f"Version {candidate.record.version} cannot be judged: its test rows are not here.",
            found=f"{error.problem} ({error.found})",
            fix="Name labelled rows with --test FILE, or overrule the rules with --force --reason TEXT.",
        ) from error


def _tell(found: Judgement, rows: LabelledTexts | None, console: Console) -> str:
    """Prints the verdict, and returns what was overruled; ends the command where the version stays out."""
    from rich.text import Text

    from agnews.schemas.errors import ExitCode

    verdict, smoke = found.verdict, found.smoke
    if rows is not None:
        console.print(Text(f"judged on {len(rows.texts):,} rows of {rows.source}"))
    failed = verdict.failed_rules if verdict is not None else ()
    for reason in verdict.reasons if verdict is not None else ("no rows were named: it is compared with nothing",):
        console.print(Text(f"  {reason}"))
    for check in smoke.checks:
        if not check.passed:
            console.print(Text(f"  smoke test: {check.name}: {check.found}, wanted: {check.bound}"))
    if smoke.passed:
        console.print(f"  the smoke test passes: {smoke.latency_ms:.0f} ms a text, {smoke.size_mb:.0f} MB")
    if not smoke.passed or (verdict is not None and not verdict.blessed):
        console.print("[red]✗[/red] It stays out of production; nothing was changed.")
        if smoke.passed:
            console.print("  A person who knows better says --force --reason TEXT.")
        raise typer.Exit(ExitCode.NOT_BLESSED)
    return ", ".join(failed) if verdict is not None else "all rules, as there were no rows"


def _require_reason(force: bool, reason: str) -> None:
    if force and not reason.strip():
        raise AgnewsError(
            "Whoever overrules a rule says why.", found="--force without --reason", fix='Add --reason "TEXT".'
        )
