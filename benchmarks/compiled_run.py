"""What a compiled run costs beside the same run on this machine, with a step for each node and with shared steps.

    python benchmarks/compiled_run.py [none light all] [--rounds 3]

Runs the sample in fresh folders: once by `agnews run`, then for each value of `fuse` in the orchestrator of Kubeflow
Pipelines (`kfp.local`), whose steps are processes with the command of the spec. Prints, as ratios of one run:

- clock and processor seconds against the local run;
- pods on a server: a driver and a pod for each step, and a driver for each of the two graphs;
- seconds on a server by a model of its pace: Argo looks every 10 seconds at what has ended, so each pod takes a whole
  number of them, and steps wait for those that they depend on;
- bytes that the launcher would move from and to the bucket: each input and each output of each step.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import math
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from agnews.kubeflow.compiler.compile_pipeline import CompileRequest, compile_pipeline
from agnews.pipeline.code_version import code_versions
from agnews.pipeline.load_config import load_config
from agnews.pipeline.load_deployment import load_deployment

LOOK = 10.0
SETTINGS = ("data.source=sample", "training.epochs=2")


@dataclass
class Measured:
    """A run.

    Attributes:
        clock: Wall seconds.
        processor: Seconds of all processes below.
        steps: Wall seconds of each step.
        moved: Bytes of its artifacts, in and out.
    """

    clock: float = 0.0
    processor: float = 0.0
    steps: dict[str, float] = field(default_factory=dict)
    moved: int = 0


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def local_run(folder: Path) -> Measured:
    """Runs the pipeline on this machine."""
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    command = [str(Path(sys.executable).with_name("agnews")), "run", "--root", str(folder), *settings]
    clock, processor = time.monotonic(), _processor()
    subprocess.run(command, check=True, capture_output=True)
    return Measured(time.monotonic() - clock, _processor() - processor)


def compiled_run(fuse: str, folder: Path) -> tuple[Measured, dict[str, Any]]:
    """Compiles and runs; returns the measures and the tasks of the group."""
    from kfp import components, local
    from kfp.local import config, docker_task_handler
    from kfp.local.orchestrator import enhanced_dag_orchestrator

    table = load_deployment("cpu").model_copy(update={"fuse": fuse, "scratch_uri": str(folder / "scratch")})
    request = CompileRequest(
        config=load_config("transformer", list(SETTINGS)),
        deployment=table,
        image="registry.example/agnews:benchmark",
        code=code_versions(),
        data_uri="sample",
        push_uri=str(folder / "models"),
    )
    text, measured = compile_pipeline(request), Measured()

    def run(handler: Any) -> Any:
        return _run_step(handler.full_command, folder, measured)

    def proceed(condition: str, store: Any) -> bool:
        (name,) = re.findall(r"parameter_values\['(\w+)'\]", condition)
        return store.get_task_output("plan", name) is True

    docker_task_handler.DockerTaskHandler.run = run
    enhanced_dag_orchestrator.ConditionEvaluator.evaluate_condition = staticmethod(proceed)
    config.LocalExecutionConfig.instance = None
    local.init(local.DockerRunner(), pipeline_root=str(folder / "root"))
    loaded = components.load_component_from_text(text)
    clock, processor = time.monotonic(), _processor()
    with redirect_stdout(io.StringIO()):  # lines between the steps
        loaded()
    measured.clock, measured.processor = time.monotonic() - clock, _processor() - processor
    (spec, *_) = yaml.safe_load_all(text)
    return measured, spec["components"]["comp-learn-and-push"]["dag"]["tasks"]


def _run_step(command: list[str], folder: Path, measured: Measured) -> Any:
    from kfp.local import status

    contract = {"name": "plan"} if "--plan" in command else json.loads(command[4])
    document = json.loads(command[command.index("--executor-input") + 1])
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(folder)}
    start = time.monotonic()
    ended = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    name = contract.get("name") or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", contract["node"]).lower()
    measured.steps[name] = time.monotonic() - start
    if ended.returncode:
        sys.stderr.write(ended.stderr[-3000:])
        return status.Status.FAILURE
    for side in ("inputs", "outputs"):
        for entry in document.get(side, {}).get("artifacts", {}).values():
            measured.moved += sum(_bytes(Path(artifact["uri"])) for artifact in entry["artifacts"])
    return status.Status.SUCCESS


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def server_seconds(steps: Mapping[str, float], tasks: Mapping[str, Any]) -> float:
    """Models a run on a server.

    Args:
        steps: Seconds of each step's container.
        tasks: Tasks of the group; the step `plan` comes before it.

    Returns:
        Seconds from the start to the end of the last step.
    """

    def pod(seconds: float) -> float:
        return LOOK * max(1, math.ceil(seconds / LOOK))

    def ends(task: str) -> float:
        inputs = tasks[task].get("inputs", {}).get("artifacts", {}).values()
        before = {value["taskOutputArtifact"]["producerTask"] for value in inputs}
        before |= set(tasks[task].get("dependentTasks", ()))
        known[task] = known.get(task) or max(map(ends, before), default=begin) + LOOK + pod(steps[task])
        return known[task]

    known: dict[str, float] = {}
    # A driver for each of the two graphs, and the step before the second.
    begin = LOOK + LOOK + pod(steps["plan"]) + LOOK
    return max(map(ends, tasks))


def main() -> None:
    """Prints a table for each round, and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=["none", "light", "all"], metavar="none|light|all")
    parser.add_argument("--rounds", type=int, default=1, help="the local run and the compiled ones in turns")
    arguments = parser.parse_args()
    if unknown := set(arguments.kinds) - {"none", "light", "all"}:
        parser.error(f"no value of fuse: {', '.join(sorted(unknown))}; choose from none, light, all")
    logging.disable(logging.INFO)  # of kfp.local: each output of each step
    clocks: dict[str, list[float]] = {fuse: [] for fuse in arguments.kinds}
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory(prefix="agnews-compiled-run-") as name:
            for fuse, ratio in run_round(arguments.kinds, Path(name)).items():
                clocks[fuse].append(ratio)
    if arguments.rounds > 1:
        for fuse, ratios in clocks.items():
            print(f"{fuse:7} clock {statistics.median(ratios):.2f} of local, the median of {len(ratios)} rounds")


def run_round(kinds: Sequence[str], folder: Path) -> dict[str, float]:
    """Measures each once and prints it.

    Args:
        kinds: Values of `fuse`.
        folder: An empty one.

    Returns:
        The clock of each kind, in that of the local run.
    """
    local = local_run(folder / "local")
    print(f"local   clock {local.clock:6.1f} s   processor {local.processor:6.1f} s", flush=True)
    rows: dict[str, tuple[Measured, float]] = {}
    for fuse in kinds:
        (folder / fuse).mkdir()
        measured, tasks = compiled_run(fuse, folder / fuse)
        rows[fuse] = measured, server_seconds(measured.steps, tasks)
        pods = 2 * len(measured.steps) + 2
        print(
            f"{fuse:7} clock {measured.clock:6.1f} s ({measured.clock / local.clock:.2f} of local)   processor "
            f"{measured.processor:6.1f} s ({measured.processor / local.processor:.2f})   {pods} pods   "
            f"server {rows[fuse][1]:.0f} s   {measured.moved / 1e6:.1f} MB moved",
            flush=True,
        )
        print("        " + "  ".join(f"{step} {seconds:.1f}" for step, seconds in measured.steps.items()), flush=True)
    if "none" in rows:
        first, seconds = rows["none"]
        for fuse, (measured, server) in rows.items():
            print(
                f"{fuse:7} of none: clock {measured.clock / first.clock:.2f}   server {server / seconds:.2f}   "
                f"bytes {measured.moved / first.moved:.2f}"
            )
    return {fuse: measured.clock / local.clock for fuse, (measured, _) in rows.items()}


if __name__ == "__main__":
    main()
