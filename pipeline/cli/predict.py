"""`agnews predict`: what the pushed model says about texts."""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from agnews.components.engines.engine_choice import EngineChoice
from agnews.components.prediction.output_formats import OUTPUT_FORMATS, OutputFormat, format_of
from agnews.components.prediction.text_input import TextFormat, text_format
from agnews.pipeline.cli.model_options import (
    EngineOption,
    ModelOption,
    ModelsOption,
    NameOption,
    RootOption,
    TrustOption,
    VersionOption,
    chosen_export,
    chosen_model,
)
from agnews.schemas.errors import AgnewsError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agnews.components.corpus_files.record import Reject
    from agnews.components.engines.find_export import FoundExport
    from agnews.components.model_store.find_pushed_model import PushedModel
    from agnews.components.prediction.text_input import TextInput, TextRow
    from agnews.components.prediction.write_predictions import PredictionFormatter
    from agnews.components.serving_model.predictor import Predictor

_INPUT, _OUTPUT, _BAD = "Input", "Output", "Rows that cannot be used"
_STDIN = "-"
"""What a shell calls the end of a program whose reader went away."""

TextColumnsOption = Annotated[
    str,
    typer.Option(
        "--text-columns",
        "--column",
        metavar="NAME,...",
        help="Columns whose texts are joined by a space. \\[default: title,description or text]",
        rich_help_panel=_INPUT,
    ),
]
IdColumnOption = Annotated[
    str,
    typer.Option(metavar="NAME", help="Column to find the answers again by.", rich_help_panel=_INPUT),
]
HeaderOption = Annotated[
    str,
    typer.Option(
        metavar="NAME,...",
        help="Names of all columns of a CSV file that has no header. That of AG News itself is recognised.",
        rich_help_panel=_INPUT,
    ),
]
InputFormatOption = Annotated[
    TextFormat | None,
    typer.Option(help="What the input is. \\[default: by the name of the file, text else]", rich_help_panel=_INPUT),
]
TopOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=0,
        help="The likeliest N classes alone; 0 gives all. \\[default: 5 of more than 10, else all]",
        rich_help_panel=_OUTPUT,
    ),
]
BatchSizeOption = Annotated[
    int, typer.Option(metavar="N", min=1, max=4096, help="Texts that the model sees at once.", rich_help_panel="Model")
]


def predict(
    texts: Annotated[list[str] | None, typer.Argument(metavar="TEXT", help="Texts; without any, FILE is read.")] = None,
    file: Annotated[
        str,
        typer.Option(
            metavar="FILE|URI",
            help="CSV, JSON Lines, Parquet, or plain text with a text a line; may end in .gz. - is standard input.",
            rich_help_panel=_INPUT,
        ),
    ] = _STDIN,
    input_format: InputFormatOption = None,
    text_columns: TextColumnsOption = "",
    id_column: IdColumnOption = "",
    header: HeaderOption = "",
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write here and not to standard output; the file appears when it is whole.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    output_format: Annotated[
        OutputFormat | None,
        typer.Option(
            "--format", help="How to write. \\[default: by the name of OUTPUT, table else]", rich_help_panel=_OUTPUT
        ),
    ] = None,
    top: TopOption = None,
    with_text: Annotated[
        bool, typer.Option("--with-text", help="Repeat the texts (a table always does).", rich_help_panel=_OUTPUT)
    ] = False,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad", help="Leave them out, and say how many; otherwise the first ends it.", rich_help_panel=_BAD
        ),
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Leave them out, and write them here with place and reason (JSON Lines).",
            rich_help_panel=_BAD,
        ),
    ] = None,
    root: RootOption = Path("workspace"),
    name: NameOption = "agnews",
    models: ModelsOption = None,
    version: VersionOption = "",
    model: ModelOption = None,
    trust_model: TrustOption = False,
    engine: EngineOption = EngineChoice.AUTO,
    batch_size: BatchSizeOption = 128,
) -> None:
    """Say of which class texts are, with the model in production.

    Texts are arguments, or lines of standard input, or the rows of a file. Answers keep their order and appear as soon
    as they are there, so it works in pipes. Any file size will do: a few thousand rows are in memory at once.

    Exit codes: 0 all texts were answered, or left out as you wished; 1 the model failed, or the disk is full; 2 the
    arguments, the file or a row of it are wrong; 130 interrupted.

    [bold]Examples[/bold]

      agnews predict "Oil prices climb as markets open"
      agnews predict --file texts.csv --output answers.csv
      agnews predict --file texts.parquet --text-columns title,body --id-column url --top 3 --format jsonl
      tail -f lines.txt | agnews predict --format jsonl
      agnews predict --file texts.jsonl --rejects bad.jsonl --output answers.jsonl
    """
    chosen_format = output_format or (output and format_of(str(output))) or OutputFormat.TABLE
    _require_fitting(chosen_format, output)
    chosen = chosen_model(root, name, models, version, model, trust=trust_model)
    pushed = chosen.pushed
    export = chosen_export(chosen, engine, trust=trust_model)

    from agnews.components.prediction.text_input import TextInput

    kind = input_format or (TextFormat.TEXT if file == _STDIN else text_format(file))
    path = "standard input" if file == _STDIN else file
    source = TextInput(path, kind, pushed.corpus(), split_names(text_columns), id_column, split_names(header))
    if texts and file != _STDIN:
        raise AgnewsError(
            "Texts are given twice.", found=f"arguments, and --file {file}", fix="Give either arguments or --file."
        )
    if file != _STDIN:
        _require_other_file(file, output, rejects)
    rows = _rows(texts or [], file, source)
    with _told_how_it_ended(), ExitStack() as stack:
        out: BinaryIO = sys.stdout.buffer if output is None else stack.enter_context(_opened(output))
        kept = stack.enter_context(_opened(rejects)) if rejects else None
        formatter = _formatter(chosen_format, pushed, top, with_text=with_text, to_terminal=out.isatty())
        bad = _BadRows(source.path, skip=skip_bad, kept=kept)
        summary = _answer(source, rows, partial(_load, pushed, export), batch_size, formatter, out, bad)
    if output is not None:
        typer.echo(f"{summary}: {output}", err=True)
    bad.tell()


def split_names(option: str) -> tuple[str, ...]:
    """Returns the names in an option's list."""
    return tuple(name.strip() for name in option.split(",") if name.strip())


def _require_fitting(form: OutputFormat, output: Path | None) -> None:
    if output is None and not OUTPUT_FORMATS[form].is_text and sys.stdout.isatty():
        raise AgnewsError(
            f"A terminal cannot show {form}.", found="no --output", fix=f"Name a file: --output answers.{form}."
        )


def _require_other_file(file: str, *outputs: Path | None) -> None:
    for output in outputs:
        if output is not None and output.exists() and Path(file).exists() and output.samefile(file):
            raise AgnewsError(
                "The output would replace the input.", found=str(output), fix="Name another file for the output."
            )


def _rows(texts: Sequence[str], file: str, source: TextInput) -> tuple[Iterator[TextRow | Reject], bool]:
    """The rows, and whether they may still be being written."""
    from agnews.components.prediction.read_texts import open_texts, read_argument_texts, read_texts

    if texts:
        return read_argument_texts(texts, source), False
    if file != _STDIN:
        return read_texts(open_texts(source), source), False
    if source.format is TextFormat.PARQUET:
        raise AgnewsError(
            "Parquet cannot be read from a pipe, because it begins at its end.",
            found="--input-format parquet without --file",
            fix="Name the file with --file.",
        )
    if sys.stdin is None:  # as in some schedulers
        raise AgnewsError("There is nothing to read.", found="no standard input", fix="Name a file with --file.")
    if sys.stdin.isatty():
        typer.echo("Type texts, one a line. Ctrl-D ends.", err=True)
    live = not stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode)
    # A file object of its own: at the end, Python would wait for a thread that reads from sys.stdin.
    return read_texts(io.BufferedReader(io.FileIO(os.dup(sys.stdin.fileno()))), source), live


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    from agnews.components.storage.atomic_output import atomic_output

    with atomic_output(path.expanduser()) as file:
        yield file


def _formatter(
    output_format: OutputFormat, pushed: PushedModel, top: int | None, *, with_text: bool, to_terminal: bool
) -> PredictionFormatter:
    from agnews.components.prediction.likeliest import chosen_top
    from agnews.components.prediction.output_formats import create_formatter
    from agnews.components.prediction.write_predictions import PredictionStyle, several_classes

    style = PredictionStyle(
        pushed.record.classes,
        pushed.record.version,
        with_text=with_text,
        top=chosen_top(len(pushed.record.classes), top),
        abstains_below=pushed.abstains_below(),
        several=several_classes(pushed.folder, pushed.corpus()),
        width=(os.get_terminal_size(sys.stdout.fileno()).columns or None) if to_terminal else None,
        color=to_terminal and "NO_COLOR" not in os.environ,
    )
    return create_formatter(output_format, style)


class _BadRows:
    """Decides what becomes of rows that cannot be used."""

    def __init__(self, path: str, *, skip: bool, kept: BinaryIO | None) -> None:
        self._path = path
        self._skip = skip
        self._kept = kept
        self._count = 0
        self._first = ""

    def __call__(self, reject: Reject) -> None:
        place = f"row {reject.row}" + (f", line {reject.line}," if reject.line else "")
        if self._kept is None and not self._skip:
            raise AgnewsError(
                f"{self._path}: {place} cannot be used: {reject.reason}.",
                found=f"{reject.detail}: {reject.found}",
                fix="Mend it, or leave such rows out: --skip-bad, or --rejects FILE to keep them.",
            )
        self._first = self._first or f"{place} {reject.reason}, {reject.detail}"
        self._count += 1
        if self._kept is not None:
            import orjson

            self._kept.write(orjson.dumps({"file": self._path, **reject._asdict()}, option=orjson.OPT_APPEND_NEWLINE))

    def tell(self) -> None:
        """Says how many rows were left out."""
        if self._count:
            rows = "1 row was" if self._count == 1 else f"{self._count:,} rows were"
            typer.echo(f"{rows} left out; the first: {self._first}", err=True)


def _answer(
    source: TextInput,
    rows: tuple[Iterator[TextRow | Reject], bool],
    load: Callable[[], Predictor],
    batch_size: int,
    formatter: PredictionFormatter,
    out: BinaryIO,
    on_reject: Callable[[Reject], None],
) -> str:
    """Answers the rows, and returns a line about it."""
    from itertools import chain

    from agnews.components.prediction.text_blocks import text_blocks
    from agnews.components.prediction.write_predictions import write_predictions
    from agnews.pipeline.cli.prediction_progress import PredictionProgress

    reading, live = rows
    blocks = text_blocks(reading, live=live)
    if not live and (first := next(blocks, None)):
        # What is wrong with the columns of a file is told before TensorFlow takes its seconds.
        blocks = chain([first], blocks)
    predictor = load()
    # A bar and a table on one terminal would write over each other.
    with PredictionProgress(source, shown=sys.stderr.isatty() and not out.isatty() and not live) as progress:
        write_predictions(
            blocks,
            predict=partial(predictor.probabilities, batch_size=batch_size, on_rows=progress.on_rows),
            formatter=formatter,
            out=out,
            on_reject=on_reject,
            on_block=progress.on_block,
        )
    return progress.summary


def _load(pushed: PushedModel, export: FoundExport | None) -> Predictor:
    from rich.console import Console

    from agnews.pipeline.local.quiet_output import STDERR, quiet_output
    from agnews.pipeline.spared_imports import spared_imports

    loading = "Loading TensorFlow and the model ..." if export is None else "Loading the model ..."
    with (
        quiet_output(Path(os.devnull), (STDERR,)) as errors,
        Console(file=errors).status(loading),
        # The one model of this process stays to its end, so it may be spared too.
        spared_imports(),
    ):
        import numpy as np

        from agnews.components.serving_model.load_predictor import load_predictor

        predictor = load_predictor(
            pushed.folder, pushed.record.classes, digest=pushed.record.model_digest, export=export
        )
        # Engines have more to say about this machine when they first compute.
        predictor.probabilities(np.array([b"news"], object))
    return predictor


@contextmanager
def _told_how_it_ended() -> Iterator[None]:
    """Gives the exit codes of a well-behaved program in a pipe."""
    from agnews.pipeline.local.quiet_output import terminable

    try:
        with terminable():
            yield
    except KeyboardInterrupt:
        typer.echo("Interrupted.", err=True)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
