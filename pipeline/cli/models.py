"""`agnews models`: look at pushed versions, go back to one, sign them, remove old ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agnews.pipeline.cli.models_promote import copy, print_untold, promote
from agnews.pipeline.cli.store_options import NAME, ROOT, JsonOption, NameOption, RootOption, StoreOption, open_store
from agnews.pipeline.literal_text import literal, printable
from agnews.schemas.errors import AgnewsError

if TYPE_CHECKING:
    from rich.console import Console

    from agnews.components.model_store import ModelStore
    from agnews.components.model_store.serving_leases import Lease

app = typer.Typer(help="Look at pushed versions, go back to one, sign them, remove old ones.", no_args_is_help=True)

app.command()(promote)
app.command()(copy)

_KEY, _PUBLIC_KEY = Path("key.pem"), Path("key.pub")
_MOVES_SHOWN = 5


@app.command(name="list")
def list_models(
    root: RootOption = ROOT, store: StoreOption = None, name: NameOption = NAME, as_json: JsonOption = False
) -> None:
    """List the versions, newest first: accuracy, size, which one is in production, and which servers use them."""
    from rich.table import Table
    from rich.text import Text

    from agnews.pipeline.printable_console import printable_console

    models = open_store(root, store, name)
    rows = _describe(models)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    console = printable_console(soft_wrap=True)
    if not rows:
        console.print(f"No version was pushed to {literal(models.uri)} yet. Next: [bold]agnews run[/bold]")
        return
    table = Table(box=None, padding=(0, 2), pad_edge=False, header_style="dim")
    table.add_column("version", no_wrap=True)
    table.add_column("pushed", no_wrap=True)
    table.add_column("accuracy", justify="right", no_wrap=True)
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("served by", overflow="fold")
    styles = {"in production": "bold green", "withdrawn": "yellow", "damaged": "bold red"}
    for row in rows:
        style = styles.get(row["state"], "")
        table.add_row(
            Text(row["version"], style="bold" if row["state"] == "in production" else ""),
            _ago(row["pushed_at"]),
            f"{100 * row['accuracy']:.2f} %" if row["accuracy"] is not None else "-",
            f"{row['bytes'] / 1e6:,.1f}",
            Text(row["state"], style=style),
            literal(", ".join(row["served_by"])) or "-",
        )
    console.print(table)
    _print_moves(console, models)
    console.print(f"\n{models.uri}", style="dim", markup=False)


@app.command()
def show(
    version: Annotated[str, typer.Argument(metavar="[VERSION]", help="Default: the one in production.")] = "",
    root: RootOption = ROOT,
    store: StoreOption = None,
    name: NameOption = NAME,
    as_json: JsonOption = False,
) -> None:
    """Print what is known about a version: its record, the servers that use it, and its model card."""
    from rich.markdown import Markdown
    from rich.text import Text

    from agnews.components.model_store.find_pushed_model import find_pushed_model
    from agnews.pipeline.printable_console import printable_console

    models = open_store(root, store, name)
    found = find_pushed_model(models, version)
    (row,) = _describe(models, found.record.version)
    card = models.model_card(found.record.version)
    document = {**found.record.model_dump(mode="json"), **row, "folder": found.folder, "card": card or None}
    if as_json:
        typer.echo(json.dumps(document, indent=2))
        return
    learnt = found.record.learnt_from
    facts = {
        "version": f"{found.record.version} of {found.record.name}",
        "state": row["state"] or "older than the one in production",
        "pushed": f"{found.record.pushed_at:%Y-%m-%d %H:%M} UTC, {_ago(row['pushed_at'])}",
        "accuracy": f"{100 * found.record.accuracy:.2f} % on the test split",
        "judged against": found.record.judged_against or "nothing: it was the first",
        "overruled": ", ".join(found.record.overruled),
        "classes": ", ".join(found.record.classes),
        "run": found.record.run_id,
        "data": learnt.digest if learnt else "",
        "digest": found.record.model_digest,
        "size": f"{row['bytes'] / 1e6:,.1f} MB",
        "served by": ", ".join(row["served_by"]),
        "folder": found.folder,
    }
    console = printable_console(soft_wrap=True)
    for fact, value in facts.items():
        if value:
            console.print(Text.assemble((f"{fact:<16}", "bold"), printable(value)))
    if card:
        console.print()
        console.print(Markdown(printable(card)))


@app.command()
def rollback(
    to: Annotated[str, typer.Option(metavar="VERSION", help="Default: the one before the one in production.")] = "",
    why: Annotated[str, typer.Option(metavar="TEXT", help="What was wrong; kept in the store with your name.")] = "",
    root: RootOption = ROOT,
    store: StoreOption = None,
    name: NameOption = NAME,
    as_json: JsonOption = False,
) -> None:
    """Put an earlier version into production, or a later one that was rolled back from.

    The files of the version are checked first; then the pointer moves in one step. No model is removed. A run that
    makes the withdrawn model again does not bring it back: `agnews models rollback --to VERSION` does.

    [bold]Examples[/bold]

      agnews models rollback --why "sports texts come out as business"
      agnews models rollback --to 1763820000
    """
    from agnews.pipeline.printable_console import printable_console
    from agnews.pipeline.promotion.put_into_production import put_into_production

    done = put_into_production(open_store(root, store, name), to, why=why)
    before, after = done.before.version, done.after.version
    if as_json:
        typer.echo(json.dumps({"before": before, "after": after}, indent=2))
        return
    console = printable_console(soft_wrap=True)
    if before == after:
        console.print(f"Version [bold]{after}[/bold] is in production already; nothing was changed.")
        return
    console.print(
        f"[green]✓[/green] version [bold]{after}[/bold] is in production, in place of {before}  "
        f"(accuracy {100 * done.after.accuracy:.2f} % instead of {100 * done.before.accuracy:.2f} %)"
    )
    console.print("  `agnews serve` changes to it within seconds, without a failed request.")
    console.print("  TensorFlow Serving knows no pointer and takes the highest number, unless its model config names")
    console.print(f"  the version: model_version_policy {{ specific {{ versions: {after} }} }}")
    if int(after) < int(before):
        console.print("  Runs are judged against it from now on, and those that would make the withdrawn model again")
        console.print(f"  leave it alone. Back: [bold]agnews models rollback --to {before}[/bold]")
    print_untold(done, console)


@app.command()
def sign(
    version: Annotated[str, typer.Argument(metavar="[VERSION]", help="Default: the one in production.")] = "",
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="Private key, PEM, of an elliptic curve.")] = _KEY,
    password_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Holds the key's password. Default: AGNEWS_KEY_PASSWORD, or none."),
    ] = None,
    root: RootOption = ROOT,
    store: StoreOption = None,
    name: NameOption = NAME,
    as_json: JsonOption = False,
) -> None:
    r"""Sign a version: its files, and the record of the run, the data and the code that made it.

    The signature lies beside the version, in the format of Sigstore's model-signing, which other tools check too. It
    needs the package model-signing (pip install 'agnews\[sign]') and no network.

    [bold]Examples[/bold]

      openssl ecparam -name prime256v1 -genkey -noout -out key.pem
      openssl ec -in key.pem -pubout -out key.pub
      agnews models sign --key key.pem
      agnews models verify --key key.pub
    """
    from agnews.components.model_store.find_pushed_model import find_pushed_model
    from agnews.components.model_store.signatures import sign_version
    from agnews.components.storage.read_secret import read_secret
    from agnews.pipeline.printable_console import printable_console

    models = open_store(root, store, name)
    found = find_pushed_model(models, version).record.version
    path = sign_version(models, found, key.expanduser(), read_secret("AGNEWS_KEY_PASSWORD", file=password_file))
    if as_json:
        typer.echo(json.dumps({"version": found, "signature": path}, indent=2))
        return
    console = printable_console(soft_wrap=True)
    console.print(f"[green]✓[/green] version [bold]{found}[/bold] is signed")
    console.print(f"  {literal(path)}", style="dim")


@app.command()
def verify(
    version: Annotated[str, typer.Argument(metavar="[VERSION]", help="Default: the one in production.")] = "",
    key: Annotated[Path, typer.Option("--key", metavar="FILE", help="Public key, PEM.")] = _PUBLIC_KEY,
    root: RootOption = ROOT,
    store: StoreOption = None,
    name: NameOption = NAME,
    as_json: JsonOption = False,
) -> None:
    """Check that a version is what the holder of a key has signed. Ends with 1 where it is not, or is not signed."""
    from agnews.components.model_store.find_pushed_model import find_pushed_model
    from agnews.components.model_store.signatures import verify_version
    from agnews.pipeline.printable_console import printable_console

    models = open_store(root, store, name)
    record = verify_version(models, find_pushed_model(models, version).record.version, key.expanduser())
    if as_json:
        typer.echo(record.model_dump_json(indent=2))
        return
    learnt = record.learnt_from.digest if record.learnt_from else "unknown"
    console = printable_console(soft_wrap=True)
    console.print(f"[green]✓[/green] version [bold]{record.version}[/bold] is what was signed")
    console.print(
        f"  run {literal(record.run_id)}, data sha256 {literal(learnt)}, configuration and code "
        f"{literal(record.fingerprint)}",
        style="dim",
    )


@app.command()
def prune(
    keep: Annotated[int, typer.Option(metavar="N", min=1, help="How many of the newest versions to keep.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
    root: RootOption = ROOT,
    store: StoreOption = None,
    name: NameOption = NAME,
    as_json: JsonOption = False,
) -> None:
    """Remove old versions.

    Besides the N newest, what is in production, what a running server uses, and what was rolled back from stay.
    """
    from rich.table import Table
    from rich.text import Text

    from agnews.components.model_store.prune import prune as remove_old
    from agnews.pipeline.printable_console import printable_console

    prunings = remove_old(open_store(root, store, name), keep, dry_run=dry_run)
    if as_json:
        rows = [
            {
                "version": each.version,
                "bytes": each.size,
                "removed": not each.kept_because and not dry_run,
                "would_be_removed": not each.kept_because,
                "kept_because": each.kept_because or None,
            }
            for each in prunings
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    removed = "would be removed" if dry_run else "removed"
    table = Table(box=None, padding=(0, 2), pad_edge=False, show_header=False)
    for each in reversed(prunings):
        fate = (
            Text(printable(f"kept: {each.kept_because}")) if each.kept_because else Text(removed, style="bold yellow")
        )
        table.add_row(each.version, f"{each.size / 1e6:,.1f} MB", fate)
    console = printable_console(soft_wrap=True)
    console.print(table)
    gone = [each for each in prunings if not each.kept_because]
    size = sum(each.size for each in gone) / 1e6
    console.print(f"\n{len(gone)} version{'s' * (len(gone) != 1)} {removed}, {size:,.1f} MB", style="dim")


def _describe(models: ModelStore, only: str = "") -> list[dict[str, Any]]:
    """What the table and its JSON show, newest first. A damaged version is listed as such, with all others."""
    from agnews.components.model_store.serving_leases import living_leases

    production, leases = models.production(), living_leases(models.uri)
    current = production.version if production else ""
    moves: dict[str, list[dict[str, Any]]] = {}
    for move in models.moves():
        moves.setdefault(move.version, []).append(move.model_dump(mode="json", exclude={"version"}))
    rows = [
        {**_describe_version(models, version, current, leases), "moves": moves.get(version, [])}
        for version in models.versions()
        if only in ("", version)
    ]
    rows += [_describe_foreign(models, version) for version in models.foreign() if not only]
    return sorted(rows, key=lambda row: -int(row["version"]))


def _describe_foreign(models: ModelStore, version: str) -> dict[str, Any]:
    return {
        "version": version,
        "state": "not ours",
        "problem": f"{models.folder(version)} was not pushed by agnews: it has no record. Nothing here uses or removes "
        "it; TensorFlow Serving would serve it if its number is the highest.",
        "pushed_at": None,
        "accuracy": None,
        "run_id": None,
        "bytes": models.size(version),
        "served_by": [],
        "moves": [],
    }


def _print_moves(console: Console, models: ModelStore) -> None:
    """Who changed what is in production, where it was no push by merit; the last five."""
    from rich.text import Text

    told = [move for move in models.moves() if move.action != "push"][-_MOVES_SHOWN:]
    if told:
        console.print()
    for move in reversed(told):
        how = f"{move.action} to {move.version} from {move.before or 'nothing'} by {move.by} on {move.host}"
        why = f": {move.why}" if move.why else ""
        console.print(Text(printable(f"{_ago(move.at.isoformat())}, {how}{why}"), style="dim"))


def _describe_version(models: ModelStore, version: str, current: str, leases: tuple[Lease, ...]) -> dict[str, Any]:
    state = "in production" if version == current else ""
    if current and int(version) > int(current):
        state = "withdrawn"
    row: dict[str, Any] = {"version": version, "state": state, "pushed_at": None, "accuracy": None, "run_id": None}
    try:
        record = models.record(version)
        row |= {
            "pushed_at": record.pushed_at.isoformat(),
            "accuracy": record.accuracy,
            "run_id": record.run_id,
            "model_digest": record.model_digest,
        }
    except AgnewsError as error:
        row |= {"state": "damaged", "problem": f"{error.problem} {error.found}"}
    row["bytes"] = models.size(version)
    row["served_by"] = [f"{lease.host}:{lease.pid}" for lease in leases if lease.version == version]
    return row


def _ago(when: str | None) -> str:
    if when is None:
        return "-"
    seconds = (datetime.now(UTC) - datetime.fromisoformat(when)).total_seconds()
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' * (count > 1)} ago"
    return "just now"
