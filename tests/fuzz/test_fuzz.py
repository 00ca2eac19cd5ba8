"""A minute of fuzzing for each parser that reads what strangers send; `make fuzz` goes on for longer."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from agnews.components.available_cores import available_cores

HERE = Path(__file__).parent
SECONDS = int(os.environ.get("AGNEWS_FUZZ_SECONDS", "60"))


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


TARGETS = _load("targets").TARGETS
fuzzer = _load("fuzz")

needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not installed: `make setup` installs it on Linux, and there are no wheels for other systems",
)


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[str, Future]]:
    """All targets, as many at once as there are processors."""
    with ThreadPoolExecutor(available_cores()) as pool:
        yield {name: pool.submit(fuzzer.fuzz, name, SECONDS) for name in sorted(TARGETS)}


@needs_atheris
@pytest.mark.integration
@pytest.mark.timeout(60 + 2 * SECONDS * len(TARGETS))
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_nothing_that_strangers_send_is_uncaught(name: str, outcomes: dict[str, Future]) -> None:
    outcome = outcomes[name].result()
    assert outcome.passed, f"python tests/fuzz/fuzz.py {name} INPUT eats it again\n{outcome.summary}"


@pytest.fixture
def toy(tmp_path: Path) -> ModuleType:
    """The fuzzer with one target, which cannot stand what begins with `ab`."""
    (tmp_path / "targets.py").write_text(
        "from dataclasses import dataclass\n"
        "@dataclass\n"
        "class Target:\n"
        "    make: object\n"
        "    seeds: object\n"
        "    words: tuple = ()\n"
        "def eat(content):\n"
        "    if content[:2] == b'ab': raise KeyError(content)\n"
        "TARGETS = {\n"
        "    'toy': Target(lambda: eat, lambda: [b'aa']),\n"
        "    'calm': Target(lambda: bytes.isascii, lambda: [b'aa']),\n"
        "}\n"
    )
    module_file = tmp_path / "fuzz.py"
    module_file.write_text((HERE / "fuzz.py").read_text().replace("parents[2]", "parents[0]"))
    spec = importlib.util.spec_from_file_location("toy_fuzz", module_file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["toy_fuzz"] = module
    spec.loader.exec_module(module)
    return module


@needs_atheris
@pytest.mark.integration
def test_the_fuzzer_finds_what_is_uncaught(toy: ModuleType, tmp_path: Path) -> None:
    outcome = toy.fuzz("toy", 20)
    assert not outcome.passed
    assert "KeyError" in outcome.log
    (crash,) = (tmp_path / "build" / "fuzz").glob("toy-crash-*")
    assert crash.read_bytes()[:2] == b"ab"


@needs_atheris
@pytest.mark.integration
def test_the_memory_of_the_process_that_starts_it_does_not_count(toy: ModuleType) -> None:
    ballast = bytearray(os.urandom(1 << 10)) * (1 << 20)
    outcome = toy.fuzz("calm", 3, megabytes=len(ballast) >> 21)
    assert outcome.passed, outcome.summary
