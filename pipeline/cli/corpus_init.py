"""`agnews corpus init`: a description from files that nobody has described."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agnews.pipeline.literal_text import literal, printable

if TYPE_CHECKING:
    from agnews.components.corpus_sniffing.propose_corpus import Proposal


def init(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="The training file (and the test file), or a folder of them."),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the description goes.")] = Path("corpus.yaml"),
    label: Annotated[str | None, typer.Option(metavar="COL", help="Column of the class.")] = None,
    text: Annotated[
        list[str] | None, typer.Option(metavar="COL", help="Column of the text; may be repeated, they are joined.")
    ] = None,
    test: Annotated[Path | None, typer.Option(metavar="FILE", help="The test file.")] = None,
    test_share: Annotated[
        float | None,
        typer.Option(metavar="SHARE", min=0.01, max=0.5, help="Take that share of the texts as test rows."),
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Name of the corpus; default: of the file.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a description that is there.")] = False,
) -> None:
    """Look at labelled texts and write a description of them, with a comment on each line.

    Reads CSV and TSV with or without a header, JSON Lines, Parquet, folders of text files, also packed with gzip, in
    any encoding. It says what it saw and what it is not sure of: read the description once, mend it, keep it with your
    files. Nothing is inferred again from the rows that it judges.

    [bold]Examples[/bold]

      agnews corpus init train.csv                          a test file beside it is found
      agnews corpus init reviews.jsonl --label stars --text title --text body
      agnews corpus init tickets.parquet --test-share 0.2 --out tickets.yaml
      agnews corpus init DIR                                a folder for each class, or train.* and test.*
    """
    from rich.console import Console

    from agnews.components.corpus_sniffing.propose_corpus import Wanted, propose_corpus
    from agnews.components.corpus_sniffing.settle_corpus import settle_corpus
    from agnews.components.corpus_sniffing.write_description import write_description
    from agnews.components.storage.atomic_output import write_atomically
    from agnews.pipeline.load_corpus import load_corpus
    from agnews.pipeline.local.quiet_output import STDERR, quiet_output
    from agnews.pipeline.printable_console import printable_console
    from agnews.schemas.errors import AgnewsError

    if out.is_dir():
        raise AgnewsError(
            f"{out} is a folder, and the description a file.", fix=f"Name the file: --out {out / 'corpus.yaml'}"
        )
    if out.exists() and not overwrite:
        raise AgnewsError(
            "There is a description already.", found=out, fix="Choose another name with --out, or say --overwrite."
        )
    if not out.absolute().parent.is_dir():
        raise AgnewsError("There is no such folder.", found=out.absolute().parent, fix="Make it, or name another one.")
    console = printable_console()
    with quiet_output(Path(os.devnull), (STDERR,)) as errors, Console(file=errors).status("Reading ...") as status:
        wanted = Wanted(files, test, test_share, label, text or (), name)
        proposal = settle_corpus(propose_corpus(wanted))
        status.update("Measuring a linear model ...")
        from agnews.components.corpus_sniffing.choose_ngrams import measure_proposal

        proposal = measure_proposal(proposal)
    root = os.path.relpath(proposal.root, out.absolute().parent)
    document = proposal.document
    if root != ".":
        document = {**document, "files": {"root": root, **document["files"]}}
    write_atomically(out, write_description(document, proposal.unsure))
    load_corpus(str(out.absolute()))
    _tell(proposal, out, console)


def _tell(proposal: Proposal, out: Path, console: object) -> None:
    from rich.console import Console
    from rich.text import Text

    assert isinstance(console, Console)  # noqa: S101 - for the type checker
    console.print(Text("saw", style="bold"))
    for each in proposal.seen:
        console.print(Text(printable(f"  {each}")), soft_wrap=True)
    if proposal.unsure:
        console.print(Text("to look at", style="bold yellow"))
        for each in proposal.unsure:
            console.print(Text(printable(f"  {each}")), soft_wrap=True)
    console.print(f"\n[green]✓[/green] [bold]{literal(out)}[/bold] is written; read it once. Then:")
    console.print(f"  agnews corpus check {literal(out)}", soft_wrap=True)
    console.print(f"  agnews run --corpus {literal(out)}", soft_wrap=True)
