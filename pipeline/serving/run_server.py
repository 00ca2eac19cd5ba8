"""Runs the server that was asked for, until it is told to end."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from agnews.components.engines.optional_package import is_installed
from agnews.components.model_server.event_log import EventLog, writer_to
from agnews.pipeline.literal_text import literal, printable
from agnews.pipeline.local.quiet_output import quiet_output
from agnews.pipeline.spared_imports import spared_imports

if TYPE_CHECKING:
    import socket

    from agnews.components.engines.engine_choice import EngineChoice
    from agnews.components.model_server.access_token import AccessToken
    from agnews.components.model_server.canary import Canary
    from agnews.components.model_server.json_response import Limits
    from agnews.components.model_server.serving_state import ServingState
    from agnews.components.model_store import ModelStore
    from agnews.components.model_store.find_pushed_model import PushedModel
    from agnews.components.request_log.request_log import LogSettings

_SMALL_BYTES = 32 << 20


@dataclass(frozen=True, kw_only=True)
class ServerPlan:
    """What is served, to whom, and how.

    Attributes:
        found: The version to begin with.
        store: Where it is from; None where it was named by its folder.
        follows: Whether the server takes what is pushed later.
        engine: What runs the model.
        shadow: A version that answers everything once more; None for none.
        canary: Which requests go to another version; None where all go to the one in production.
        canary_model: That version.
        limits: What is refused.
        listening: The socket, bound.
        grpc_address: Where the same is answered over gRPC; None for nowhere.
        token: That clients must send; None where everybody is let in.
        open_metrics: Whether the counters are for everybody.
        cors_origins: Sites whose pages may call the server.
        hosts: Names that clients may know it by; None for any.
        workers: Batches at a time.
        threads: Cores for one batch.
        poll_seconds: Between two looks for another version.
        drain_seconds: For which it goes on after it was told to end.
        access_log: Whether each request is a line in the log.
        log_settings: What is kept of requests; None for nothing.
    """

    found: PushedModel
    store: ModelStore | None
    follows: bool
    engine: EngineChoice
    shadow: PushedModel | None
    canary: Canary | None
    canary_model: PushedModel | None
    limits: Limits
    listening: socket.socket
    grpc_address: tuple[str, int] | None
    token: AccessToken | None
    open_metrics: bool
    cors_origins: list[str]
    hosts: frozenset[str] | None
    workers: int
    threads: int
    poll_seconds: float
    drain_seconds: float
    access_log: bool
    log_settings: LogSettings | None


def run_server(plan: ServerPlan, console: Console) -> None:
    """Loads the model, says where the server is, and answers until SIGTERM or Ctrl-C.

    Args:
        plan: What is asked for.
        console: Where the greeting goes.

    Raises:
        AgnewsError: A version cannot be loaded, or the log of requests cannot be written.
    """
    if _is_small(plan.found.folder):
        # oneDNN prepares a kernel for each shape of batch and keeps it: that pays for the matrices of a BERT alone. A
        # small model answers a fifth more without it, in half the memory, which then does not grow.
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    loading = f"Loading version {plan.found.record.version} of {plan.found.record.name} ..."
    write = writer_to(sys.stderr.fileno())
    with quiet_output(Path(os.devnull)) as terminal, Console(file=terminal).status(loading):
        # Models come afterwards, so that nothing of them stays when they go.
        with spared_imports():
            from agnews.components.model_server.batcher import Batcher
            from agnews.components.model_server.create_app import create_app
            from agnews.components.model_server.graceful_server import GracefulServer
            from agnews.components.model_server.metrics import Metrics
            from agnews.components.model_server.model_host import ModelHost
            from agnews.components.model_server.serving_state import ServingState
            from agnews.components.model_server.shadow import Shadow
            from agnews.pipeline.serving.greet import greet

            if is_installed("tensorflow"):
                import tensorflow  # noqa: F401
        log = EventLog(lambda line: write(printable(line)))
        metrics = Metrics()
        metrics.lost_lines.set_function(lambda: log.lost)
        host = ModelHost(
            plan.found,
            store=plan.store,
            follows=plan.follows,
            metrics=metrics,
            log=log,
            threads=plan.threads,
            engine=plan.engine,
            batches=plan.workers,
        )
        state = ServingState(host, Batcher(plan.limits, metrics, workers=plan.workers, log=log), metrics, plan.limits)
        if plan.log_settings is not None:
            _keep_requests(plan.log_settings, state, log)
        if (tried := plan.shadow) is not None:
            state.shadow = Shadow(
                host.load_beside(tried),
                metrics,
                waiting=lambda: state.batcher.waiting,
                log=log,
                keep=state.request_log.offer_shadow if state.request_log is not None else None,
            )
        if (tried := plan.canary_model) is not None:
            host.load_beside(tried)
            state.canary = plan.canary
        app = create_app(
            state,
            token=plan.token,
            open_metrics=plan.open_metrics,
            cors_origins=plan.cors_origins,
            hosts=plan.hosts,
            poll_seconds=plan.poll_seconds,
            grpc_address=plan.grpc_address,
            log=log,
        )
    with suppress(OSError):
        # Nobody may be reading, and the server is there all the same.
        greet(console, host, plan.listening, has_token=plan.token is not None, follows=plan.follows)
        if plan.grpc_address is not None:
            console.print("  gRPC {}:{}".format(*plan.grpc_address), soft_wrap=True, style="dim")
        if plan.log_settings is not None:
            console.print(f"  {plan.log_settings.describe()} {literal(plan.log_settings.places.uri)}", soft_wrap=True)
    server = GracefulServer(app, state, drain_seconds=plan.drain_seconds, access_log=plan.access_log, log=log)
    server.run(sockets=[plan.listening])
    host.close()
    log("stopped")
    log.flush()


def _keep_requests(settings: LogSettings, state: ServingState, log: EventLog) -> None:
    from agnews.components.model_server.drift_watch import DriftWatch
    from agnews.components.request_log.request_log import RequestLog
    from agnews.components.storage.explain_storage_errors import explain_storage_errors

    def count(outcome: str, rows: int) -> None:
        state.metrics.logged_rows.labels(outcome).inc(rows)

    with explain_storage_errors(f"starting the log of requests in {settings.places.spool}"):
        state.drift_watch = DriftWatch(state.host, settings.places, state.metrics, log)
        state.request_log = RequestLog(settings, alphabet=state.drift_watch.alphabet, tell=log, count=count)


def _is_small(folder: str) -> bool:
    """Whether a model on a local disk has small matrices, by the size of its weights."""
    weights = [path.stat().st_size for path in Path(folder).glob("variables/*")]
    return 0 < sum(weights) < _SMALL_BYTES
