"""What an installation that is not editable, such as one in a container, finds."""

from __future__ import annotations

import subprocess
import sys
import zipfile
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
    folders = ("kserve", "manifests", "patches", "prometheus", "trainer")
    not_code = ("Dockerfile", "trim_packages.sh", *(f"kubeflow/{each}/" for each in folders))
    wanted = {name for name in listed.stdout.splitlines() if not any(part in name for part in not_code)}

    missing = sorted(name for name in wanted if not (installed / name.removeprefix("api/")).is_file())

    assert len(wanted) > 100
    assert missing == []


@pytest.mark.integration
def test_every_python_of_the_environment_can_import_tfdv_first(tmp_path: Path) -> None:
    """What a worker of Beam does that unpickles a pipeline: it has imported neither us nor TFX."""
    code = "import tensorflow_data_validation, sys; print('tfx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr[-2000:]


def test_what_makes_that_so_loads_nothing_else(tmp_path: Path) -> None:
    code = "import sys; print([name for name in sys.modules if name.partition('.')[0] in ('agnews', 'tfx')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.integration
def test_it_is_in_the_wheel_where_python_looks_for_it(repository: Path, tmp_path: Path) -> None:
    commands = [
        "egg_info",
        "--egg-base",
        tmp_path,
        "bdist_wheel",
        "--bdist-dir",
        tmp_path / "b",
        "--dist-dir",
        tmp_path,
    ]
    subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build", "--build-base", str(tmp_path / "build"), *map(str, commands)],
        cwd=repository,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as files:
        assert [name for name in files.namelist() if name.endswith(".pth")] == [
            "agnews-0.1.0.data/purelib/agnews-workers.pth"
        ]
