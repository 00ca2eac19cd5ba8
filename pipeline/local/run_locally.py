"""One run of the pipeline on this machine, from a configuration to a report."""

from __future__ import annotations

import hashlib
import json
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tfx import v1 as tfx

from agnews.components.corpus_files.compare_spans import compare_spans
from agnews.components.corpus_files.read_state import read_state
from agnews.components.model_store import ModelStore
from agnews.pipeline.local.live_view import LiveView
from agnews.pipeline.local.local_runner import LocalRunner
from agnews.pipeline.local.paths import Paths
from agnews.pipeline.local.terminable import terminable
from agnews.pipeline.local.write_atomically import write_atomically
from agnews.pipeline.pipeline import Surroundings, code_versions, create_pipeline
from agnews.pipeline.reports.assemble_report import assemble_report
from agnews.pipeline.reports.describe_spans import describe_spans
from agnews.schemas.model_record import ModelRecord
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
    """

    config: RunConfig
    paths: Paths
    run_id: str
    command: str
    from_node: str | None = None
    to_node: str | None = None


def run_locally(request: RunRequest, view: LiveView) -> RunReport:
    """Runs the pipeline and writes `report.json`, also when a step fails.

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
    start = time.monotonic()
    error: BaseException | None = None
    spans: SpansSummary | None = None
    ended_early: str | None = None
    try:
        with terminable():
            data = request.config.data
            state = read_state(data.source, data.corpus, data.window)
            store = ModelStore(str(request.paths.models), request.config.name)
            record = store.production()
            spans = compare_spans(state, record)
            if spans is not None:
                for line in (describe_spans(spans), *spans.notes):
                    view.say(line)
            around = _surroundings(request, state.digest, record)
            ended_early = _nothing_new(request, around.fingerprint, store, record, spans)
            if ended_early is None:
                LocalRunner(view, request.run_id, from_node=request.from_node, to_node=request.to_node).run(
                    create_pipeline(request.config, around)
                )
    except BaseException as problem:
        error = problem
        raise
    finally:
        report = assemble_report(
            run_id=request.run_id,
            command=request.command,
            config=request.config,
            results=view.results,
            skipped=view.not_run,
            seconds=time.monotonic() - start,
            peak_rss_mb=_peak_rss_mb(),
            error=error,
            spans=spans,
            ended_early=ended_early,
        )
        write_atomically(request.paths.report(request.run_id), report.model_dump_json(indent=2) + "\n")
    return report


def _surroundings(request: RunRequest, digest: str, record: ModelRecord | None) -> Surroundings:
    code = code_versions()
    fingerprint = _fingerprint(request.config, digest, code)
    return Surroundings(
        pipeline_root=str(request.paths.artifacts),
        push_uri=str(request.paths.models),
        data_digest=digest,
        scratch_uri=str(request.paths.scratch),
        production=_judged_against(record, fingerprint),
        fingerprint=fingerprint,
        code=code,
        metadata=tfx.orchestration.metadata.sqlite_metadata_connection_config(str(request.paths.metadata)),
    )


def _nothing_new(
    request: RunRequest, fingerprint: str, store: ModelStore, record: ModelRecord | None, spans: SpansSummary | None
) -> str | None:
    """Says why the run need not begin, or returns None.

    Only for spans, which are there to be retrained on: whoever runs the same on another source gets the same report,
    from the cache. The fingerprint covers configuration and code too, so a change to either is a reason to run.
    """
    if spans is None or request.from_node is not None or request.to_node is not None:
        return None
    if record is None or record.fingerprint != fingerprint or record.version not in store.versions():
        return None
    names = list(spans.rows)
    return (
        f"Nothing is new since version {record.version} was pushed: it has learnt from {names[0]} to {names[-1]} "
        f"({len(names)} span{'s' * (len(names) > 1)}) with this configuration and code. To run all the same, add "
        "--from NewsExampleGen; to train anew only, --from Trainer."
    )


def _fingerprint(config: RunConfig, digest: str, code: Mapping[str, str]) -> str:
    facts = {"config": config.model_dump(mode="json"), "data": digest, "code": dict(code)}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _judged_against(record: ModelRecord | None, fingerprint: str) -> str:
    """Returns the version that this run's candidate has to be compared with.

    A run that would make again what is in production is judged as it was the first time: its verdict is known, and
    every node is answered from the cache. Any other run is judged against what is in production.
    """
    if record is None:
        return ""
    return record.judged_against if record.fingerprint == fingerprint else record.version


def _peak_rss_mb() -> float:
    # Linux counts in KiB, macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return round(max(resource.getrusage(kind).ru_maxrss for kind in kinds) / unit, 1)
