"""`agnews corpus`: describe labelled texts, check them, get those that are published."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agnews.pipeline.cli.corpus_init import init
from agnews.pipeline.cli.corpus_option import AG_NEWS, CorpusOption
from agnews.pipeline.cli.download_bars import download_bars
from agnews.pipeline.literal_text import literal, printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress
    from rich.table import Table

    from agnews.components.corpus_files.inspect_corpus import Inspection
    from agnews.components.corpus_files.record import Reject
    from agnews.schemas.corpus import Corpus
    from agnews.schemas.data_card import DataCard
    from agnews.schemas.run_config import RunConfig

app = typer.Typer(
    help="Describe labelled texts of your own, check what a run would make of them, look at them.", no_args_is_help=True
)

app.command()(init)

WhatArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[CORPUS.yaml|DIR|URI|sample]",
        help="A description, or a folder with files of the corpus that --corpus names.",
    ),
]
DataOption = Annotated[
    str | None,
    typer.Option("--data", metavar="DIR|URI", help="Folder of the files, if not that of the description."),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A setting of the run that the files are for; may be repeated."),
]
WindowOption = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Take the newest N of a folder of dated spans. \\[default: all]"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_BAR = 10
_CLASSES_SHOWN = 20
"""At each end, of more than twice as many."""
_EXAMPLES = 3


@app.command()
def fetch(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the files; made if it is missing.")],
    corpus: CorpusOption = None,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Take the files from a mirror, as URL/train.csv and so on.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Download the official files.

    Their sha256 is enforced, a download that was cut goes on where it stopped, and a file that is there already is
    never replaced.
    """
    from agnews.components.corpus_files.fetch_corpus import fetch_corpus
    from agnews.pipeline.load_corpus import load_corpus
    from agnews.pipeline.printable_console import printable_console

    wanted = load_corpus(corpus or AG_NEWS).corpus
    console = printable_console()
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
    told = "" if corpus is None else f" --corpus {corpus}"
    console.print(f"\nNext: [bold]agnews run{literal(told)} --data {literal(folder)}[/bold]", soft_wrap=True)


@app.command()
def check(
    what: WhatArgument = None,
    corpus: CorpusOption = None,
    data: DataOption = None,
    max_reject_share: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            min=0.0,
            max=1.0,
            help="Share of bad rows to put up with. \\[default: that of the run, 0.01]",
        ),
    ] = None,
    window: WindowOption = None,
    settings: SettingsOption = None,
    show_schema: Annotated[
        bool, typer.Option("--schema", help="Print the schema that the rows are held to, and exit.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read every row and say what a run would refuse, with the settings of that run.

    Bad rows are told by kind, with three examples each; --json lists them all. Ends with exit code 2 if a run would
    refuse the files, or what the description says for any kind of model.

    [bold]Examples[/bold]

      agnews corpus check corpus.yaml
      agnews corpus check corpus.yaml --set data.max_reject_share=0.05
      agnews corpus check DIR                               files of AG News
    """
    from agnews.pipeline.load_config import load_config
    from agnews.pipeline.printable_console import printable_console

    config, loaded = _choose(what, corpus, data, window, max_reject_share, settings)
    for kind in loaded.kinds:
        load_config(kind, (), config.data.corpus)
    if show_schema:
        from agnews.components.corpus_schema import corpus_schema

        typer.echo(corpus_schema(loaded), nl=False)
        return
    found = _inspect(config, loaded)
    if as_json:
        typer.echo(json.dumps(_as_json(found), indent=2, ensure_ascii=False))
    else:
        console = printable_console()
        for file in found.card.files:
            _print_file(console, file, found)
        for note in found.notes:
            console.print(f"[yellow]![/yellow] {literal(note)}", soft_wrap=True)
    if found.problem is not None:
        raise found.problem
    if not as_json:
        console.print(
            f"\n[green]✓ A run accepts these files:[/green] [bold]{_run_command(config)}[/bold]", soft_wrap=True
        )


@app.command()
def describe(
    what: WhatArgument = "sample",
    corpus: CorpusOption = None,
    data: DataOption = None,
    window: WindowOption = None,
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the measured card: rows, classes, lengths, duplicates within and across splits, remnants of markup.

    The splits are those of a run.
    """
    from agnews.pipeline.printable_console import printable_console

    config, loaded = _choose(what, corpus, data, window, None, settings)
    found = _inspect(config, loaded)
    if as_json:
        typer.echo(found.card.model_dump_json(indent=2))
        return
    console = printable_console()
    for part in _card(found, loaded):
        console.print(part)


def _choose(
    what: str | None,
    corpus: str | None,
    data: str | None,
    window: int | None,
    max_reject_share: float | None,
    settings: list[str] | None,
) -> tuple[RunConfig, Corpus]:
    """Finds out what is meant: a description by itself, or a folder with the files of one."""
    from agnews.pipeline.load_config import choose_config
    from agnews.pipeline.load_corpus import load_corpus
    from agnews.schemas.errors import AgnewsError

    if what is not None and what.endswith((".yaml", ".yml")):
        if corpus is not None:
            raise AgnewsError(
                "Two descriptions are named.", found=f"{what}, --corpus {corpus}", fix="Keep one of them."
            )
        corpus = what
    elif what is not None:
        data = data or what
    extra = [f"data.window={window}"] if window is not None else []
    if max_reject_share is not None:
        extra.append(f"data.max_reject_share={max_reject_share}")
    config = choose_config(data=data, model=None, config=None, settings=[*(settings or []), *extra], corpus=corpus)
    return config, load_corpus(config.data.corpus).corpus


def _run_command(config: RunConfig) -> str:
    from agnews.pipeline.load_corpus import load_corpus

    words = ["agnews run"]
    if config.data.corpus != AG_NEWS:
        words.append(f"--corpus {config.data.corpus}")
    if config.data.source != load_corpus(config.data.corpus).root:
        words.append(f"--data {config.data.source}")
    if config.data.window is not None:
        words.append(f"--set data.window={config.data.window}")
    return " ".join(words)


def _inspect(config: RunConfig, corpus: Corpus) -> Inspection:
    from rich.console import Console

    from agnews.components.corpus_files.inspect_corpus import inspect_corpus

    with Console(stderr=True).status("Reading ...") as status:
        return inspect_corpus(
            config.data.source,
            corpus,
            eval_share=config.data.eval_share,
            max_reject_share=config.data.max_reject_share,
            window=config.data.window,
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
    by_reason: dict[str, list[Reject]] = {}
    for reject in rejects:
        by_reason.setdefault(str(reject.reason), []).append(reject)
    table = Table(box=None, padding=(0, 2), header_style="dim")
    table.add_column("line", justify="right")
    table.add_column("row", justify="right")
    table.add_column("what is wrong, and what was found", overflow="fold")
    for reason, bad_rows in sorted(by_reason.items(), key=lambda pair: -len(pair[1])):
        share = len(bad_rows) / max(counts.records, 1)
        rows = f"{len(bad_rows):,} row{'s' * (len(bad_rows) > 1)}"
        table.add_row("", "", Text.assemble((reason, "yellow"), f": {rows}, {share:.2%} of the file"))
        for reject in bad_rows[:_EXAMPLES]:
            what = Text.assemble(printable(reject.detail), "\n", (printable(reject.found), "dim"))
            table.add_row(f"{reject.line:,}", f"{reject.row:,}", what)
        if len(bad_rows) > _EXAMPLES:
            table.add_row(
                "", "", Text(f"... and {len(bad_rows) - _EXAMPLES:,} more; --json lists them all", style="dim")
            )
    console.print(table)


def _card(found: Inspection, corpus: Corpus) -> Iterator[RenderableType]:
    from rich.text import Text

    card = found.card
    if card.is_sample:
        title = Text.assemble(("The generated sample", "bold"), ("  not real news, made for a first look", "yellow"))
    else:
        official = all(found.official.values())
        note = "  the official files, byte for byte" if official else "  not the official files"
        note = note if corpus.files.published else ""
        title = Text.assemble((corpus.title or corpus.name, "bold"), f"  {card.source}", (note, "dim"))
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
    # A long name goes on in the next line, rather than that its figures are cut.
    table.add_column("", overflow="fold")
    for name in card.splits:
        table.add_column(name, justify="right", no_wrap=True)
        table.add_column("", width=_BAR, no_wrap=True)
    splits = list(card.splits.values())
    most = [max(split.rows_per_class.values()) for split in splits]
    names = list(splits[0].rows_per_class)
    left_out = max(len(names) - 2 * _CLASSES_SHOWN, 0)
    if left_out:
        names.sort(key=lambda name: -splits[0].rows_per_class[name])
        names = [*names[:_CLASSES_SHOWN], "", *names[-_CLASSES_SHOWN:]]
    for label in names:
        if not label:
            table.add_row(Text(f"... {left_out:,} classes", style="dim"), *[""] * (2 * len(splits)))
            continue
        cells: list[str | Text] = [literal(label)]
        for split, longest in zip(splits, most, strict=True):
            rows = split.rows_per_class[label]
            cells += [f"{rows:,}", Text("━" * (round(_BAR * rows / longest) if longest else 0), style="cyan")]
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
    if card.left_out_as_corrected:
        table.add_row(f"{card.left_out_as_corrected:,}", "rows for training are out: people have labelled them anew")
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
    with download_bars(sys.stderr) as progress:
        yield _OnProgress(progress, corpus)


class _OnProgress:
    """Moves the bar of the file that is being downloaded."""

    def __init__(self, progress: Progress, corpus: Corpus) -> None:
        self._progress = progress
        self._tasks = {
            name: progress.add_task(name, total=published.size) for name, published in corpus.files.published.items()
        }

    def __call__(self, name: str, done: int, total: int | None) -> None:
        self._progress.update(self._tasks[name], completed=done, total=total)
