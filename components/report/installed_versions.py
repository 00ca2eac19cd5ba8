"""Versions of what a run was made with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "agnews",
    "tfx",
    "tensorflow",
    "tf-keras",
    "tensorflow-text",
    "tensorflow-transform",
    "tensorflow-data-validation",
    "tensorflow-model-analysis",
    "tensorflow-hub",
    "tf-models-official",
    "ml-metadata",
    "apache-beam",
    "kfp",
)


def installed_versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that a result depends on.

    Returns:
        Version by name; a package that is absent is `missing`.
    """
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found
