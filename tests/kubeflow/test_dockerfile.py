"""The recipe of the image: what can be known of it without building it."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.requirements import Requirement


@pytest.fixture(scope="module")
def stages(repository: Path) -> dict[str, list[str]]:
    """The instructions of each stage, comments and line breaks taken out; the last stage has no name."""
    text = (repository / "kubeflow" / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found: dict[str, list[str]] = {}
    stage: list[str] = []
    for instruction in "\n".join(lines).replace("\\\n", " ").splitlines():
        words = " ".join(instruction.split())
        if words.startswith("FROM "):
            stage = found.setdefault(words.partition(" AS ")[2], [])
        if words:
            stage.append(words)
    return found


def test_it_is_well_made(repository: Path) -> None:
    linter = Path(sys.executable).with_name("hadolint")
    ended = subprocess.run(
        [linter, repository / "kubeflow" / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_image_has_no_tools_of_the_build(stages: dict[str, list[str]]) -> None:
    """It starts from the base again, and takes finished folders only."""
    image = stages[""]
    assert image[0] == "FROM base"
    assert all(line.startswith("COPY --from=") for line in image if line.startswith(("COPY", "ADD")))
    assert [line.split()[1] for line in image if line.startswith("RUN ")] == ["useradd", "agnews"]


def test_it_is_not_root_and_works_as_the_user_that_it_runs_as(stages: dict[str, list[str]]) -> None:
    image = stages[""]
    (user,) = [line for line in image if line.startswith("USER ")]
    assert int(user.split()[1].split(":")[0]) > 0, "Kubernetes' runAsNonRoot wants a number"
    # Building it fails if it does not work, and it is this user for whom it has to.
    assert image.index("RUN agnews doctor --installation") > image.index(user)


def test_keras_is_the_old_one_and_commands_can_be_anything(stages: dict[str, list[str]]) -> None:
    assert "TF_USE_LEGACY_KERAS=1" in " ".join(stages["base"])
    assert not [line for line in stages[""] if line.startswith("ENTRYPOINT")]


def test_uv_is_that_of_the_makefile_by_its_digest_and_only_the_lock_decides(
    repository: Path, stages: dict[str, list[str]]
) -> None:
    text = " ".join(stages["dependencies"])
    assert "COPY kubeflow/build-tools.txt" in text
    for place in (text, (repository / "Makefile").read_text()):
        (install,) = re.findall(r"pip install [^\n&]*build-tools\.txt", place)
        assert "--require-hashes" in install
    assert re.findall(r"uv sync (?!--frozen)", text) == []
    assert "UV_NO_DEV=1" in text


def _ignored(rules: list[str], path: str) -> bool:
    """What docker makes of .dockerignore, for the kinds of rules that ours has."""
    ignored = False
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        names = path.split("/")
        heads = ["/".join(names[: count + 1]) for count in range(len(names))]
        where = names if "**/" in rule else heads
        if any(fnmatch(name, pattern) and (pattern != "*" or "/" not in name) for name in where):
            ignored = not rule.startswith("!")
    return ignored


def _copied(stages: dict[str, list[str]]) -> Iterator[str]:
    for lines in stages.values():
        for line in lines:
            if line.startswith("COPY ") and "--from=" not in line:
                yield from line.split()[1:-1]


def test_what_is_copied_is_there_and_nothing_else_is_sent(repository: Path, stages: dict[str, list[str]]) -> None:
    text = (repository / ".dockerignore").read_text()
    rules = [line for line in text.splitlines() if line and not line.startswith("#")]
    copied = set(_copied(stages))
    assert copied >= {"uv.lock", "schemas", "components", "pipeline", "kubeflow"}
    for name in copied:
        assert (repository / name).exists()
        assert not _ignored(rules, name)
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert allowed == copied, allowed ^ copied
    for path in ("workspace/models/x", ".git/config", ".env", "token", "kubeflow/cli/__pycache__/submit.pyc"):
        assert _ignored(rules, path), path


def test_cuda_is_what_tensorflow_asks_for(repository: Path) -> None:
    """The extra `gpu` stands for `tensorflow[and-cuda]`, whose extra an override of TensorFlow would drop."""
    asked = {}
    for requirement in map(Requirement, importlib.metadata.requires("tensorflow") or []):
        if requirement.marker is not None and "and-cuda" in str(requirement.marker):
            asked[requirement.name] = requirement.specifier
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    ours = {wanted.name: wanted.specifier for wanted in map(Requirement, project["optional-dependencies"]["gpu"])}
    assert ours == asked
    lock = tomllib.loads((repository / "uv.lock").read_text())
    locked = {package["name"]: package["version"] for package in lock["package"]}
    assert [name for name, allowed in asked.items() if not allowed.contains(locked[name])] == []
    # CPU: none of them, not even through another package.
    graph = {package["name"]: [part["name"] for part in package.get("dependencies", [])] for package in lock["package"]}
    reached, waiting = set(), ["agnews"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += graph[name]
    assert not reached & set(asked)


def test_the_image_for_serving_has_no_tools_for_training(repository: Path, stages: dict[str, list[str]]) -> None:
    (sync,) = [line for line in stages["dependencies"] if line.startswith("RUN") and "uv sync" in line]
    options = dict(re.findall(r"([\w|-]+)\) set --([^;]*) ;;", sync))
    assert options.keys() == {"cpu", "gpu", "serving|serving-openvino|serving-onnx"}
    serving = options["serving|serving-openvino|serving-onnx"]
    assert serving.split() == ["--no-default-groups", "--extra", '"serve${VARIANT#serving}"']
    assert "--no-default-groups" not in options["cpu"]
    extras = set(tomllib.loads((repository / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    assert {"serve", "serve-openvino", "serve-onnx"} <= extras
    (project,) = [line for line in stages["project"] if "encoder show" in line]
    assert "serving*) mkdir" in project


def test_what_nothing_reads_is_trimmed_and_nothing_else(repository: Path, tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    gone = ["tensorflow/include/a.h", "clang/native/libclang.so", "numpy/lib/tests/test_io.py", "pyarrow/tests/util.py"]
    kept = ["tensorflow/python/a.py", "numpy/testing/a.py", "apache_beam/tests/a.py", "clang_format/a.py"]
    for path in (*gone, *kept):
        (packages / path).parent.mkdir(parents=True)
        (packages / path).touch()
    subprocess.run(["sh", repository / "kubeflow" / "trim_packages.sh", tmp_path], check=True)
    assert sorted(str(path.relative_to(packages)) for path in packages.rglob("*.*") if path.is_file()) == sorted(kept)
    # An environment that lacks some of them, as that of the engines without TensorFlow.
    subprocess.run(["sh", repository / "kubeflow" / "trim_packages.sh", tmp_path], check=True)
