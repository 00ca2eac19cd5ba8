"""How much code makes a node run again, held to a recorded table."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from agnews.pipeline.code_version import code_closures


@pytest.fixture(scope="module")
def record_closures(repository: Path) -> ModuleType:
    script = repository / "tests" / "golden" / "record_closures.py"
    spec = importlib.util.spec_from_file_location("record_closures", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_node_sees_more_code_than_recorded(record_closures: ModuleType) -> None:
    limits = record_closures.read_limits()
    closures = code_closures()
    assert limits.keys() == closures.keys(), "make closures ARGS='--record --reason \"WHY\"'"
    grown = {
        node: f"{size:,} lines, limit {limits[node]['lines']:,}"
        for node, modules in closures.items()
        if (size := sum(modules.values())) > limits[node]["lines"]
    }
    assert not grown, (
        f"{grown}: a change to any of these lines makes the node run again. Look at `make closures MODULE=NAME` for "
        "the module that came in, and keep it out where the node does not need it. If it does need it: "
        "make closures ARGS='--record --reason \"WHY\"', in the commit that needs it."
    )


def test_a_raised_limit_has_the_reason_of_who_raised_it(record_closures: ModuleType) -> None:
    before = {"A": {"lines": 100, "reason": "first"}, "B": {"lines": 100, "reason": "first"}}
    made = record_closures.raised(before, {"A": 101, "B": 40, "C": 25}, "rows carry a weight")
    assert made == {
        "A": {"lines": 125, "reason": "rows carry a weight"},
        "B": {"lines": 50, "reason": "first"},
        "C": {"lines": 25, "reason": "rows carry a weight"},
    }
    assert all(row["reason"] for row in record_closures.read_limits().values())


def test_a_module_belongs_to_the_nodes_that_run_it() -> None:
    found = {node for node, modules in code_closures().items() if "agnews.components.transform" in modules}
    assert found == {"Transform"}
