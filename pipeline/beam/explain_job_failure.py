"""From what Beam makes of a worker's error, which is text, back to words that its reader can act on."""

from __future__ import annotations

import re

from agnews.pipeline.beam.beam_arguments import pool_address
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.execution_config import BeamConfig

_OURS = re.compile(r"(?:^|[\s:])(?:agnews\.\S+\.)?AgnewsError: ")
_STEP = re.compile(r" \[while running '.*?'\]")
_FOUND, _FIX = "\n  found: ", "\n  fix:   "
_EXCEPTION = re.compile(r"^(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Warning)\b.*")


def error_in(text: str) -> AgnewsError | None:
    """Reads an AgnewsError out of a traceback.

    Args:
        text: What a runner hands on of a worker's error.

    Returns:
        The error with its three parts, the first that was raised; None where there is none.
    """
    found = _OURS.search(text)
    if found is None:
        return None
    rest = _STEP.sub("", text[found.end() :])
    # A traceback goes on behind an empty line, or with an indented or flush word of Python's.
    rest = re.split(r"\n\s*\n|\nTraceback|\nDuring handling|\nThe above exception|\n\tat ", rest, maxsplit=1)[0]
    head, _, fix = rest.partition(_FIX)
    problem, has_found, value = head.partition(_FOUND)
    fix = fix.splitlines()[0] if fix else ""
    return AgnewsError(problem.strip(), found=value.rstrip() if has_found else None, fix=fix.strip())


def explain_job_failure(error: BaseException, config: BeamConfig) -> AgnewsError:
    """Says what ended a job.

    Args:
        error: What Beam has raised.
        config: Where the job ran.

    Returns:
        The AgnewsError that a worker raised, or one that says what to look at; the whole story is its cause.
    """
    if isinstance(error, AgnewsError):
        return error
    text = str(error)
    if ours := error_in(text):
        return ours
    for pattern, problem, fix in _KNOWN:
        if found := re.search(pattern, text, re.IGNORECASE):
            return AgnewsError(
                problem,
                found=f"{_where(config)}: {_line_around(text, found.start())}",
                fix=fix,
                exit_code=ExitCode.FAILED,
            )
    return AgnewsError(
        f"The Beam job on {config.runner} failed.",
        found=f"{_where(config)}: {_last_exception(text) or type(error).__name__}",
        fix="The log has the whole story; the output of a worker pool's workers is in the pool's folder.",
        exit_code=ExitCode.FAILED,
    )


_KNOWN = (
    (
        r"no space left on device|file upload failed|disk quota exceeded",
        "A disk of the engine is full.",
        "Make room in the temporary folder of that machine (Flink: io.tmp.dirs, blob.storage.directory).",
    ),
    (
        r"could not upload job files",
        "Flink's JobManager has not taken all files of the job; most often its disk is full.",
        "Make room in its temporary folder (blob.storage.directory): each job brings 150 MB. Its log has the reason.",
    ),
    (
        r"cannot import name 'sql_util'|No module named 'agnews",
        "The workers are not those of this installation.",
        "Start the pool with `agnews beam worker-pool`, in an environment with the same packages as here.",
    ),
    (
        r"NoResourceAvailableException|Could not acquire the minimum required resources",
        "Flink has not enough free task slots.",
        "Lower beam.parallelism, add TaskManagers, or end other jobs.",
    ),
    (
        r"insufficient number of network buffers",
        "Flink has not enough network buffers.",
        "Set taskmanager.network.sort-shuffle.min-buffers: 16, and give taskmanager.memory.network.max more.",
    ),
    (
        r"StartWorker|worker pool|BeamFnExternalWorkerPool|ExternalEnvironmentFactory",
        "The engine cannot start workers at its worker pool.",
        "Start `agnews beam worker-pool` on each machine of the engine; beam.environment says at which address.",
    ),
    (
        r"StatusCode\.(UNAVAILABLE|DEADLINE_EXCEEDED)|FutureTimeoutError",
        "Beam's job server does not answer any more.",
        "Look whether it runs and what it printed last; the same command starts the step anew.",
    ),
    (
        r"Recovery is suppressed by|Connecting to remote task manager|TaskManager with id .* is no longer reachable",
        "The engine lost a machine or a worker, and did not recover.",
        "Look at the log of its TaskManager. With restart-strategy.type: fixed-delay Flink starts the job again.",
    ),
)


def _where(config: BeamConfig) -> str:
    places = [place for place in (config.job_endpoint, config.flink_master, pool_address(config)) if place]
    return f"{config.runner} at {', '.join(places)}" if places else str(config.runner)


def _line_around(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    return text[start : end if end >= 0 else len(text)].strip()[:400]


def _last_exception(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if _EXCEPTION.match(line.strip())]
    return _STEP.sub("", lines[-1])[:400] if lines else (text.strip().splitlines() or [""])[0][:400]
