"""`agnews export`: a pushed version for a faster engine, held to the version that it is made of."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agnews.pipeline.cli.model_options import ModelsOption, NameOption, RootOption, chosen_model
from agnews.pipeline.labelled_rows import labelled_rows
from agnews.pipeline.literal_text import literal
from agnews.schemas.errors import AgnewsError, ExitCode

if TYPE_CHECKING:
    from rich.console import Console

    from agnews.components.engines.find_export import FoundExport
    from agnews.components.model_export.labelled_texts import LabelledTexts
    from agnews.components.model_store.find_pushed_model import PushedModel


class ExportFormat(StrEnum):
    """What a version can be turned into."""

    ONNX = "onnx"
    OPENVINO = "openvino"


class ExportPrecision(StrEnum):
    """Of the arithmetic."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"


def export(
    version: Annotated[str, typer.Argument(metavar="[VERSION]", help="Default: the one in production.")] = "",
    to: Annotated[
        ExportFormat | None,
        typer.Option(help="openvino is the faster one on Intel's and AMD's processors; onnx runs anywhere."),
    ] = None,
    precision: Annotated[
        ExportPrecision,
        typer.Option(help="int8 is the fastest; bfloat16 pays where the processor computes in it."),
    ] = ExportPrecision.INT8,
    test: Annotated[
        str,
        typer.Option(
            metavar="FILE|RUN",
            help="Labelled rows that the version has not learnt from: a file like test.csv, or a run (latest).",
        ),
    ] = "latest",
    alpha: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="Level of the paired test that decides whether it is as good.")
    ] = 0.05,
    root: RootOption = Path("workspace"),
    name: NameOption = "agnews",
    models: ModelsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Turn a version into a model for ONNX Runtime or OpenVINO, and test whether it is as good.

    It is put beside the version, which stays as it is, together with the graph that makes its tokens. Both answer the
    test rows; only an export that the paired test does not find worse is used: by [bold]predict[/bold],
    [bold]batch[/bold] and [bold]serve[/bold], with --engine auto, which is the default, or by name. Rows from which
    int8 takes its ranges are chosen among those of the test and not judged on.

    Exit codes: 0 it was made and passed; 1 it cannot be made; 2 the arguments or the test rows are wrong; 3 it was made
    and is worse than the version, so nothing takes it.

    [bold]Examples[/bold]

      agnews export --to openvino                           int8, tested on the rows of the latest run
      agnews export --to onnx --precision float32 --test news/test.csv
      agnews export 1763820000 --to openvino --precision bfloat16 --root DIR
    """
    from agnews.pipeline.printable_console import printable_console

    if to is None:
        raise AgnewsError(
            "What to turn the version into is not said.", found="no --to", fix="Say --to openvino or --to onnx."
        )
    pushed = chosen_model(root, name, models, version, None, trust=False).pushed
    if pushed.corpus().label_sets is not None:
        raise AgnewsError(
            "A version of several classes a text answers in TensorFlow alone.",
            found=f"version {pushed.record.version}",
            fix="Leave it as it is: `agnews serve` and `agnews predict` take it without an export.",
        )
    rows = labelled_rows(test, root, pushed)
    found = _make(pushed, to, precision, rows, alpha)
    if as_json:
        typer.echo(found.export.model_dump_json(indent=2))
    else:
        _tell(found, printable_console())
    if not found.export.passed:
        raise typer.Exit(ExitCode.NOT_BLESSED)


def _make(
    pushed: PushedModel, to: ExportFormat, precision: ExportPrecision, rows: LabelledTexts, alpha: float
) -> FoundExport:
    from rich.console import Console

    from agnews.pipeline.local.quiet_output import quiet_output

    with quiet_output(Path(os.devnull)) as terminal, Console(file=terminal).status("Loading TensorFlow ...") as status:
        from agnews.components.engines.find_export import exports_beside
        from agnews.components.model_export.export_version import CALIBRATION_ROWS, ExportRequest, export_version
        from agnews.components.model_store.sound_copy import sound_copy

        calibration, test = rows.split(CALIBRATION_ROWS)
        request = ExportRequest(
            engine="openvino" if to is ExportFormat.OPENVINO else "onnxruntime",
            precision=precision.value,
            version=pushed.record.version,
            parent_digest=pushed.record.model_digest,
            alpha=alpha,
        )
        with sound_copy(pushed.folder, pushed.record.model_digest) as saved_model:
            return export_version(
                saved_model,
                exports_beside(pushed.folder),
                request,
                calibration=calibration,
                test=test,
                on_step=lambda step: status.update(f"{step[0].upper()}{step[1:]} ..."),
                on_rows=lambda done: status.update(f"Comparing: {done:,} of {len(test.texts):,} rows ..."),
            )


def _tell(found: FoundExport, console: Console) -> None:
    export = found.export
    test, speed = export.test, export.speed
    sign = "[green]✓[/green]" if export.passed else "[red]✗[/red]"
    console.print(f"{sign} [bold]{export.name}[/bold] of version {export.version}: {export.reason}", soft_wrap=True)
    console.print(
        f"  {speed.engine:.2f} ms of the processor for a text, TensorFlow {speed.tensorflow:.2f}: "
        f"{speed.tensorflow / speed.engine:.2f} times as fast ({literal(speed.processor)})",
        soft_wrap=True,
    )
    console.print(
        f"  probabilities differ by up to {test.largest_difference:.4f}; {test.rows:,} rows of {literal(test.source)}"
        + (f", {export.calibration_rows:,} more for calibration" if export.calibration_rows else ""),
        soft_wrap=True,
    )
    if not export.passed:
        console.print("  Nothing takes it: predict, batch and serve go on with what they have.", soft_wrap=True)
    console.print(f"  {found.folder}", style="dim", markup=False, soft_wrap=True)
