"""`agnews batch`: what the pushed model says about large files, on Beam."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from agnews.components.engines.engine_choice import EngineChoice
from agnews.components.prediction.output_formats import PART_FORMATS, OutputFormat
from agnews.components.prediction.text_input import text_format
from agnews.pipeline.cli.execution_option import BeamOption, ExecutionOption
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
from agnews.pipeline.cli.predict import (
    BatchSizeOption,
    HeaderOption,
    IdColumnOption,
    InputFormatOption,
    TextColumnsOption,
    TopOption,
    split_names,
)
from agnews.schemas.errors import AgnewsError, ExitCode

if TYPE_CHECKING:
    from types import FrameType

    from agnews.components.batch_prediction.batch_folder import BatchFolder
    from agnews.components.engines.find_export import FoundExport
    from agnews.components.model_store.find_pushed_model import PushedModel
    from agnews.pipeline.batch.batch_view import BatchView
    from agnews.pipeline.batch.run_batch import BatchRequest
    from agnews.schemas.batch_manifest import BatchManifest, BatchPlan
    from agnews.schemas.execution_config import BeamConfig

_OUTPUT, _BEAM = "Output", "Beam"


def batch(
    inputs: Annotated[
        list[str],
        typer.Option(
            "--input",
            metavar="GLOB|URI",
            help="CSV, JSON Lines, Parquet or plain text; quote wildcards; may be repeated.",
            rich_help_panel="Input",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(metavar="DIR|URI", help="New folder, or that of a run to go on with.", rich_help_panel=_OUTPUT),
    ],
    input_format: InputFormatOption = None,
    text_columns: TextColumnsOption = "",
    id_column: IdColumnOption = "",
    header: HeaderOption = "",
    max_bad_share: Annotated[
        float,
        typer.Option(
            metavar="SHARE", min=0.0, max=1.0, help="Bad rows of a file to put up with.", rich_help_panel="Input"
        ),
    ] = 0.5,
    output_format: Annotated[
        str,
        typer.Option("--format", metavar="|".join(PART_FORMATS), help="How to write.", rich_help_panel=_OUTPUT),
    ] = "parquet",
    with_text: Annotated[bool, typer.Option("--with-text", help="Repeat the texts.", rich_help_panel=_OUTPUT)] = False,
    top: TopOption = None,
    shard_rows: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Rows that are done at once, and a part of the output.", rich_help_panel=_OUTPUT
        ),
    ] = 10_000,
    root: RootOption = Path("workspace"),
    name: NameOption = "agnews",
    models: ModelsOption = None,
    version: VersionOption = "",
    model: ModelOption = None,
    trust_model: TrustOption = False,
    engine: EngineOption = EngineChoice.AUTO,
    batch_size: BatchSizeOption = 128,
    execution: ExecutionOption = None,
    beam: BeamOption = None,
    runner: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Short for --beam runner=NAME: what Beam runs on; the default is this process. Others need folders "
            "that their workers reach. FnApiRunner is another word for local.",
            rich_help_panel=_BEAM,
        ),
    ] = None,
    beam_args: Annotated[
        list[str] | None,
        typer.Option(
            "--beam-arg",
            metavar="ARG",
            help="Short for --beam options=ARG: an option of the runner; may be repeated.",
            rich_help_panel=_BEAM,
        ),
    ] = None,
) -> None:
    """Answer large files shard by shard, in parts that survive a kill.

    Inputs are read once to be cut into shards; each shard is answered once and becomes one part of the output. The
    same command goes on where a run was cut, and does nothing when all is done. A folder takes the answers of one
    version of the model for one set of inputs. Rows that cannot be used go to rejects.jsonl with place and reason.

    Exit codes: 0 all is done; 1 a shard failed, the rest is kept; 2 the arguments, a file or the folder are wrong; 4
    another run is in the folder; 130 interrupted.

    [bold]Examples[/bold]

      agnews batch --input 'news/*.csv' --output answers
      agnews batch --input news.parquet --id-column url --format jsonl --output answers
      agnews batch --input news.csv --output answers --beam runner=multiprocess
    """
    if output_format not in PART_FORMATS:
        raise AgnewsError(
            "No such format of parts.", found=f"--format {output_format}", fix=f"Take {', '.join(PART_FORMATS)}."
        )
    chosen = chosen_model(root, name, models, version, model, trust=trust_model)
    pushed = chosen.pushed
    export = chosen_export(chosen, engine, trust=trust_model)

    from agnews.components.batch_prediction.batch_folder import BatchFolder
    from agnews.components.batch_prediction.plan_batch import find_inputs
    from agnews.components.prediction.text_input import TextInput
    from agnews.pipeline.batch.run_batch import BatchRequest

    corpus = pushed.corpus()
    columns, names = split_names(text_columns), split_names(header)
    folder = BatchFolder(output if "://" in output else str(Path(output).expanduser().absolute()))
    if engine is EngineChoice.AUTO and (plan := folder.plan()):
        export = _export_of(plan, pushed, export)
    request = BatchRequest(
        model=pushed,
        export=export,
        sources=[
            TextInput(path, input_format or text_format(path), corpus, columns, id_column, names)
            for path in find_inputs(inputs)
        ],
        format=OutputFormat(output_format),
        with_text=with_text,
        top=top,
        shard_rows=shard_rows,
        max_bad_share=max_bad_share,
        batch_size=batch_size,
        beam=_beam(execution, beam or [], runner, beam_args or []),
    )
    with _lock(folder), _log() as log:
        manifest = _run(request, folder, log)
    _tell(manifest, folder)


def _beam(execution: Path | None, beam: list[str], runner: str | None, arguments: list[str]) -> BeamConfig:
    from agnews.pipeline.load_execution import load_execution

    settings = [_setting(argument) for argument in arguments]
    if runner is not None:
        settings.append(f"runner={_RUNNERS.get(runner, runner)}")
    return load_execution(execution, [*settings, *beam]).beam


_RUNNERS = {
    "FnApiRunner": "local",
    "PrismRunner": "prism",
    "FlinkRunner": "flink",
    "SparkRunner": "spark",
    "DataflowRunner": "dataflow",
    "PortableRunner": "portable",
}
_KEYS = ("job_endpoint", "flink_master", "parallelism", "temp_location")


def _setting(argument: str) -> str:
    """What one of Beam's own options is in the section `beam`."""
    name, _, value = argument.removeprefix("--").partition("=")
    if name in _KEYS:
        return f"{name}={value}"
    if name == "direct_running_mode" and value == "multi_processing":
        return "runner=multiprocess"
    return f"options={argument}"


def _export_of(plan: BatchPlan, pushed: PushedModel, otherwise: FoundExport | None) -> FoundExport | None:
    """What a run before has begun with, if it is there still."""
    from agnews.components.engines.find_export import find_exports

    if not plan.export_digest:
        return None
    found = find_exports(pushed.folder)
    return next((each for each in found if each.export.digest == plan.export_digest), otherwise)


def _run(request: BatchRequest, folder: BatchFolder, log: Path) -> BatchManifest:
    from rich.console import Console

    from agnews.pipeline.batch.batch_view import BatchView
    from agnews.pipeline.batch.run_batch import run_batch
    from agnews.pipeline.local.explain_failure import explain_failure
    from agnews.pipeline.local.quiet_output import STDERR, quiet_output

    with (
        quiet_output(log, (STDERR,)) as errors,
        BatchView(Console(file=errors, highlight=False)) as view,
        _stoppable(view, log),
    ):
        try:
            return run_batch(request, folder, view)
        except (AgnewsError, ModuleNotFoundError):
            raise
        except Exception as error:
            traceback.print_exc()  # into the log: standard error is redirected
            raise explain_failure(error, "agnews batch", log) from error


def _tell(manifest: BatchManifest, folder: BatchFolder) -> None:
    from agnews.components.batch_prediction.batch_folder import PREDICTIONS, REJECTS

    parts = "1 part" if len(manifest.parts) == 1 else f"{len(manifest.parts):,} parts"
    typer.echo(
        f"{manifest.answered:,} answers of version {manifest.model_version}, {parts}: {folder.uri}/{PREDICTIONS}"
    )
    if manifest.rejected:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in manifest.rejected.items())
        typer.echo(f"{sum(manifest.rejected.values()):,} rows left out ({reasons}): {folder.uri}/{REJECTS}")


@contextmanager
def _lock(folder: BatchFolder) -> Iterator[None]:
    """Keeps two runs on this machine out of one folder; on an object store they would only do the same work twice."""
    if not folder.is_local:
        yield
        return
    from filelock import FileLock, Timeout

    from agnews.components.storage.explain_storage_errors import explain_storage_errors

    with explain_storage_errors(f"making {folder.uri}"):
        Path(folder.uri).mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{folder.uri}/.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise AgnewsError(
            "Another run is in the output folder.",
            found=folder.uri,
            fix="Wait until it ends, or name another folder with --output.",
            exit_code=ExitCode.LOCKED,
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _log() -> Iterator[Path]:
    """A file for what libraries print, which stays if something goes wrong."""
    descriptor, name = tempfile.mkstemp(prefix="agnews-batch-", suffix=".log")
    os.close(descriptor)
    log = Path(name)
    try:
        yield log
    except BaseException:
        if not log.stat().st_size:
            log.unlink()
        raise
    log.unlink()


@contextmanager
def _stoppable(view: BatchView, log: Path) -> Iterator[None]:
    """Ends at once on Ctrl-C and SIGTERM: Beam would finish its shards first, and a kill at any time does no harm."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        view.stop_with("Interrupted. Nothing is lost: the same command goes on.")
        log.unlink(missing_ok=True)
        if jobs := sys.modules.get("agnews.pipeline.beam.watched_pipeline"):
            jobs.cancel_running_jobs()
        os._exit(ExitCode.INTERRUPTED)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
