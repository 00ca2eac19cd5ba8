from __future__ import annotations

import importlib.metadata
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agnews.pipeline import diagnose as module
from agnews.pipeline.diagnose import Finding, diagnose


@pytest.fixture(autouse=True)
def _context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")


def _tensorflow_says(monkeypatch: pytest.MonkeyPatch, stdout: str, *, code: int = 0, stderr: str = "") -> None:
    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, code, stdout, stderr)

    monkeypatch.setattr(module.subprocess, "run", run)
    monkeypatch.setattr(module.shutil, "which", lambda name: None)


def _find(findings: list[Finding], subject: str) -> Finding:
    return next(finding for finding in findings if finding.subject == subject)


@pytest.mark.integration
def test_the_machine_that_passes_the_tests_is_fit(tmp_path: Path) -> None:
    findings = diagnose(tmp_path / "not" / "there")
    assert [finding for finding in findings if finding.level == "broken"] == []
    assert "loads" in _find(findings, "TensorFlow").found
    assert not (tmp_path / "not").exists()


def test_every_problem_comes_with_something_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "0")
    monkeypatch.setattr(module.platform, "libc_ver", lambda: ("glibc", "2.17"))
    monkeypatch.setattr(module.sys, "version_info", (3, 12, 1))
    _tensorflow_says(monkeypatch, "", code=-4, stderr="Illegal instruction")

    broken = {finding.subject: finding for finding in diagnose(tmp_path) if finding.level == "broken"}

    assert broken.keys() == {"Python", "C library", "Keras", "TensorFlow"}
    assert all(finding.fix for finding in broken.values())
    assert "2.17" in broken["C library"].found
    assert "Illegal instruction" in broken["TensorFlow"].found


def test_a_package_of_another_version_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = importlib.metadata.version
    monkeypatch.setattr(module.importlib.metadata, "version", lambda name: "1.20.0" if name == "tfx" else real(name))
    _tensorflow_says(monkeypatch, "GPUs\n")
    finding = _find(diagnose(tmp_path), "packages")
    assert finding.level == "broken"
    assert finding.found == "tfx 1.20.0 is not ==1.21.0"


def test_gpus_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _tensorflow_says(monkeypatch, "chatter\nGPUs /physical_device:GPU:0 /physical_device:GPU:1\n")
    assert "2 GPU" in _find(diagnose(tmp_path), "TensorFlow").found


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _tensorflow_says(monkeypatch, "GPUs\n")
    usage = type("Usage", (), {"free": 2**29})()
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage)
    finding = _find(diagnose(tmp_path), "disk")
    assert finding.level == "broken"
    assert "0.5 GiB free" in finding.found
    assert "--root DIR" in finding.fix


def test_where_an_image_is_built_the_installation_alone_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    _tensorflow_says(monkeypatch, "GPUs\n")
    subjects = {finding.subject for finding in diagnose(None)}
    assert {"packages", "byte code", "Keras", "vocabulary", "TensorFlow"} <= subjects
    assert not {"disk", "memory"} & subjects
