"""What the container entrypoint adds to a step of the compiled pipeline, besides the imports that any step needs.

    python benchmarks/entrypoint_overhead.py [--rounds 5]

Times two processes in turn: one that imports what a step imports and leaves, and the entrypoint with an executor that
does nothing, on an ExecutorInput with eight artifacts. Prints the medians of wall time and of processor time, which
does not depend on what else the machine does, with differences and ratios; the claim is that the differences are below
one second.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ARTIFACTS = 8
EXECUTOR = """
from tfx.dsl.components.base.base_executor import BaseExecutor


class Executor(BaseExecutor):
    def Do(self, input_dict, output_dict, exec_properties):
        pass
"""
IMPORTS = (
    "import os, idle_step\n"
    "import agnews.kubeflow.execution.run_step\n"
    "import tfx.types.standard_artifacts\n"
    "os._exit(0)\n"
)


def step_arguments(folder: Path) -> list[str]:
    """Command line of a step that does nothing."""

    def artifacts(side: str) -> dict[str, object]:
        return {
            f"{side}{number}": {"artifacts": [{"name": "1", "uri": str(folder / f"{side}{number}"), "metadata": {}}]}
            for number in range(ARTIFACTS // 2)
        }

    inputs, outputs = artifacts("in"), artifacts("out")
    kind = "tfx.types.standard_artifacts.Examples"
    step = {
        "node": "Idle",
        "executor": "idle_step.Executor",
        "inputs": dict.fromkeys(inputs, kind),
        "outputs": dict.fromkeys(outputs, kind),
    }
    document = {
        "inputs": {"artifacts": inputs},
        "outputs": {"artifacts": outputs, "outputFile": str(folder / "executor_output.json")},
    }
    return ["-m", "agnews.kubeflow.entrypoint", "--step", json.dumps(step), "--executor-input", json.dumps(document)]


def seconds(arguments: list[str], folder: Path) -> tuple[float, float]:
    """Wall time and processor time of a process that must end well."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=True)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Prints the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    imports: list[tuple[float, float]] = []
    steps: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "idle_step.py").write_text(EXECUTOR)
        seconds(["-c", IMPORTS], folder)  # Files come from the disk once.
        for _ in range(rounds):
            imports.append(seconds(["-c", IMPORTS], folder))
            steps.append(seconds(step_arguments(folder), folder))
    for number, kind in enumerate(("wall time", "processor time")):
        bare = statistics.median(each[number] for each in imports)
        whole = statistics.median(each[number] for each in steps)
        print(
            f"{kind:<15} imports {bare:6.2f} s   entrypoint and step {whole:6.2f} s   "
            f"added {whole - bare:+5.2f} s   ratio {whole / bare:.3f}"
        )


if __name__ == "__main__":
    main()
