"""One run of the pipeline on this machine, from a configuration to a report."""

from __future__ import annotations

import os
import resource
import sqlite3
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from agnews.components.corpus_files.corpus_state import CorpusState
from agnews.components.corpus_files.read_records import folder_files
from agnews.components.corpus_files.sample import SAMPLE
from agnews.components.corpus_files.sources import require_corpus_files
from agnews.components.model_registry.mlflow_registry import TRACKING_URI
from agnews.components.model_store import ModelStore
from agnews.components.report.render_report import render_report
from agnews.components.storage.atomic_output import write_atomically
from agnews.components.storage.files_at import files_at
from agnews.components.trainer_task.delegate import Doer, delegated
from agnews.pipeline.beam.choose_pipeline import decide_runner
from agnews.pipeline.code_version import code_versions
from agnews.pipeline.load_corpus import load_corpus
from agnews.pipeline.local.explain_failure import explain_failure, unusable_metadata
from agnews.pipeline.local.live_view import LiveView
from agnews.pipeline.local.quiet_output import terminable
from agnews.pipeline.local.same_run import find_same_run, remember_run, run_key
from agnews.pipeline.node_settings import carried_corpora
from agnews.pipeline.paths import Paths
from agnews.pipeline.plan_run import RunPlan, plan_run
from agnews.pipeline.reports.report_run import report_run
from agnews.pipeline.reports.show_report import describe_spans
from agnews.pipeline.spared_imports import spared_imports
from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import BeamConfig, NotifyConfig
from agnews.schemas.run_config import RunConfig
from agnews.schemas.run_report import RunReport, SpansSummary


@dataclass(frozen=True)
class RunRequest:
    """What to run.

    Attributes:
        config: The configuration.
        paths: Where it is stored.
        run_id: Name of the run, from `new_run_id`.
        command: The command line, for the report.
        from_node: Run this node and all behind it even where a cached result exists.
        to_node: Stop after this node.
        new_baseline: Compare the candidate with nothing, and let it take the place of what is in production.
        notifications: Who hears of what became of it.
        no_push: Judge and test the model, and put it into no store.
        reason: Why it is put into production, for the store's trail.
        only_known: Fingerprint of a run whose model is wanted: another one would be another model, and is refused.
        beam: What runs the steps over many rows. It decides nothing about their outputs.
        state: Digests of the data, where they are known already: it may be large, or far away.
    """

    config: RunConfig
    paths: Paths
    run_id: str
    command: str
    from_node: str | None = None
    to_node: str | None = None
    new_baseline: bool = False
    notifications: NotifyConfig = field(default_factory=NotifyConfig)
    no_push: bool = False
    reason: str = ""
    only_known: str = ""
    beam: BeamConfig = field(default_factory=BeamConfig)
    state: CorpusState | None = None


def run_locally(request: RunRequest, view: LiveView) -> RunReport:
    """Runs the pipeline, writes `report.json` and `report.html`, also when a step fails, and tells who wants to know.

    Where the data is a folder of dated spans, and data, configuration and code are those behind the model in
    production, the run ends well before its first node, unless a node is named that it shall begin or end at.

    Args:
        request: What to run. The caller holds the lock of the root folder.
        view: Draws the run.

    Returns:
        The report.

    Raises:
        AgnewsError: The data cannot be used, or a step found something that its reader can mend.
        KeyboardInterrupt: Ctrl-C or SIGTERM.
        Exception: A step failed for another reason.
    """
    from agnews.pipeline.notification.message import Message
    from agnews.pipeline.notification.witness import witnessed

    killed = Message(
        event="failed",
        model=request.config.name,
        run_id=request.run_id,
        title=f"{request.config.name}: the run ended without a word",
        detail="Its process was killed, or could not write its report. The same command goes on where it was cut.",
        report=str(request.paths.run(request.run_id)),
    )
    with witnessed(request.notifications, killed) as told:
        try:
            return _run_and_report(request, view)
        finally:
            if _tell(request, view):
                told()
            _track(request, view)


def _track(request: RunRequest, view: LiveView) -> None:
    """Logs the run where the environment names a server of MLflow; a run that had nothing to do is none there."""
    if not os.environ.get(TRACKING_URI):
        return
    from agnews.pipeline.tracking.log_run import log_run

    path = request.paths.report(request.run_id)
    if not path.is_file():
        return
    report = RunReport.model_validate_json(path.read_bytes())
    if report.ended_early is None:
        files = (path, request.paths.page(request.run_id))
        if problem := log_run(report, experiment=request.config.name, files=files):
            view.say(f"the run is not in MLflow: {problem}")


def _tell(request: RunRequest, view: LiveView) -> bool:
    """Tells what the report says; False where there is none."""
    page, path = request.paths.page(request.run_id), request.paths.report(request.run_id)
    if not request.notifications.channels or not path.is_file():
        return False
    from agnews.pipeline.notification.message import messages_about
    from agnews.pipeline.notification.notify import notify

    report = RunReport.model_validate_json(path.read_bytes())
    for each in notify(request.notifications, messages_about(report, model=request.config.name, page=str(page))):
        if each.problem:
            view.say(f"nobody was told by {each.channel} ({each.event}): {each.problem}")
    return True


def _run_and_report(request: RunRequest, view: LiveView) -> RunReport:
    start = time.monotonic()
    error: str | None = None
    spans: SpansSummary | None = None
    ended_early: str | None = None
    fingerprint: str | None = None
    try:
        with terminable():
            require_usable_metadata(request.paths.metadata)
            code = code_versions()
            corpus = load_corpus(request.config.data.corpus).corpus
            store = ModelStore(str(request.paths.models), request.config.name)
            plan = plan_run(request.config, corpus, store, code, new_baseline=request.new_baseline, state=request.state)
            spans = plan.spans
            if spans is not None:
                for line in (describe_spans(spans), *spans.notes):
                    view.say(line)
            fingerprint = plan.fingerprint
            _require_known(request, plan)
            ended_early = _ends_early(request, plan)
            if ended_early is None:
                carried = carried_corpora(corpus, str(request.paths.scratch))
                _run_nodes(request, plan, carried, code, view)
    except BaseException as problem:
        error = _describe(problem, view.current, request.paths, request.run_id)
        raise
    finally:
        report = report_run(
            run_id=request.run_id,
            command=request.command,
            config=request.config,
            fingerprint=fingerprint,
            results=view.results,
            skipped=view.not_run,
            seconds=time.monotonic() - start,
            peak_rss_mb=_peak_rss_mb(),
            error=error,
            spans=spans,
            ended_early=ended_early,
        )
        write_atomically(request.paths.report(request.run_id), report.model_dump_json(indent=2) + "\n")
        write_atomically(request.paths.page(request.run_id), render_report(report))
    return report


def _require_known(request: RunRequest, plan: RunPlan) -> None:
    if request.only_known in ("", plan.fingerprint):
        return
    raise AgnewsError(
        "The model of that run cannot be made again: its data, its configuration or the code has changed since.",
        found=f"fingerprint {plan.fingerprint}, and {request.only_known} was judged",
        fix="Run it anew: `agnews run`.",
    )


def _run_nodes(
    request: RunRequest, plan: RunPlan, carried: Mapping[str, str], code: Mapping[str, str], view: LiveView
) -> None:
    is_whole = request.from_node is None and request.to_node is None
    told = [str(request.no_push), request.reason]
    key = run_key(request.config, plan, carried, code, request.paths, told) if is_whole else ""
    if is_whole and (answered := find_same_run(request.paths, key)) is not None:
        view.planned([result.node for result in answered], [])
        for result in answered:
            view.started(result.node)
            view.finished(result)
        return
    with view.loading("TensorFlow and TFX"), spared_imports():
        from tfx.orchestration.metadata import sqlite_metadata_connection_config

        from agnews.pipeline.local.local_runner import LocalRunner
        from agnews.pipeline.pipeline import PipelineContext, create_pipeline

        around = PipelineContext(
            pipeline_root=str(request.paths.artifacts),
            push_uri=str(request.paths.models),
            data_digest=plan.digest,
            scratch_uri=str(request.paths.scratch),
            production=plan.production,
            anchor=plan.anchor,
            withdrawn=plan.withdrawn,
            replaces=plan.replaces,
            no_push=request.no_push,
            reason=request.reason,
            corpus=carried,
            fingerprint=plan.fingerprint,
            code=code,
            metadata=sqlite_metadata_connection_config(str(request.paths.metadata)),
        )
        pipeline = create_pipeline(request.config, around)
    keep = request.paths.run(request.run_id) / "failed"
    runner = LocalRunner(
        view,
        request.run_id,
        keep=keep,
        from_node=request.from_node,
        to_node=request.to_node,
        beam=_runner(request),
    )
    with delegated(_doer(request)):
        runner.run(pipeline)
    if is_whole:
        remember_run(request.paths, key, view.results)


def _doer(request: RunRequest) -> Doer | None:
    """Several processes, where the configuration asks for them."""
    count = request.config.devices.workers
    if count == 1:
        return None
    from agnews.components.trainer_task.start_processes import start_processes

    return partial(start_processes, count=count, logs=request.paths.run(request.run_id) / "workers")


def _runner(request: RunRequest) -> BeamConfig:
    return (
        decide_runner(request.beam, _bytes_of_rows(request.config)) if request.beam.runner == "auto" else request.beam
    )


def _bytes_of_rows(config: RunConfig) -> int:
    """How large the files of the corpus are: known before they are read, unlike their rows."""
    source, corpus = config.data.source, load_corpus(config.data.corpus).corpus
    if source == SAMPLE:
        return 0
    files = require_corpus_files(source, corpus, config.data.window)
    paths = {*files.paths.values()}
    if corpus.form == "folders":
        paths = {f"{path}/{name}" for path in paths for name in folder_files(path)}
    return sum(files_at(path).size(path) for path in paths)


def require_usable_metadata(path: Path) -> None:
    """Makes sure that the file in which TFX records executions is whole; one that does not exist is made.

    Args:
        path: The file.

    Raises:
        AgnewsError: It is damaged, or cannot be written.
    """
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as store:
            (found,) = store.execute("PRAGMA quick_check(1)").fetchone()
            # Takes the lock of a writer, and gives it back.
            store.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        raise unusable_metadata(path, str(error)) from error
    if found != "ok":
        raise unusable_metadata(path, str(found))


def _describe(problem: BaseException, node: str, paths: Paths, run_id: str) -> str:
    if isinstance(problem, Exception):
        return str(explain_failure(problem, node, paths.log(run_id), paths.metadata))
    return "interrupted" if isinstance(problem, KeyboardInterrupt) else repr(problem)


def _ends_early(request: RunRequest, plan: RunPlan) -> str | None:
    """Says why the run need not begin, or returns None.

    Only for spans, which are there to be retrained on: whoever runs the same on another source gets the same report,
    from the cache.
    """
    if plan.spans is None or plan.nothing_new is None or request.from_node is not None or request.to_node is not None:
        return None
    return f"{plan.nothing_new} To run all the same, add --from NewsExampleGen; to train anew only, --from Trainer."


def _peak_rss_mb() -> float:
    # Linux counts in KiB, macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return round(max(resource.getrusage(kind).ru_maxrss for kind in kinds) / unit, 1)
