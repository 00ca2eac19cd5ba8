"""From the section `beam` of an execution file to the arguments that Beam takes."""

from __future__ import annotations

import shutil

from agnews.components.available_cores import available_cores
from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import BeamConfig

LOCAL_ARGUMENTS = ("--runner=FnApiRunner", "--sdk_container_image=unused")
"""Beam's in-process runner, by name: the default first tries Prism, which is a binary to download.

An image for workers, which this runner does not have, keeps TFX from packing itself into an archive for them each time
an executor is made: two seconds a node, and 52 MB left in the temporary folder.
"""

POOL = "localhost:50000"
"""Where each machine of an engine has its worker pool, unless the configuration says otherwise."""

_JAR = "--flink_job_server_jar="

ENGINES = frozenset({"prism", "flink", "spark", "dataflow", "portable"})
"""Runners whose workers are not children of this process."""


def beam_arguments(config: BeamConfig) -> tuple[str, ...]:
    """Returns what Beam is told.

    Args:
        config: The section; `auto` has been decided.

    Raises:
        AgnewsError: The runner is a program that is not there, or that nobody has named.
    """
    if config.runner == "local":
        return (*LOCAL_ARGUMENTS, *config.options)
    if config.runner == "multiprocess":
        return (
            *LOCAL_ARGUMENTS,
            "--direct_running_mode=multi_processing",
            f"--direct_num_workers={config.parallelism or available_cores()}",
            *config.options,
        )
    return (*_engine(config), *_environment(config), *_given(config), *config.options)


def pool_address(config: BeamConfig) -> str | None:
    """Returns the address of the worker pool as an engine's machines see it; None where they have none."""
    if config.runner not in ENGINES or config.runner in ("prism", "dataflow"):
        return None
    kind, _, rest = (config.environment or f"external:{POOL}").partition(":")
    return rest if kind == "external" else None


def _engine(config: BeamConfig) -> tuple[str, ...]:
    if config.runner == "prism":
        return ("--runner=PrismRunner", *_prism())
    if config.runner == "dataflow":
        return ("--runner=DataflowRunner",)
    if config.job_endpoint is None:
        if not any(option.startswith(_JAR) for option in config.options):
            raise AgnewsError(
                "Beam's job server is not named: Beam would fetch it, a program, and compare it with nothing.",
                found=f"flink_master {config.flink_master} without job_endpoint",
                fix=f"Start one and name it with beam.job_endpoint, or give its file with --beam options={_JAR}FILE.",
            )
        return ("--runner=FlinkRunner", f"--flink_master={config.flink_master}")
    master = (f"--flink_master={config.flink_master}",) if config.flink_master else ()
    return ("--runner=PortableRunner", f"--job_endpoint={config.job_endpoint}", *master)


def _prism() -> tuple[str, ...]:
    found = shutil.which("prism")
    if found is None:
        raise AgnewsError(
            "The runner Prism is not installed.",
            found="no program prism on PATH",
            fix="Put it there (go install github.com/apache/beam/sdks/v2/go/cmd/prism@latest), or take --beam "
            "runner=multiprocess.",
        )
    return (f"--prism_location={found}",)


def _environment(config: BeamConfig) -> tuple[str, ...]:
    if config.environment is None and config.runner in ("prism", "dataflow"):
        return ("--environment_type=LOOPBACK",) if config.runner == "prism" else ()
    kind, _, rest = (config.environment or f"external:{POOL}").partition(":")
    if kind == "loopback":
        return ("--environment_type=LOOPBACK",)
    if kind == "docker":
        return (f"--sdk_container_image={rest}",) if config.runner == "dataflow" else _typed("DOCKER", rest)
    return _typed("EXTERNAL" if kind == "external" else "PROCESS", rest)


def _typed(kind: str, rest: str) -> tuple[str, ...]:
    configuration = f'{{"command": "{rest}"}}' if kind == "PROCESS" else rest
    return (f"--environment_type={kind}", f"--environment_config={configuration}")


def _given(config: BeamConfig) -> tuple[str, ...]:
    given = []
    if config.parallelism is not None:
        name = "max_num_workers" if config.runner == "dataflow" else "parallelism"
        given.append(f"--{name}={config.parallelism}")
    if config.temp_location is not None:
        given.append(f"--temp_location={config.temp_location}")
    return tuple(given)
