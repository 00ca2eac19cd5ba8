"""Looks within seconds whether an engine can take a job, so that none waits minutes for what is not there."""

from __future__ import annotations

import json
import secrets
import socket
import urllib.error
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from agnews.pipeline.beam.ask_flink import ask_flink
from agnews.pipeline.beam.beam_arguments import ENGINES, pool_address
from agnews.pipeline.beam.installation import check_folder, describe_installation, differences
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.execution_config import BeamConfig

SECONDS = 4.0
"""Patience with one question."""

_HERE = frozenset({"localhost", "127.0.0.1", "::1", "[::1]", "0.0.0.0"})  # noqa: S104 - compared, not listened at
_SEGMENT = 32 << 10
_PARTITIONS = 8
"""Result partitions that StatisticsGen has open at once in a slot, seen with Flink 1.19."""
_MANY_BUFFERS = 64


@dataclass(frozen=True)
class Finding:
    """What came of one look.

    Attributes:
        what: What was looked at, with its address.
        found: What was seen.
        fix: What to do; empty where all is well.
        is_fatal: Whether a job would fail or wait for it.
    """

    what: str
    found: str
    fix: str = ""
    is_fatal: bool = False


def require_engine(config: BeamConfig, shared: Sequence[str] = ()) -> None:
    """Makes sure that an engine can take a job.

    Args:
        config: Where the job is to run.
        shared: Folders and URIs that both sides read and write.

    Raises:
        AgnewsError: It cannot; all reasons are named, with addresses.
    """
    bad = [finding for finding in examine_engine(config, shared) if finding.is_fatal]
    if bad:
        raise AgnewsError(
            f"The runner {config.runner} cannot take a job: {bad[0].what}.",
            found="; ".join(
                finding.found if finding is bad[0] else f"{finding.what}: {finding.found}" for finding in bad
            ),
            fix=" ".join(dict.fromkeys(finding.fix for finding in bad)),
            exit_code=ExitCode.UNAVAILABLE,
        )


def examine_engine(config: BeamConfig, shared: Sequence[str] = ()) -> list[Finding]:
    """Looks at job server, master, slots, buffers, worker pool and folders.

    Args:
        config: Where jobs are to run; a runner in this machine has nothing to look at.
        shared: Folders and URIs that both sides read and write.

    Returns:
        What was found, in the order of a job's way. Takes some seconds at most, whatever does not answer.
    """
    found: list[Finding] = []
    if config.runner not in ENGINES:
        return found
    if config.job_endpoint:
        found.append(_job_server(config.job_endpoint))
    machines = 0
    if config.flink_master:
        overview = _examine_flink(config.flink_master, "/overview")
        if isinstance(overview, Finding):
            return [*found, overview]
        machines = int(overview.get("taskmanagers", 0))
        found += _flink(config, config.flink_master, overview)
    pool = pool_address(config)
    if pool is not None:
        found += _pool(config, pool, machines, shared)
    if config.environment == "loopback" and machines > 1:
        found.append(
            Finding(
                f"Flink at {config.flink_master}",
                f"{machines} TaskManagers, which would stop each other's workers in this process",
                "Take loopback with one TaskManager only; start `agnews beam worker-pool` beside each, and leave "
                "beam.environment out.",
                is_fatal=True,
            )
        )
    return found


def unreachable(config: BeamConfig) -> dict[str, str]:
    """Says which addresses do not answer: what it is, and where."""
    places = {"Beam's job server": config.job_endpoint, "Flink's JobManager": config.flink_master}
    return {what: place for what, place in places.items() if place and _refuses(place)}


def _refuses(address: str) -> str:
    host, _, port = address.rpartition(":")
    try:
        with closing(socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS)):
            return ""
    except OSError as error:
        return str(error)


def _job_server(address: str) -> Finding:
    what = f"Beam's job server at {address}"
    if problem := _refuses(address):
        return Finding(what, problem, "Start the job server, or mend beam.job_endpoint.", is_fatal=True)
    from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc

    def ask(channel: Any) -> Any:
        stub = beam_job_api_pb2_grpc.JobServiceStub(channel)
        return stub.DescribePipelineOptions(beam_job_api_pb2.DescribePipelineOptionsRequest(), timeout=SECONDS)

    try:
        options = _call(address, ask).options
    except _NoAnswerError as error:
        return Finding(
            what,
            f"something listens there that is no job server, or one that is stuck: {error}",
            "Give the job port of the job server (8099 unless it was told otherwise) in beam.job_endpoint.",
            is_fatal=True,
        )
    return Finding(what, f"answers, knows {len(options)} options")


class _NoAnswerError(Exception):
    """Nobody has answered in time, or not as was asked."""


def _call(address: str, ask: Callable[[Any], Any]) -> Any:
    import grpc

    # A proxy of the environment is none for addresses of an engine.
    channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
    try:
        return ask(channel)
    except grpc.RpcError as error:
        code = error.code() if hasattr(error, "code") else None
        raise _NoAnswerError(getattr(code, "name", str(error))) from error
    finally:
        channel.close()


def _examine_flink(master: str, path: str) -> dict[str, Any] | Finding:
    what = f"Flink's JobManager at {master}"
    try:
        answer = json.loads(ask_flink(master, path, seconds=SECONDS))
        return {"answer": answer} if path != "/overview" else dict(answer)
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        return Finding(
            what,
            f"no answer of its REST interface: {reason}",
            "Start the cluster, or give HOST:PORT of its REST interface (8081 unless told otherwise) in "
            "beam.flink_master.",
            is_fatal=True,
        )


def _flink(config: BeamConfig, master: str, overview: dict[str, Any]) -> Iterator[Finding]:
    what = f"Flink {overview.get('flink-version', '?')} at {master}"
    free, slots = int(overview.get("slots-available", 0)), int(overview.get("slots-total", 0))
    wanted = config.parallelism or 1
    machines = int(overview.get("taskmanagers", 0))
    yield Finding(
        what,
        f"{machines} TaskManagers, {free} of {slots} slots free, {wanted} wanted",
        ""
        if free >= wanted
        else "Lower beam.parallelism, add TaskManagers, or end other jobs (flink list, flink cancel).",
        is_fatal=free < wanted,
    )
    settings = _examine_flink(master, "/jobmanager/config")
    if isinstance(settings, Finding):
        yield settings
        return
    said = {entry["key"]: entry["value"] for entry in settings["answer"]}
    yield from _buffers(master, what, said, max(1, slots // max(1, machines)))
    strategy = said.get("restart-strategy.type", said.get("restart-strategy", "none"))
    if strategy in ("none", "off", "disable"):
        yield Finding(
            f"{what}, restart-strategy.type",
            "none: a lost machine or worker ends the job",
            "Set restart-strategy.type: fixed-delay in the configuration of the cluster.",
        )


def _buffers(master: str, what: str, said: dict[str, str], slots: int) -> Iterator[Finding]:
    least = int(said.get("taskmanager.network.sort-shuffle.min-buffers", 512))
    managers = _examine_flink(master, "/taskmanagers")
    if isinstance(managers, Finding):
        yield managers
        return
    for manager in managers["answer"]["taskmanagers"]:
        memory = int(manager.get("memoryConfiguration", {}).get("networkMemory", 0))
        if memory and least > _MANY_BUFFERS and memory // _SEGMENT < least * _PARTITIONS * slots:
            yield Finding(
                f"{what}, taskmanager.network.sort-shuffle.min-buffers",
                f"{least} for each result partition, {memory // _SEGMENT} buffers in all: StatisticsGen would fail",
                "Set it to 16, or raise taskmanager.memory.network.max.",
                is_fatal=True,
            )
            return


@lru_cache(maxsize=1)
def _here() -> dict[str, str]:
    return describe_installation()


def _pool(config: BeamConfig, address: str, machines: int, shared: Sequence[str]) -> Iterator[Finding]:
    what = f"worker pool at {address}"
    start = "Start `agnews beam worker-pool` on each machine of the engine."
    host = address.rpartition(":")[0]
    elsewhere = [place for place in (config.flink_master, config.job_endpoint) if place]
    is_remote = host in _HERE and any(place.rpartition(":")[0] not in _HERE for place in elsewhere)
    if is_remote:
        yield Finding(what, "each machine of the engine has its own there, which cannot be asked from here")
        return
    if problem := _refuses(address):
        yield Finding(what, problem, start, is_fatal=True)
        return
    try:
        there = dict(json.loads(_call(address, _question("Describe", b""))))
    except _NoAnswerError as error:
        is_beams = str(error) == "UNIMPLEMENTED"
        yield Finding(
            what,
            "it is Beam's own, which does not say what it runs and mixes up the workers of several machines"
            if is_beams
            else f"something listens there that is no worker pool: {error}",
            start,
            is_fatal=not is_beams or machines > 1,
        )
        return
    if differ := differences(_here(), there):
        yield Finding(
            what,
            "; ".join(differ),
            "Give both sides the same installation or image, and restart the pool.",
            is_fatal=True,
        )
        return
    yield Finding(what, f"the same packages and code ({there['code']}), {there['executable']}")
    for folder in shared:
        yield _folder(address, folder)


def _question(method: str, content: bytes) -> Callable[[Any], Any]:
    return lambda channel: channel.unary_unary(f"/agnews.WorkerPool/{method}")(content, timeout=SECONDS)


def _folder(address: str, folder: str) -> Finding:
    from agnews.components.storage.files_at import files_at

    what = f"folder {folder}"
    if problem := check_folder(folder):
        return Finding(what, f"not from here: {problem}", "Name a folder that can be written.", is_fatal=True)
    files, witness = files_at(folder), f".agnews-witness-{secrets.token_hex(6)}"
    path = f"{folder.rstrip('/')}/{witness}"
    files.write(path, [b"agnews"])
    try:
        answer = _call(address, _question("CheckFolder", json.dumps({"folder": folder, "witness": witness}).encode()))
    except _NoAnswerError as error:
        return Finding(
            what, f"the worker pool at {address} does not answer: {error}", "Look at its output.", is_fatal=True
        )
    finally:
        with suppress(OSError):
            files.remove_file(path)
    if problem := dict(json.loads(answer)):
        return Finding(
            what,
            f"not from the worker pool at {address}: {'; '.join(problem.values())}",
            "Mount one volume at one path on both sides, and name it with --root or --output.",
            is_fatal=True,
        )
    return Finding(what, "written and read from both sides")
