"""The recordings that tests go by are those that the server gave."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest


def test_the_packed_recordings_are_the_originals(repository: Path, recordings: dict[str, Any]) -> None:
    originals = repository.parent / "shared" / "data" / "kfp-2.17.0"
    if not originals.is_dir():
        pytest.skip(f"no originals in {originals}")
    spec = importlib.util.spec_from_file_location("record", repository / "tests/golden/record_kubeflow_server.py")
    assert spec is not None
    assert spec.loader is not None
    record = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(record)
    assert record.pack(originals) == recordings
