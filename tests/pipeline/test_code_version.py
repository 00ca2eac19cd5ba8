from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from agnews.pipeline import code_version as module
from agnews.pipeline.code_version import code_closures, code_version

Package = Callable[[dict[str, str]], None]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """Writes modules of a package `toy` and makes it the root that the digest follows."""
    monkeypatch.setattr(module, "_ROOT", "toy")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "toy", raising=False)
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "__init__.py").write_text("")

    def write(sources: dict[str, str]) -> None:
        for name, source in sources.items():
            (tmp_path / "toy" / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        for cached in (module._file, module._tree, module._imports, module._normalised_source):
            cached.cache_clear()

    return write


STEP = "from toy import helper\n\ndef run():\n    return helper.VALUE\n"


def test_a_change_in_an_imported_module_changes_the_digest(package: Package) -> None:
    package({"step": STEP, "helper": "VALUE = 1\n"})
    before = code_version("toy.step")
    package({"helper": "VALUE = 2\n"})
    assert code_version("toy.step") != before


def test_a_change_behind_an_import_inside_a_function_changes_the_digest(package: Package) -> None:
    package(
        {
            "step": "def run():\n    from toy.helper import value\n    return value\n",
            "helper": "from toy.deep import value\n",
            "deep": "value = 1\n",
        }
    )
    before = code_version("toy.step")
    package({"deep": "value = 2\n"})
    assert code_version("toy.step") != before


def test_comments_docstrings_and_foreign_modules_do_not_change_the_digest(package: Package) -> None:
    package({"step": STEP, "helper": "VALUE = 1\n", "other": "X = 1\n"})
    before = code_version("toy.step")
    package({"helper": '"""Words."""\n# more words\nVALUE  =  1\n', "other": "X = 2\n"})
    assert code_version("toy.step") == before


def test_nothing_is_imported_to_be_digested(package: Package) -> None:
    package({"step": "from toy.helper import VALUE\nraise SystemExit('was run')\n", "helper": "raise SystemExit\n"})
    assert len(code_version("toy.step")) == 16


def test_a_module_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"agnews\.components\.absent"):
        code_version("agnews.components.absent")


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
