"""A cluster of Flink for the tests of this folder; they are skipped with words where this machine cannot have one."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


def _module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


flink_cluster = _module("flink_cluster", Path(__file__).with_name("flink_cluster.py"))
shared = _module("data_path_runs", Path(__file__).parents[1] / "pipeline" / "beam" / "conftest.py")
run_data_path = shared.run_data_path
assert_same_data = shared.assert_same_data


@pytest.fixture(scope="session", name="flink_cluster")
def the_module() -> Any:
    """What starts clusters."""
    return flink_cluster


@pytest.fixture(scope="session")
def jars() -> Path:
    """Flink and Beam's runner from Maven Central."""
    if lacking := flink_cluster.missing_programs():
        pytest.skip(lacking)
    try:
        return Path(flink_cluster.fetch_jars(flink_cluster.JARS))
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"Maven Central does not give the jars: {error}")


@pytest.fixture
def cluster(jars: Path, tmp_path: Path) -> Iterator[Any]:
    """Two TaskManagers with two slots each, a job server, a worker pool."""
    with flink_cluster.Cluster(tmp_path / "flink", jars) as running:
        yield running
