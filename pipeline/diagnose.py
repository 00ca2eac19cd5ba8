"""Looks at the machine and the installation, and says what to do about each problem."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

Level = Literal["fine", "note", "broken"]

MIN_GLIBC = (2, 27)
"""The oldest C library for which TensorFlow 2.21 has wheels (manylinux_2_27)."""
MIN_DISK_GIB = 2.0
MIN_MEMORY_GIB = 4.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: What was looked at.
        level: `fine`, `note` (works, but worth knowing) or `broken`.
        found: What was found.
        fix: What to do; empty where there is nothing to do.
    """

    subject: str
    level: Level
    found: str
    fix: str = ""

    def as_dict(self) -> dict[str, str]:
        """Returns the finding as plain data."""
        return asdict(self)


def diagnose(root: Path | None) -> list[Finding]:
    """Looks at everything that a run needs.

    Args:
        root: Folder that runs will use; it need not exist. None: look at what is installed and not at this machine's
            disk and memory, as where an image is built.

    Returns:
        The findings, in the order in which problems should be mended.
    """
    checks: list[Callable[[], Finding]] = [
        _python,
        _c_library,
        _packages,
        _byte_code,
        *([_keras] if _has_tensorflow() else []),
        *([_encoder] if can_train() else []),
        *([lambda: _disk(root), _memory] if root is not None else []),
        _tensorflow if _has_tensorflow() else _engine,
    ]
    return [check() for check in checks]


def can_train() -> bool:
    """Whether this is more than the small installation, `agnews[serve]`."""
    return importlib.util.find_spec("tfx") is not None


def _has_tensorflow() -> bool:
    """Whether this is more than a server of exported versions, `agnews[serve-openvino]` or `agnews[serve-onnx]`."""
    return importlib.util.find_spec("tensorflow") is not None


def _serving_extras() -> tuple[str, ...]:
    if _has_tensorflow():
        return ("serve-base", "serve")
    engines = [f"serve-{name}" for name in ("openvino", "onnx") if importlib.util.find_spec(_ENGINES[name])]
    return ("serve-base", *engines)


_ENGINES = {"openvino": "openvino", "onnx": "onnxruntime"}


def _python() -> Finding:
    found = f"{platform.python_version()} in {sys.prefix}"
    if sys.version_info[:2] != (3, 11):
        return Finding("Python", "broken", found, "Install Python 3.11, delete .venv and run: make setup")
    return Finding("Python", "fine", found)


def _c_library() -> Finding:
    library, text = platform.libc_ver()
    if sys.platform != "linux":
        return Finding("C library", "fine", f"{platform.system()} {platform.machine()}")
    if library != "glibc":
        return Finding("C library", "broken", library or "not glibc", "Use a Linux with glibc: musl has no wheels.")
    version = tuple(int(part) for part in text.split(".")[:2])
    if version < MIN_GLIBC:
        return Finding("C library", "broken", f"glibc {text}", "Use Debian 11, Ubuntu 20.04 or newer.")
    return Finding("C library", "fine", f"glibc {text}, {platform.machine()}")


def _packages() -> Finding:
    """Compares what is installed with what the package asks for, but for what the lock file overrides."""
    problems = []
    extras = ("", *_serving_extras(), *(["pipeline"] if can_train() else []))
    requirements = [
        requirement
        for requirement in map(Requirement, importlib.metadata.requires("agnews") or [])
        if requirement.name != "agnews"
        and (requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras))
    ]
    for requirement in requirements:
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            problems.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            problems.append(f"{requirement.name} {version} is not {requirement.specifier}")
    if problems:
        fix = "make setup" if can_train() else f"pip install 'agnews[{extras[-1]}]'"
        return Finding("packages", "broken", "; ".join(problems), f"Install the versions that are asked for: {fix}")
    asked = {requirement.name for requirement in requirements}
    told = ("tfx", "tensorflow", "tensorflow-text", "apache-beam", "kfp", "openvino", "onnxruntime", "tokenizers")
    shown = [name for name in told if name in asked]
    return Finding(
        "packages",
        "fine",
        f"{len(requirements)} direct dependencies as asked: "
        + ", ".join(f"{name} {importlib.metadata.version(name)}" for name in shown),
    )


def _byte_code() -> Finding:
    spec = next(filter(None, map(importlib.util.find_spec, ("tfx", "tensorflow", "fastapi"))), None)
    compiled = (
        spec is not None and spec.origin is not None and Path(importlib.util.cache_from_source(spec.origin)).exists()
    )
    if compiled:
        return Finding("byte code", "fine", "packages are compiled")
    level: Level = "note"
    hint = "PYTHONDONTWRITEBYTECODE is set, and " if os.environ.get("PYTHONDONTWRITEBYTECODE") else ""
    return Finding(
        "byte code", level, f"{hint}packages are not compiled: every start takes a minute", "Run: make setup"
    )


def _keras() -> Finding:
    value = os.environ.get("TF_USE_LEGACY_KERAS", "")
    if value != "1":
        return Finding(
            "Keras",
            "broken",
            f"TF_USE_LEGACY_KERAS={value!r}",
            "Run: export TF_USE_LEGACY_KERAS=1 (or unset it)",
        )
    return Finding("Keras", "fine", f"Keras 2 (tf-keras {importlib.metadata.version('tf-keras')})")


def _encoder() -> Finding:
    from agnews.components.text.vocabulary import load_vocabulary
    from agnews.schemas.errors import AgnewsError

    try:
        vocabulary = load_vocabulary("minilm")
    except AgnewsError as error:
        return Finding("vocabulary", "broken", error.problem, error.fix)
    return Finding("vocabulary", "fine", f"minilm, {len(vocabulary.tokens):,} word pieces")


def _disk(root: Path) -> Finding:
    folder = root.expanduser().absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free / 2**30
    found = f"{free:.1f} GiB free for {folder}"
    if not os.access(existing, os.W_OK):
        return Finding("disk", "broken", f"{existing} cannot be written", "Choose another folder: --root DIR")
    if free < MIN_DISK_GIB:
        return Finding("disk", "broken", found, f"Free {MIN_DISK_GIB:.0f} GiB, or choose another disk: --root DIR")
    return Finding("disk", "fine", found)


def _memory() -> Finding:
    import psutil

    from agnews.components.available_cores import available_cores

    memory = psutil.virtual_memory()
    total, available = memory.total / 2**30, memory.available / 2**30
    found = f"{available:.1f} of {total:.1f} GiB available, {available_cores()} cores"
    if available < MIN_MEMORY_GIB:
        return Finding("memory", "note", found, f"A run takes up to {MIN_MEMORY_GIB:.0f} GiB: end other programs.")
    return Finding("memory", "fine", found)


_COUNT_GPUS = "import tensorflow as tf; print('GPUs', *(gpu.name for gpu in tf.config.list_physical_devices('GPU')))"


def _tensorflow() -> Finding:
    """Loads TensorFlow in a process of its own: on an old processor it ends the process that loads it."""
    command = [sys.executable, "-c", _COUNT_GPUS]
    try:
        loaded = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    except subprocess.TimeoutExpired:
        return Finding("TensorFlow", "broken", "does not load within 5 minutes", "Free memory, or run: make setup")
    answers = [line for line in loaded.stdout.splitlines() if line.startswith("GPUs")]
    if loaded.returncode or not answers:
        last = (loaded.stderr.strip().splitlines() or ["no message"])[-1]
        return Finding("TensorFlow", "broken", f"exit status {loaded.returncode}: {last}", "Run: make setup")
    gpus = answers[-1].split()[1:]
    if gpus:
        return Finding("TensorFlow", "fine", f"loads, and sees {len(gpus)} GPU: {', '.join(gpus)}")
    if shutil.which("nvidia-smi") is None:
        return Finding("TensorFlow", "fine", "loads; there is no GPU, everything runs on the CPU")
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=30)
    if listed.returncode:
        reason = listed.stderr.strip() or listed.stdout.strip()
        return Finding("TensorFlow", "note", f"loads, but nvidia-smi fails: {reason}", "Mend the driver.")
    return Finding(
        "TensorFlow",
        "note",
        f"loads, but does not see {listed.stdout.strip()}",
        "Install its CUDA libraries: .uv/bin/uv sync --frozen --compile-bytecode --extra gpu",
    )


def _engine() -> Finding:
    """Loads what answers where there is no TensorFlow."""
    from agnews.components.engines.optional_package import import_optional
    from agnews.schemas.errors import AgnewsError

    found = [package for package in _ENGINES.values() if importlib.util.find_spec(package) is not None]
    if not found:
        fix = "pip install 'agnews[serve]', 'agnews[serve-openvino]' or 'agnews[serve-onnx]'"
        return Finding("engine", "broken", "neither TensorFlow nor OpenVINO nor ONNX Runtime", fix)
    try:
        for package in (*found, "tokenizers"):
            import_optional(package, "The server")
    except AgnewsError as error:
        return Finding("engine", "broken", str(error.found), error.fix)
    return Finding("engine", "fine", f"{', '.join(found)}; no TensorFlow: versions need an export")
