"""Fixtures that all tests share."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def real_data() -> Path:
    """A folder with real AG News rows, beside the checkout; the test is skipped where there is none."""
    folder = REPOSITORY.parent / "shared" / "data" / "agnews"
    if not (folder / "test.csv").is_file():
        pytest.skip(f"no AG News rows in {folder}")
    return folder


_GROWTH = 150 << 20
"""Bytes; looking for what can go takes a second where millions of objects stay."""

_seen = 0


@pytest.fixture(scope="module", autouse=True)
def _memory_of_a_module() -> Iterator[None]:
    """Gives back what graphs and models of a module took, so that a run of all tests does not keep that of each.

    Functions of TensorFlow hold themselves in circles, which Python looks for the more seldom the more there is; and
    what is freed stays with the allocator, in pieces.
    """
    yield
    global _seen
    process = psutil.Process()
    if process.memory_info().rss - _seen < _GROWTH:
        return
    gc.collect()
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].default_memory_pool().release_unused()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    _seen = process.memory_info().rss
