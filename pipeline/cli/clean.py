"""`agnews clean`: make room."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agnews.pipeline.literal_text import literal
from agnews.schemas.errors import AgnewsError

if TYPE_CHECKING:
    from agnews.pipeline.cleaning.plan_cleaning import Cleaning, Wish
    from agnews.pipeline.paths import Paths

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def clean(
    keep: Annotated[
        int | None, typer.Option("--keep", metavar="N", min=1, help="How many of the newest runs stay.")
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="AGE", help="Remove what is older: 12h, 30d, 8w."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")] = False,
    root: Annotated[Path, typer.Option(metavar="DIR", help="Root folder of runs.")] = Path("workspace"),
    pipeline_root: Annotated[
        str | None,
        typer.Option(
            "--pipeline-root",
            metavar="URI",
            help="Clean the pipeline root of a cluster in place of a root folder: a folder or a bucket.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Remove runs, artifacts, cache entries, studies, logs and scratch that nothing needs any more.

    What a run that stays needs stays too, so that it is still answered from the cache; so does all of the runs that
    made the model in production and the best one that was ever pushed. Models are left alone: see agnews models
    prune. What goes is named. The same call again removes nothing more.

    [bold]Examples[/bold]

      agnews clean --keep 5 --dry-run
      agnews clean --older-than 30d
      agnews clean --older-than 8w --pipeline-root s3://bucket/pipelines
    """
    from agnews.pipeline.cleaning.plan_cleaning import Wish

    if (keep is None) == (older_than is None):
        raise AgnewsError(
            "What is to stay has to be said, in one way.",
            found="neither --keep nor --older-than" if keep is None else "both --keep and --older-than",
            fix="Give one of them, for example --keep 5; with --dry-run nothing is removed.",
        )
    wish = Wish(keep, _age(older_than) if older_than is not None else None)
    if pipeline_root is not None:
        _clean_bucket(pipeline_root, wish, dry_run=dry_run, as_json=as_json)
        return
    _clean_root(root.expanduser().absolute(), wish, dry_run=dry_run, as_json=as_json)


def _age(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,5})([hdw])", text.strip())
    if not found:
        raise AgnewsError("This is no age.", found=text, fix="Give hours, days or weeks: 12h, 30d, 8w.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def _clean_root(root: Path, wish: Wish, *, dry_run: bool, as_json: bool) -> None:
    from agnews.pipeline.cleaning.clean import clean as carry_out
    from agnews.pipeline.cleaning.plan_cleaning import plan_cleaning
    from agnews.pipeline.paths import Paths, root_lock

    if not root.is_dir():
        raise AgnewsError("There is no such root folder.", found=root, fix="Name the one that runs were made in.")
    paths = Paths(root)
    with root_lock(paths.lock, "clean"):
        plan = plan_cleaning(paths, wish)
        if not dry_run:
            for _ in carry_out(paths, plan):
                pass
    if as_json:
        typer.echo(json.dumps(_as_json(plan, removed=not dry_run), indent=2))
        return
    _show(
        ((each.kind, _below(each.path, paths), each.size) for each in plan.items),
        kept=((f"run {name}", why) for name, why in sorted(plan.kept.items(), reverse=True)),
        dry_run=dry_run,
    )


def _below(path: Path, paths: Paths) -> str:
    return str(path.relative_to(paths.root))


def _as_json(plan: Cleaning, *, removed: bool) -> dict[str, object]:
    items = [{"kind": each.kind, "path": str(each.path), "bytes": each.size} for each in plan.items]
    return {"removed": removed, "items": items, "kept_runs": dict(plan.kept)}


def _clean_bucket(root: str, wish: Wish, *, dry_run: bool, as_json: bool) -> None:
    from agnews.components.storage.read_secret import require_no_credentials
    from agnews.pipeline.cleaning.clean_bucket import clean_bucket, plan_bucket

    require_no_credentials(root, "the pipeline root")
    runs = plan_bucket(root, wish)
    if not dry_run:
        for _ in clean_bucket(root, runs):
            pass
    gone = [run for run in runs if not run.kept_because]
    if as_json:
        items = [{"kind": "run", "path": run.uri, "bytes": run.size} for run in gone]
        kept = {run.uri: run.kept_because for run in runs if run.kept_because}
        typer.echo(json.dumps({"removed": not dry_run, "items": items, "kept_runs": kept}, indent=2))
        return
    _show(
        (("run", run.uri, run.size) for run in gone),
        kept=((run.uri, run.kept_because) for run in runs if run.kept_because),
        dry_run=dry_run,
    )


def _show(items: Iterable[tuple[str, str, int]], *, kept: Iterable[tuple[str, str]], dry_run: bool) -> None:
    from rich.table import Table

    from agnews.pipeline.printable_console import printable_console

    console = printable_console(soft_wrap=True)
    rows = list(items)
    table = Table(box=None, padding=(0, 2), pad_edge=False, show_header=False)
    for kind, path, size in rows:
        table.add_row(kind, literal(path), f"{size / 1e6:,.1f} MB")
    if rows:
        console.print(table)
    for name, why in kept:
        console.print(f"[dim]kept: {literal(name)}, {literal(why)}[/dim]")
    megabytes = sum(each for _, _, each in rows) / 1e6
    done = "would be removed" if dry_run else "removed"
    console.print(f"{len(rows)} thing{'s' * (len(rows) != 1)} {done}, {megabytes:,.1f} MB", style="bold")
