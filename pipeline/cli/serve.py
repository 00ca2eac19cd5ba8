"""`agnews serve`: the pushed model behind HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agnews.components.engines.engine_choice import EngineChoice
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
from agnews.schemas.errors import AgnewsError
from agnews.schemas.kept_text import KeptText

if TYPE_CHECKING:
    from agnews.components.model_store import ModelStore
    from agnews.components.model_store.find_pushed_model import PushedModel
    from agnews.components.request_log.request_log import LogSettings

_LIMITS = "Limits"
_ACCESS = "Access"
_RUNNING = "Running"
_LOG = "Log of requests"


def serve(
    root: RootOption = Path("workspace"),
    name: NameOption = "agnews",
    models: ModelsOption = None,
    version: VersionOption = "",
    model: ModelOption = None,
    trust_model: TrustOption = False,
    engine: EngineOption = EngineChoice.AUTO,
    host: Annotated[
        str, typer.Option(help="Address to answer at; 0.0.0.0 lets other machines in.", rich_help_panel=_ACCESS)
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.", rich_help_panel=_ACCESS)
    ] = 8501,
    grpc_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="Answer TensorFlow Serving's gRPC too, at this port; 0 takes a free one. Needs agnews\\[grpc].",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Let in only those who send the token in this file, or in the variable AGNEWS_SERVE_TOKEN. Two lines "
            "are two tokens, while one takes the place of the other.",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    no_token: Annotated[
        bool,
        typer.Option(
            "--no-token",
            help="Let in everybody who reaches the address, also from other machines.",
            rich_help_panel=_ACCESS,
        ),
    ] = False,
    allowed_hosts: Annotated[
        list[str] | None,
        typer.Option(
            "--allowed-host",
            metavar="NAME",
            help="Name that clients may know this server by; may be repeated. Addresses and names of this machine are "
            "known. With a token and another --host than a local one, all names are taken unless some are given.",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    open_metrics: Annotated[
        bool,
        typer.Option("--open-metrics", help="Let everybody read /metrics, token or not.", rich_help_panel=_ACCESS),
    ] = False,
    cors_origins: Annotated[
        list[str] | None,
        typer.Option(
            "--cors-origin",
            metavar="URL",
            help="Let pages of this site call the server from a browser; may be repeated.",
            rich_help_panel=_ACCESS,
        ),
    ] = None,
    max_body_kb: Annotated[
        int, typer.Option(metavar="N", min=1, help="Longest body, in KiB (413).", rich_help_panel=_LIMITS)
    ] = 4096,
    max_instances: Annotated[
        int, typer.Option(metavar="N", min=1, help="Most texts in a request (422).", rich_help_panel=_LIMITS)
    ] = 1024,
    max_text_bytes: Annotated[
        int, typer.Option(metavar="N", min=1, help="Longest text, in bytes of UTF-8 (422).", rich_help_panel=_LIMITS)
    ] = 65536,
    max_queue: Annotated[
        int, typer.Option(metavar="N", min=1, help="Most texts that wait (429).", rich_help_panel=_LIMITS)
    ] = 4096,
    deadline: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0.1, help="Longest wait in the queue (429, 504).", rich_help_panel=_LIMITS),
    ] = 10.0,
    max_connections: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            help="Most clients at a time; idle ones make room, then 503. 0: up to 10,000, as files may be open.",
            rich_help_panel=_LIMITS,
        ),
    ] = 0,
    max_inflight_mb: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Bodies of all requests under way, in MiB (503).", rich_help_panel=_LIMITS
        ),
    ] = 256,
    max_batch: Annotated[
        int, typer.Option(metavar="N", min=1, help="Most texts that the model sees at once.", rich_help_panel=_RUNNING)
    ] = 32,
    workers: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Batches at a time; 0: as many as cores.", rich_help_panel=_RUNNING),
    ] = 0,
    threads: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=1,
            help="Cores for one batch; more for large models.",
            rich_help_panel=_RUNNING,
        ),
    ] = 1,
    poll: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0.05, help="Between two looks for another version.", rich_help_panel=_RUNNING
        ),
    ] = 2.0,
    drain: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0,
            help="After SIGTERM, go on that long while /readyz says no, so that load balancers turn away first.",
            rich_help_panel=_RUNNING,
        ),
    ] = 0.0,
    shadow: Annotated[
        str,
        typer.Option(
            metavar="VERSION",
            help="Let this version answer everything once more, off the path, and count where it differs.",
            rich_help_panel=_RUNNING,
        ),
    ] = "",
    canary: Annotated[
        str,
        typer.Option(
            metavar="VERSION=SHARE",
            help="Let this version answer a share of the requests, chosen by their ids: 1763820000=0.05.",
            rich_help_panel=_RUNNING,
        ),
    ] = "",
    log_requests: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|URI",
            help="Keep what is asked and answered, in a folder or a bucket (s3://, gs://). Nothing is kept without it.",
            rich_help_panel=_LOG,
        ),
    ] = None,
    log_text: Annotated[
        KeptText,
        typer.Option(
            help="What is kept of texts; drift is measured in any case, labelling needs `all`.", rich_help_panel=_LOG
        ),
    ] = KeptText.ALL,
    log_redact: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Patterns (RE2), one a line, that are taken out of texts before anything is written.",
            rich_help_panel=_LOG,
        ),
    ] = None,
    log_days: Annotated[
        int, typer.Option(metavar="N", min=1, help="Remove requests after N days.", rich_help_panel=_LOG)
    ] = 30,
    sample: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            min=0.0001,
            max=1.0,
            help="Keep this share of requests, chosen by id.",
            rich_help_panel=_LOG,
        ),
    ] = 1.0,
    access_log: Annotated[
        bool, typer.Option("--access-log", help="Log each request.", rich_help_panel=_RUNNING)
    ] = False,
) -> None:
    """Serve the model in production over HTTP, with TensorFlow Serving's REST interface.

    A newly pushed version, or an older one after a rollback, takes over while the server runs, without a failed
    request. A version that cannot be served leaves the one before it in place. With --version or --model it stays with
    that one.

    [bold]Examples[/bold]

      agnews serve                                    then open http://127.0.0.1:8501
      agnews serve --root DIR --port 0                a free port
      agnews serve --model DIR/models/agnews/1763820000
      agnews serve --host 0.0.0.0 --token-file token  for other machines
      agnews serve --host 0.0.0.0 --no-token          for everybody who reaches this machine
      agnews serve --grpc-port 8500                   TensorFlow Serving's gRPC beside its REST interface
      agnews serve --log-requests requests            keep what is asked, for `agnews monitor` and `agnews feedback`

      curl -d '{"instances": ["Oil prices soar to all-time record"]}' http://127.0.0.1:8501/v1/models/agnews:predict
    """
    from agnews.components.available_cores import available_cores
    from agnews.components.model_server.access_token import read_access_token
    from agnews.components.model_server.allowed_origins import allowed_hosts as hosts_of
    from agnews.components.model_server.allowed_origins import check_cors_origins
    from agnews.components.model_server.canary import parse_canary
    from agnews.components.model_server.graceful_server import (
        is_loopback,
        listening_socket,
        most_connections,
        raise_file_limit,
    )
    from agnews.components.model_server.json_response import Limits
    from agnews.pipeline.printable_console import printable_console
    from agnews.pipeline.serving.run_server import ServerPlan, run_server

    check_cors_origins(cors_origins or [])
    raise_file_limit()
    # The files that may be open are for both of its doors.
    room = most_connections() // (1 if grpc_port is None else 2)
    limits = Limits(
        body_bytes=max_body_kb << 10,
        instances=max_instances,
        text_bytes=max_text_bytes,
        queue_rows=max_queue,
        batch_rows=max_batch,
        deadline_seconds=deadline,
        connections=min(max_connections or room, room),
        inflight_bytes=max(max_inflight_mb << 20, max_body_kb << 10),
    )
    console = printable_console(stderr=True)
    token = read_access_token(token_file)
    is_local = is_loopback(host)
    if token is None and not is_local and not no_token:
        raise _open_to_all(host)
    parsed = parse_canary(canary) if canary else None
    settings = _log_settings(log_requests, log_text, log_redact, log_days, sample)
    hosts = hosts_of(host, allowed_hosts or [], has_token=token is not None, is_local=is_local)
    chosen = chosen_model(root, name, models, version, model, trust=trust_model)
    chosen_export(chosen, engine, trust=trust_model)
    found, store = chosen
    if token is None and not is_local:
        console.print(f"[bold yellow]warning[/bold yellow]  Everybody who reaches {host} can use this server.")
    tried = _pushed(store, shadow), _pushed(store, parsed.version if parsed else "")
    listening = listening_socket(host, port)
    plan = ServerPlan(
        found=found,
        store=store,
        follows=not version and not model,
        engine=engine,
        shadow=tried[0],
        canary=parsed,
        canary_model=tried[1],
        limits=limits,
        listening=listening,
        grpc_address=None if grpc_port is None else (host, _free_port(host, grpc_port)),
        token=token,
        open_metrics=open_metrics,
        cors_origins=cors_origins or [],
        hosts=hosts,
        workers=workers or max(1, available_cores() // threads),
        threads=threads,
        poll_seconds=poll,
        drain_seconds=drain,
        access_log=access_log,
        log_settings=settings,
    )
    run_server(plan, console)


def _free_port(host: str, port: int) -> int:
    """Sees that gRPC will get its port, before a model is loaded; 0 finds a free one."""
    from agnews.components.engines.optional_package import import_optional, is_installed
    from agnews.components.model_server.graceful_server import listening_socket

    # Only looked at: to import it takes TensorFlow.
    if not is_installed("tensorflow_serving"):
        import_optional("tensorflow_serving.apis", "--grpc-port")
    with listening_socket(host, port) as found:
        return int(found.getsockname()[1])


def _pushed(store: ModelStore | None, version: str) -> PushedModel | None:
    """Finds a version to try beside the one in production."""
    if not version:
        return None
    from agnews.components.model_store.find_pushed_model import find_pushed_model

    if store is None:
        raise AgnewsError(
            "A version is tried beside another one of the same store.",
            found="--model, which names a folder",
            fix="Name the store with --root or --models.",
        )
    return find_pushed_model(store, version)


def _log_settings(
    uri: str | None, text: KeptText, redact: Path | None, keep_days: int, sample: float
) -> LogSettings | None:
    if uri is None:
        if redact is not None or sample < 1 or text is not KeptText.ALL:
            raise AgnewsError(
                "This says how requests are kept, and they are not.",
                found="--log-text, --log-redact or --sample without --log-requests",
                fix="Say where: --log-requests DIR.",
            )
        return None
    from agnews.components.request_log.places import places_at
    from agnews.components.request_log.redaction import read_redaction
    from agnews.components.request_log.request_log import LogSettings

    return LogSettings(places_at(uri), text, sample, keep_days, read_redaction(redact))


def _open_to_all(host: str) -> AgnewsError:
    return AgnewsError(
        "Everybody who reaches this address could use the server: there is no token.",
        found=f"--host {host}",
        fix="Give a token with --token-file, or say --no-token if that is what you want.",
    )
