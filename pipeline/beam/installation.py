"""What has to be the same on both sides of an engine: packages, code, and what a path leads to."""

from __future__ import annotations

import hashlib
import platform
import secrets
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = (
    "apache-beam",
    "numpy",
    "protobuf",
    "pyarrow",
    "tensorflow",
    "tensorflow-data-validation",
    "tensorflow-text",
    "tensorflow-transform",
    "tf-keras",
    "tfx",
    "tfx-bsl",
)
_ROOT = Path(__file__).parents[2]
_LAYERS = ("schemas", "components", "pipeline")


def describe_installation() -> dict[str, str]:
    """Returns versions of Python and of the packages that workers run, and a digest of our code."""
    described = {"python": platform.python_version(), "executable": sys.executable}
    for package in _PACKAGES:
        with suppress(PackageNotFoundError):
            described[package] = version(package)
    return {**described, "code": _code()}


def differences(here: dict[str, str], there: dict[str, str]) -> list[str]:
    """Says what differs between two installations, a line each."""
    names = sorted((set(here) | set(there)) - {"executable"})
    return [
        f"{name} {here.get(name, 'missing')} here, {there.get(name, 'missing')} there"
        for name in names
        if here.get(name) != there.get(name)
    ]


def check_folder(folder: str, witness: str = "") -> dict[str, str]:
    """Looks whether a folder is the one that another process has written into, and can be written.

    Args:
        folder: A path or a URI.
        witness: Name of a file that the other has left there; empty where it could not.

    Returns:
        What is wrong by kind, `missing` or `not writable`; nothing where all is well.
    """
    from agnews.components.storage.files_at import files_at

    files = files_at(folder)
    own = f"{folder.rstrip('/')}/.agnews-probe-{secrets.token_hex(6)}"
    try:
        if witness and not files.exists(f"{folder.rstrip('/')}/{witness}"):
            return {"missing": f"{folder} is another folder there, or none"}
        files.write(own, [b"agnews"])
        files.remove_file(own)
    except Exception as error:  # noqa: BLE001 - told to whoever asked
        return {"not writable": f"{folder}: {type(error).__name__}: {error}"[:300]}
    return {}


def _code() -> str:
    digest = hashlib.sha256()
    for layer in _LAYERS:
        for path in sorted((_ROOT / layer).rglob("*.py")):
            digest.update(f"{path.relative_to(_ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
