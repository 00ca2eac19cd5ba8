"""The documents say what is so."""

from __future__ import annotations

import importlib.util
import itertools
import re
import shlex
import subprocess
from collections.abc import Iterator
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


def test_no_file_holds_what_a_merge_left(repository: Path) -> None:
    marks = re.compile(r"^(<{7} |>{7} |\|{7} |={7}$)", re.MULTILINE)
    texts = {path: path.read_text(errors="replace") for path in _tracked(repository, "") if path.is_file()}
    assert [str(path.relative_to(repository)) for path, text in texts.items() if marks.search(text)] == []


def test_files_that_documents_name_exist(repository: Path) -> None:
    tracked = [path.relative_to(repository).as_posix() for path in _tracked(repository, "")]
    folders = tuple({name.partition("/")[0] for name in tracked if "/" in name})
    missing = []
    for page in _tracked(repository, "*.md"):
        for name in re.findall(r"`([\w.*/-]+)`", page.read_text()):
            if name.startswith(tuple(f"{folder}/" for folder in folders)):
                exists = any(repository.glob(name.rstrip("/")))
            elif re.fullmatch(r"[\w-]+\.py", name):
                exists = any(other.rpartition("/")[2] == name for other in tracked)
            else:
                continue
            if not exists:
                missing.append(f"{page.relative_to(repository)}: {name}")
    assert missing == []


def test_the_way_from_the_graph_to_the_model_is_as_described(repository: Path) -> None:
    text = (repository / "docs" / "architecture.md").read_text()
    sentence = text[text.index("The way from the graph to a layer of the model") :].partition("\n\n")[0]
    way = re.findall(r"`([\w/]+)\.py`", sentence)
    assert len(way) >= 4
    for file, following in itertools.pairwise(way):
        module = f"agnews.{following.replace('/', '.')}"
        assert module in (repository / f"{file}.py").read_text(), f"{file}.py does not name {module}"


def test_every_node_is_explained(repository: Path) -> None:
    from agnews.pipeline.code_version import code_versions

    text = (repository / "docs" / "architecture.md").read_text()
    nodes = {*code_versions(), "ImportSchemaGen", "ExampleValidator"}
    assert [node for node in sorted(nodes) if f"| {node} |" not in text] == []


def test_the_repository_stays_small(repository: Path) -> None:
    sizes = {path: path.stat().st_size for path in _tracked(repository, "") if path.is_file()}
    assert [path.name for path, size in sizes.items() if size > 500_000] == []
    assert sum(sizes.values()) < 7_500_000


def test_tests_that_documents_name_exist(repository: Path) -> None:
    code = "".join(path.read_text() for path in _tracked(repository, "tests/**/*.py"))
    named = {
        name for page in _tracked(repository, "docs/*.md") for name in re.findall(r"`(test_\w+)`", page.read_text())
    }
    assert [name for name in sorted(named) if f"def {name}(" not in code] == []
    assert len(named) >= 10


COMMANDS = ("README.md", "docs/kubeflow.md", "docs/deployment.md", "docs/schedules.md", "docs/tuning.md")


def _commands(text: str) -> Iterator[list[str]]:
    """Commands of ours in blocks of code, without what is said about them on the same line."""
    for line in text.replace("\\\n", " ").splitlines():
        match = re.match(r"(?: {4}|```)?(?:\.venv/bin/)?agnews (.+)", line)
        if match and line[:1] in (" ", ".", "a"):
            # A comment, or an explanation in a column of its own; then what a shell makes of the rest.
            command = re.split(r"\s#|\s{4,}|\s&|\s\|", f"{match[1]} ")[0]
            yield shlex.split(command)


@pytest.mark.parametrize("page", COMMANDS)
def test_the_command_line_understands_the_commands_of_documents(repository: Path, page: str) -> None:
    import click
    import typer

    from agnews.pipeline.cli.main import app

    commands = list(_commands((repository / page).read_text()))
    assert commands
    for words in commands:
        command: click.Command = typer.main.get_command(app)
        rest = words
        while isinstance(command, click.Group):
            with click.Context(command) as context:
                _, found, rest = command.resolve_command(context, rest)
            assert found is not None
            command = found
        try:
            command.make_context(words[0], [word for word in rest if word != "..."])
        except click.UsageError as error:
            pytest.fail(f"{page}: agnews {shlex.join(words)}: {error.format_message()}")


def test_tables_and_schedules_of_documents_are_right(repository: Path, tmp_path: Path) -> None:
    from agnews.kubeflow.compiler.compile_pipeline import CompileRequest, compile_pipeline
    from agnews.kubeflow.schedules.schedule_file import ScheduleFile
    from agnews.pipeline.code_version import code_versions
    from agnews.pipeline.load_config import load_config
    from agnews.pipeline.load_deployment import load_deployment

    blocks = re.findall(r"```yaml\n(.*?)```", (repository / "docs" / "kubeflow.md").read_text(), re.DOTALL)
    path = tmp_path / "example.yaml"
    code, tables = code_versions(), 0
    for block in blocks:
        path.write_text(block)
        if "schedules:" in block:
            assert ScheduleFile.read(path).schedules
            continue
        if "extends:" not in block:
            path.write_text(f"extends: cpu\n{block}")
        table = load_deployment(str(path))
        config = load_config("transformer", table.settings)
        request = CompileRequest(config, table, "registry.example/agnews:1", code)
        compiled = compile_pipeline(request)
        assert "claimName" in compiled or "pvcMount" in compiled or "secretAsEnv" in compiled
        tables += 1
    assert tables == 3


def test_troubleshooting_quotes_errors_that_there_are(repository: Path) -> None:
    """Words of an error that changes have to change there too."""
    page = (repository / "docs" / "troubleshooting.md").read_text()
    first_cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ") and "---" not in line]
    quoted = [words for cell in first_cells for words in re.findall(r"`([^`]+)`", cell)]
    assert len(quoted) > 30
    code = "".join(
        path.read_text() for path in _tracked(repository, "*.py") if path.relative_to(repository).parts[0] != "tests"
    )
    # Texts in the code go over lines, and may have an f before each of their parts.
    joined = re.sub(r'"\s*\n?\s*f?"', "", code)
    joined += re.sub(r"\{[^{}]*\}", "", joined)
    assert [words for words in quoted if words not in joined] == []
