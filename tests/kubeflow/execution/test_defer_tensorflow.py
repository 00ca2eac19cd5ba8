from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

HEAVY = ("tensorflow", "sklearn", "apache_beam", "pandas", "scipy", "tf_keras", "tfx.components")
WITHOUT = ("BaselineModel", "ImportSchemaGen", "DataGate", "SmokeTest", "Pusher", "Report")
LOADED = """
import importlib, json, sys
def loaded(*names):
    return [name for name in names if name in sys.modules]
"""
START = """
from agnews.kubeflow import entrypoint
from agnews.kubeflow.execution.defer_tensorflow import defer_tensorflow
defer_tensorflow()
import agnews.kubeflow.execution.run_group
import tfx.types.standard_artifacts
"""

pytestmark = pytest.mark.integration


@pytest.fixture
def answer(tmp_path: Path) -> Callable[[str], Any]:
    """Runs code in a process of its own; returns what it prints, JSON."""

    def answer(code: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", LOADED + code],
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return answer


def test_executors_of_documents_load_none_of_the_heavy_packages(answer: Callable[[str], Any], repository: Path) -> None:
    (spec, *_) = yaml.safe_load_all((repository / "tests/golden/pipeline.yaml").read_text())
    arguments = [executor["container"]["args"] for executor in spec["deploymentSpec"]["executors"].values()]
    contracts = [json.loads(words[words.index("--step") + 1]) for words in arguments if "--step" in words]
    executors = {contract["node"]: contract["executor"].rpartition(".")[0] for contract in contracts}
    code = "found = {}\n" + "".join(
        f"importlib.import_module({executors[node]!r})\nfound[{node!r}] = loaded(*{HEAVY!r})\n" for node in WITHOUT
    )
    assert answer(f"{START}{code}print(json.dumps(found))") == {node: [] for node in WITHOUT}


def test_paths_are_this_machines_and_a_uri_loads_tensorflow(answer: Callable[[str], Any], tmp_path: Path) -> None:
    package = tmp_path / "tensorflow"
    package.mkdir()
    (package / "__init__.py").write_text(
        "class io:\n  class gfile:\n    @staticmethod\n    def exists(path):\n      return path + ' seen'\n"
    )
    found = answer(
        f"{START}from tfx.dsl.io import fileio\n"
        f"found = [fileio.exists({str(package)!r}), fileio.exists({str(tmp_path / 'none')!r}), loaded('tensorflow')]\n"
        "print(json.dumps([*found, fileio.exists('gs://bucket/model'), loaded('tensorflow')]))\n"
    )
    assert found == [True, False, [], "gs://bucket/model seen", ["tensorflow"]]


@pytest.mark.parametrize("step", ["run_plan_step", "run_notify_step"])
def test_the_steps_around_the_nodes_load_not_even_tfx(answer: Callable[[str], Any], step: str) -> None:
    code = f"importlib.import_module('agnews.kubeflow.execution.{step}')\nprint(json.dumps(loaded('tfx', *{HEAVY!r})))"
    assert answer(code) == []
