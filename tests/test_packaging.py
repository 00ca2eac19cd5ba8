"""What an installation that is not editable, such as one in a container, finds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LAYERS = ("api", "schemas", "components", "pipeline", "kubeflow")


@pytest.fixture(scope="module")
def installed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root package as it is built."""
    target = tmp_path_factory.mktemp("built")
    commands = ["egg_info", "--egg-base", target, "build_py", "--build-lib", target]
    subprocess.run(
        [sys.executable, "setup.py", "--quiet", *map(str, commands)], cwd=repository, check=True, capture_output=True
    )
    return target / "agnews"


def test_every_file_of_the_layers_is_installed(repository: Path, installed: Path) -> None:
    listed = subprocess.run(["git", "ls-files", *LAYERS], cwd=repository, check=True, capture_output=True, text=True)
    not_code = ("Dockerfile", *(f"kubeflow/{each}/" for each in ("manifests", "patches", "prometheus", "trainer")))
    wanted = {name for name in listed.stdout.splitlines() if not any(part in name for part in not_code)}

    missing = sorted(name for name in wanted if not (installed / name.removeprefix("api/")).is_file())

    assert len(wanted) > 100
    assert missing == []
