"""`agnews data`: get the files of a corpus, check them, describe them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agnews.pipeline.literal_text import literal, printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress
    from rich.table import Table

    from agnews.components.corpus_files.inspect_corpus import Inspection
    from agnews.schemas.corpus import Corpus
    from agnews.schemas.data_card import DataCard

app = typer.Typer(help="Get the news, check them, describe them.", no_args_is_help=True)

CorpusOption = Annotated[str, typer.Option("--corpus", metavar="NAME", help="Which corpus the files are of.")]
WindowOption = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Take the newest N of a folder of dated spans. \\[default: all]"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_CORPUS = "ag_news"
_BAR = 10


@app.command()
def fetch(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the files; made if it is missing.")],
    corpus: CorpusOption = _CORPUS,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Take the files from a mirror, as URL/train.csv and so on.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Download the official files.

    Their sha256 is enforced, a download that was cut goes on where it stopped, and a file that is there already is
    never replaced.
    """
    from rich.console import Console

    from agnews.components.corpus_files.fetch_corpus import fetch_corpus
    from agnews.schemas.corpus import corpus_named

    wanted = corpus_named(corpus)
    console = Console(highlight=False)
    with _download_bars(wanted) as on_progress:
        files = fetch_corpus(wanted, folder, base_url=base_url, on_progress=on_progress)
    if as_json:
        facts = [
            {
                "name": file.name,
                "path": str(file.path),
                "sha256": file.sha256,
                "bytes": file.size,
                "downloaded_bytes": file.downloaded,
            }
            for file in files
        ]
        typer.echo(json.dumps(facts, indent=2))
        return
    for file in files:
        how = "downloaded" if file.downloaded else "already there"
        console.print(
            f"[green]✓[/green] [bold]{literal(file.name)}[/bold]  {file.size:,} bytes, {how}, sha256 as published"
        )
    console.print(f"\n[dim]{literal(wanted.licence)}[/dim]")
    console.print(f"\nNext: [bold]agnews run --data {literal(folder)}[/bold]", soft_wrap=True)


@app.command()
def check(
    source: Annotated[str, typer.Argument(metavar="DIR|URI", help="Folder that holds the files.")],
    corpus: CorpusOption = _CORPUS,
    max_reject_share: Annotated[
        float | None,
        typer.Option(metavar="SHARE", min=0.0, max=1.0, help="Share of bad rows to put up with. \\[default: 0.01]"),
    ] = None,
    window: WindowOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read every row, list the bad ones with place and reason, and say whether a run would accept the files.

    Ends with exit code 2 if it would not.
    """
    from rich.console import Console

    found = _inspect(source, corpus, max_reject_share, window)
    if as_json:
        typer.echo(json.dumps(_as_json(found), indent=2, ensure_ascii=False))
    else:
        console = Console(highlight=False)
        for file in found.card.files:
            _print_file(console, file, found)
        for note in found.notes:
            console.print(f"[yellow]![/yellow] {literal(note)}", soft_wrap=True)
    if found.problem is not None:
        raise found.problem
    if not as_json:
        console.print(
            f"\n[green]✓ A run accepts these files:[/green] [bold]agnews run --data {source}{_setting(window)}[/bold]"
        )


@app.command()
def describe(
    source: Annotated[
        str, typer.Argument(metavar="[sample|DIR|URI]", help="The generated sample, or a folder of files.")
    ] = "sample",
    corpus: CorpusOption = _CORPUS,
    window: WindowOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the measured card: rows, classes, lengths, duplicates within and across splits, remnants of markup.

    The splits are those of a run with default settings.
    """
    from rich.console import Console

    from agnews.schemas.corpus import corpus_named

    found = _inspect(source, corpus, None, window)
    if as_json:
        typer.echo(found.card.model_dump_json(indent=2))
        return
    console = Console(highlight=False)
    for part in _card(found, corpus_named(corpus)):
        console.print(part)


def _setting(window: int | None) -> str:
    return "" if window is None else f" --set data.window={window}"


def _inspect(source: str, corpus: str, max_reject_share: float | None, window: int | None) -> Inspection:
    from rich.console import Console

    from agnews.components.corpus_files.inspect_corpus import inspect_corpus
    from agnews.schemas.corpus import corpus_named
    from agnews.schemas.run_config import DataConfig

    defaults = DataConfig()
    share = defaults.max_reject_share if max_reject_share is None else max_reject_share
    with Console(stderr=True).status("Reading ...") as status:
        return inspect_corpus(
            source,
            corpus_named(corpus),
            eval_share=defaults.eval_share,
            max_reject_share=share,
            window=window,
            on_rows=lambda rows: status.update(f"Reading ... {rows:,} rows"),
        )


def _as_json(found: Inspection) -> dict[str, object]:
    problem = found.problem
    return {
        "usable": problem is None,
        "problem": None
        if problem is None
        else {"problem": problem.problem, "found": problem.found, "fix": problem.fix},
        "digest": found.card.digest,
        "spans": [span.model_dump() for span in found.card.spans],
        "notes": found.notes,
        "files": {
            name: {**file.model_dump(), "official": found.official[name]} for name, file in found.card.files.items()
        },
        "rejects": [{"file": file, **bad._asdict()} for file, rejects in found.rejects.items() for bad in rejects],
    }


def _print_file(console: Console, file: str, found: Inspection) -> None:
    from rich.table import Table
    from rich.text import Text

    counts, rejects = found.card.files[file], found.rejects.get(file, [])
    mark = "[green]✓[/green]" if not rejects else "[yellow]![/yellow]"
    bad = f", [yellow]{len(rejects):,} of them cannot be used[/yellow]" if rejects else ""
    official = "  [dim]the official file, byte for byte[/dim]" if found.official[file] else ""
    console.print(f"{mark} [bold]{literal(file)}[/bold]  {counts.records:,} rows{bad}{official}")
    if not rejects:
        return
    table = Table(box=None, padding=(0, 2), header_style="dim")
    table.add_column("line", justify="right")
    table.add_column("row", justify="right")
    table.add_column("reason", style="yellow", no_wrap=True)
    table.add_column("what is wrong, and what was found", overflow="fold")
    for reject in rejects:
        what = Text.assemble(printable(reject.detail), "\n", (printable(reject.found), "dim"))
        table.add_row(f"{reject.line:,}", f"{reject.row:,}", str(reject.reason), what)
    console.print(table)


def _card(found: Inspection, corpus: Corpus) -> Iterator[RenderableType]:
    from rich.text import Text

    card = found.card
    if card.is_sample:
        title = Text.assemble(("The generated sample", "bold"), ("  not real news, made for a first look", "yellow"))
    else:
        official = all(found.official.values())
        note = "  the official files, byte for byte" if official else "  not the official files"
        title = Text.assemble((corpus.title, "bold"), f"  {card.source}", (note, "dim"))
    yield title
    yield Text(f"digest {card.digest}\n", style="dim")
    yield _classes_table(card)
    yield ""
    if card.spans:
        yield _spans_table(card)
        yield ""
    yield _lengths_table(card)
    yield ""
    yield from _remarks(found)


def _classes_table(card: DataCard) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2), pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=True)
    for name in card.splits:
        table.add_column(name, justify="right", no_wrap=True)
        table.add_column("", width=_BAR)
    splits = list(card.splits.values())
    for label in splits[0].rows_per_class:
        cells: list[str | Text] = [literal(label)]
        for split in splits:
            rows, most = split.rows_per_class[label], max(split.rows_per_class.values())
            cells += [f"{rows:,}", Text("━" * (round(_BAR * rows / most) if most else 0), style="cyan")]
        table.add_row(*cells)
    totals: list[str | Text] = [Text("rows", style="bold")]
    for split in splits:
        totals += [Text(f"{split.rows:,}", style="bold"), ""]
    table.add_row(*totals)
    return table


def _spans_table(card: DataCard) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2), pad_edge=False, header_style="dim")
    table.add_column("span", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("", width=_BAR)
    most = max(1, *[span.rows for span in card.spans])
    for span in card.spans:
        table.add_row(span.name, f"{span.rows:,}", Text("━" * round(_BAR * span.rows / most), style="cyan"))
    return table


def _lengths_table(card: DataCard) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2), pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=True)
    for column in ("mean", "p50", "p95", "p99", "max"):
        table.add_column(column, justify="right", no_wrap=True)
    for unit in ("words", "characters"):
        for name, split in card.splits.items():
            lengths = split.words if unit == "words" else split.characters
            figures = (lengths.p50, lengths.p95, lengths.p99, lengths.max)
            shown = Text.assemble(f"{unit}, ", (name, "dim"))
            table.add_row(shown, f"{lengths.mean:.1f}", *(f"{figure:,}" for figure in figures))
    return table


def _remarks(found: Inspection) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    card = found.card
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold")
    for name, split in card.splits.items():
        table.add_row(f"{split.markup_share:.1%}", f"of {name} hold remnants of markup")
    for name, split in card.splits.items():
        if split.duplicates:
            table.add_row(f"{split.duplicates:,}", f"rows of {name} repeat an earlier one")
        if split.contradictions:
            table.add_row(f"{split.contradictions:,}", f"texts of {name} stand under more than one class")
    table.add_row(f"{card.left_out_as_test:,}", "rows for training are kept out of train and eval: test has them")
    table.add_row(f"{card.shared_by_train_and_eval:,}", "texts are in both train and eval")
    for name, file in card.files.items():
        for reason, count in file.rejects.items():
            table.add_row(f"{count:,}", f"rows of {literal(name)} cannot be used: {reason}", style="yellow")
    for note in found.notes:
        table.add_row("!", literal(note), style="yellow")
    yield table
    yield Text(f"\nTwo texts count as the same when they are equal with {card.normalisation}.", style="dim")
    if found.problem is not None:
        yield Text.assemble(("\nA run would refuse these files. ", "bold red"), printable(found.problem.problem))


@contextmanager
def _download_bars(corpus: Corpus) -> Iterator[_OnProgress]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _OnProgress(progress, corpus)


class _OnProgress:
    """Moves the bar of the file that is being downloaded."""

    def __init__(self, progress: Progress, corpus: Corpus) -> None:
        self._progress = progress
        self._tasks = {
            name: progress.add_task(name, total=published.size) for name, published in corpus.published.items()
        }

    def __call__(self, name: str, done: int, total: int | None) -> None:
        self._progress.update(self._tasks[name], completed=done, total=total)
