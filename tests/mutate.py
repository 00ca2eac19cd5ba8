"""Changes the rules that decide, one place at a time, and sees whether a test notices.

make mutants                                    all modules, hours on two cores
.venv/bin/python tests/mutate.py judge          one

Ends with 1 where fewer than nine of ten changes of a module are noticed. docs/testing.md says why the others are not.

References:
    https://github.com/boxed/mutmut, which forks a process for each change.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
WORK = Path(os.environ.get("AGNEWS_MUTANTS_FOLDER") or REPOSITORY / "build" / "mutants")
MODULES = {
    "judge": ("components/evaluator/judge.py", ["tests/components/evaluator/test_judge.py"]),
    "paired_test": (
        "components/evaluator/paired_test.py",
        ["tests/components/evaluator/test_paired_test.py", "tests/components/evaluator/test_compare.py"],
    ),
    "split_rule": ("components/corpus_files/split_rule.py", ["tests/components/corpus_files/test_split_rule.py"]),
    "plan_run": (
        "pipeline/plan_run.py",
        ["tests/pipeline/test_plan_run.py", "tests/pipeline/test_sample_as_baseline.py"],
    ),
    "model_store": (
        "components/model_store/model_store.py",
        ["tests/components/model_store/test_reading_a_store.py"],
    ),
}
LEAST = 0.9
_SURVIVED, _UNTESTED = 0, 33
_CONFIG = """
[tool.mutmut]
source_paths = ["agnews"]
only_mutate = [{module}]
also_copy = ["tests", "pyproject.toml", "components", "pipeline", "kubeflow", "schemas"]
pytest_add_cli_args = ["-x", "--durations=0"]
pytest_add_cli_args_test_selection = [{tests}]
use_git_change_detection = false
track_dependencies = false
"""


def prepare(name: str) -> Path:
    """Copies the checkout, with its packages under the name that they are imported by."""
    folder = WORK / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    packed = subprocess.run(["git", "archive", "HEAD"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
    for layer in ("components", "pipeline", "kubeflow", "schemas"):
        shutil.copytree(folder / layer, folder / "agnews" / layer)
    module, tests = MODULES[name]
    tests = [test for test in tests if (folder / test).exists()]
    text = (folder / "pyproject.toml").read_text(encoding="utf-8")
    pytest_part = re.search(r"^\[tool\.pytest\.ini_options\].*?(?=^\[|\Z)", text, re.DOTALL | re.MULTILINE)
    assert pytest_part is not None
    config = pytest_part[0] + _CONFIG.format(
        module=json.dumps(f"agnews/{module}"), tests=", ".join(json.dumps(test) for test in tests)
    )
    tomllib.loads(config)
    (folder / "pyproject.toml").write_text(config, encoding="utf-8")
    return folder


def mutate(name: str) -> tuple[int, Sequence[str]]:
    """Tries all changes of a module.

    Returns:
        How many there are, and the names of those that no test notices.
    """
    folder = prepare(name)
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with (folder / "mutmut.log").open("wb") as log:
        subprocess.run(
            [sys.executable, "-m", "mutmut", "run"], cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    found = folder / "mutants" / "agnews" / f"{MODULES[name][0]}.meta"
    if not found.is_file():
        sys.exit(f"mutmut has not begun; see {folder / 'mutmut.log'}")
    codes = json.loads(found.read_text())["exit_code_by_key"]
    if None in codes.values():
        sys.exit(f"mutmut was cut; see {folder / 'mutmut.log'}")
    return len(codes), [key for key, code in codes.items() if code in (_SURVIVED, _UNTESTED)]


def show(name: str, keys: Sequence[str]) -> None:
    """Prints the changes that no test notices."""
    for key in keys:
        done = subprocess.run(
            [sys.executable, "-m", "mutmut", "show", key], cwd=WORK / name, capture_output=True, text=True
        )
        print(f"  {key.rpartition('.')[2]}")  # noqa: T201
        for line in done.stdout.splitlines():
            if re.match(r"[-+] ", line):
                print(f"    {line}")  # noqa: T201


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"{', '.join(MODULES)}; default: all")
    wanted = parser.parse_args().modules or list(MODULES)
    if unknown := set(wanted) - set(MODULES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(MODULES)}")
    failed = False
    for name in wanted:
        count, alive = mutate(name)
        share = 1 - len(alive) / count
        failed |= share < LEAST
        print(f"{name}: {100 * share:.1f} % of {count} changes are noticed", flush=True)  # noqa: T201
        show(name, alive)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
