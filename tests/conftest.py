"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

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
