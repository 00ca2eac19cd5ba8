"""Answers what is missing in an output folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from agnews.components.batch_prediction.batch_folder import BatchFolder, require_same_batch
from agnews.components.batch_prediction.plan_batch import plan_batch
from agnews.components.engines.find_export import FoundExport
from agnews.components.model_store.find_pushed_model import PushedModel
from agnews.components.prediction.likeliest import chosen_top
from agnews.components.prediction.output_formats import OutputFormat
from agnews.components.prediction.text_input import TextInput
from agnews.components.serving_model.chosen_classes import read_thresholds
from agnews.pipeline.batch.batch_view import BatchView
from agnews.pipeline.beam.beam_arguments import LOCAL_ARGUMENTS
from agnews.pipeline.beam.choose_pipeline import decide_runner, pipeline_maker
from agnews.pipeline.local.explain_failure import unwrap
from agnews.schemas.batch_manifest import BatchManifest, BatchPlan, BatchShard
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.execution_config import BeamConfig

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class BatchRequest:
    """Inputs, a model, and how to go about it.

    Attributes:
        model: The version that answers.
        export: What answers in its place; None for TensorFlow.
        sources: The files, each with what the user said about its columns.
        format: Of the parts.
        with_text: Whether the texts are repeated.
        top: The likeliest so many classes alone; 0 names all, None goes on as a run before, or with what is usual.
        shard_rows: Rows of a shard, at most; decided when a folder is begun.
        max_bad_share: Largest share of bad rows in a file that is put up with.
        batch_size: Texts that the model sees at once.
        beam: What runs it.
    """

    model: PushedModel
    export: FoundExport | None
    sources: Sequence[TextInput]
    format: OutputFormat
    with_text: bool
    top: int | None
    shard_rows: int
    max_bad_share: float
    batch_size: int
    beam: BeamConfig


def run_batch(request: BatchRequest, folder: BatchFolder, view: BatchView) -> BatchManifest:
    """Plans, unless a run before has; answers the shards that are missing; puts the manifest beside them.

    Args:
        request: What is wanted.
        folder: Where it goes. It is held by no other run.
        view: Shows how far it is.

    Returns:
        What the folder holds.

    Raises:
        AgnewsError: The folder is for something else, an input cannot be used, or a shard is missing in the end.
        Exception: Whatever Beam makes of the error of a worker.
    """
    plan = _resolve_plan(request, folder, view)
    folder.sweep()
    if (manifest := folder.manifest()) is not None:
        return manifest
    missing = folder.missing(plan)
    view.answering(plan.rows - sum(shard.rows for shard in missing), plan.rows)
    if missing:
        _answer(request, folder, plan, missing)
    if left := folder.missing(plan):
        raise AgnewsError(
            f"{len(left)} of {len(plan.shards)} shards are missing, although the runner says that it is done.",
            found=f"shard {left[0].number} of {folder.uri}",
            fix="Make sure that all workers write to the same --output; the same command goes on.",
            exit_code=ExitCode.FAILED,
        )
    return folder.finish(plan)


def _resolve_plan(request: BatchRequest, folder: BatchFolder, view: BatchView) -> BatchPlan:
    record = request.model.record
    plan = folder.plan()
    if plan is not None:
        require_same_batch(
            plan,
            record,
            request.sources,
            form=request.format.value,
            with_text=request.with_text,
            top=plan.top if request.top is None else request.top,
            export_digest=_digest(request.export),
        )
        return plan
    inputs, shards = plan_batch(
        request.sources, shard_rows=request.shard_rows, max_bad_share=request.max_bad_share, on_rows=view.reading
    )
    thresholds = read_thresholds(request.model.folder)
    plan = BatchPlan(
        model_name=record.name,
        model_version=record.version,
        model_digest=record.model_digest,
        export_digest=_digest(request.export),
        classes=record.classes,
        corpus=request.model.corpus().only("read", "columns", "label", "texts", "limits").canonical(),
        format=request.format.value,
        with_text=request.with_text,
        top=chosen_top(len(record.classes), request.top) or 0,
        abstains_below=request.model.abstains_below(),
        thresholds=None
        if (thresholds := read_thresholds(request.model.folder)) is None
        else tuple(thresholds.tolist()),
        inputs=inputs,
        shards=shards,
    )
    folder.begin(plan)
    return plan


def _digest(export: FoundExport | None) -> str:
    return export.export.digest if export else ""


def _answer(request: BatchRequest, folder: BatchFolder, plan: BatchPlan, missing: Sequence[BatchShard]) -> None:
    # Beam and TensorFlow take seconds, which a folder that is finished or wrong need not wait for.
    import apache_beam as beam

    from agnews.components.batch_prediction.predict_shards import PredictShards

    model, export = _absolute(request.model.folder), request.export
    if export is not None:
        export = replace(export, folder=_absolute(export.folder))
    config = decide_runner(request.beam, sum(given.bytes for given in plan.inputs))
    make = pipeline_maker(config, "agnews batch", [folder.uri])
    try:
        with make() if make is not None else beam.Pipeline(argv=list(LOCAL_ARGUMENTS)) as pipeline:
            pipeline | PredictShards(
                plan, missing, output=folder.uri, model=model, export=export, batch_size=request.batch_size
            )
    except AgnewsError as error:
        raise unwrap(error) from error


def _absolute(folder: str) -> str:
    return folder if "://" in folder else str(Path(folder).absolute())
