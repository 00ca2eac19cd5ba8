"""Writes under which licences the packages are that an installation has: make sbom."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

_FAMILIES = {
    "copyleft": r"\b(?<!L)A?GPL|GNU (Affero )?General Public",
    "weak copyleft": r"LGPL|Lesser General Public|MPL|Mozilla|EPL",
    "permissive": r"Apache|BSD|MIT|ISC|PSF|Python Software|HPND|Unlicense|Zlib|0BSD|CC0|Public Domain",
    "NVIDIA": r"NVIDIA|LicenseRef-NVIDIA",
}


def licence_of(package: Distribution) -> str:
    """Reads what a package says: its expression, its classifiers, or the first line of its licence."""
    facts = package.metadata
    if expression := facts.get("License-Expression"):
        return expression
    classified = [each.rpartition(":: ")[2] for each in facts.get_all("Classifier") or () if each.startswith("License")]
    if told := [each for each in classified if each != "OSI Approved"]:
        return ", ".join(told)
    return next(iter((facts.get("License") or "").strip().splitlines()), "")[:80] or "unknown"


def family_of(licence: str) -> str:
    """Says which kind a licence is of; the strictest word of it counts."""
    return next((name for name, words in _FAMILIES.items() if re.search(words, licence)), "to be looked at")


def report() -> Iterator[str]:
    """Yields the lines of the report."""
    rows = sorted({(each.metadata["Name"], each.version, licence_of(each)) for each in distributions()}, key=str)
    yield "# Licences of the installed packages\n"
    for name in ("copyleft", "to be looked at", "weak copyleft", "NVIDIA", "permissive"):
        found = [row for row in rows if family_of(row[2]) == name]
        yield f"## {name}: {len(found)}\n"
        yield from (f"- {package} {version}: {licence}" for package, version, licence in found)
        yield ""


if __name__ == "__main__":
    Path(sys.argv[1]).write_text("\n".join(report()), encoding="utf-8")
