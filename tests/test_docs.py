"""The documents say what is so."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest


def test_the_reference_of_the_command_line_is_up_to_date(repository: Path) -> None:
    spec = importlib.util.spec_from_file_location("make_cli_reference", repository / "docs" / "make_cli_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text() == module.reference(), "run: python docs/make_cli_reference.py"


def _tracked(repository: Path, pattern: str) -> list[Path]:
    command = ["git", "ls-files", "--", *([pattern] if pattern else [])]
    listed = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [repository / line for line in listed.stdout.splitlines()]


def test_links_between_documents_lead_somewhere(repository: Path) -> None:
    dead = [
        f"{page.relative_to(repository)}: {target}"
        for page in _tracked(repository, "*.md")
        for target in re.findall(r"\]\(([\w./-]+)(?:#[\w-]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert dead == []


def test_every_node_is_explained(repository: Path) -> None:
    from agnews.pipeline.code_versions import code_versions

    text = (repository / "docs" / "architecture.md").read_text()
    nodes = {*code_versions(), "StatisticsGen", "ImportSchemaGen", "ExampleValidator"}
    assert [node for node in sorted(nodes) if f"| {node} |" not in text] == []


def test_the_repository_stays_small(repository: Path) -> None:
    sizes = {path: path.stat().st_size for path in _tracked(repository, "") if path.is_file()}
    assert [path.name for path, size in sizes.items() if size > 500_000] == []
    assert sum(sizes.values()) < 5_000_000


def test_tests_that_documents_name_exist(repository: Path) -> None:
    code = "".join(path.read_text() for path in _tracked(repository, "tests/**/*.py"))
    named = {
        name for page in _tracked(repository, "docs/*.md") for name in re.findall(r"`(test_\w+)`", page.read_text())
    }
    assert [name for name in sorted(named) if f"def {name}(" not in code] == []
    assert len(named) >= 10
