"""Shows how much code makes a node run again when it changes, and records how much that may be.

make closures                                     the size of each node's code closure, and its limit
make closures MODULE=agnews.schemas.features      the nodes that run again when this module changes
make closures ARGS='--record --reason "WHY"'      limits that fit today's sizes; what grew gets the reason
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import yaml

from agnews.pipeline.code_version import code_closures

TARGET = Path(__file__).with_name("closures.yaml")
_HEAD = (
    "# Most lines of source that a node's code version may cover: a change to any of them makes the node run again.\n"
)
_STEP = 25
"""Limits are multiples of it, so that a line more is not yet an occasion."""


def read_limits() -> dict[str, dict[str, object]]:
    """Reads the recorded limits: `lines` and `reason` by node."""
    limits: dict[str, dict[str, object]] = yaml.safe_load(TARGET.read_text(encoding="utf-8"))
    return limits


def raised(limits: Mapping[str, Mapping[str, object]], sizes: Mapping[str, int], reason: str) -> dict[str, object]:
    """Makes limits that fit: a smaller one stays as it was unless it has become too wide."""
    made: dict[str, object] = {}
    for node, size in sizes.items():
        old, wanted = limits.get(node, {}), -(-size // _STEP) * _STEP
        grew = wanted > int(str(old.get("lines", 0)))
        made[node] = {"lines": wanted, "reason": reason if grew else old["reason"]}
    return made


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("module", nargs="?", help="absolute name of a module")
    parser.add_argument("--record", action="store_true", help="write limits that fit today's sizes")
    parser.add_argument("--reason", help="why nodes see more code than before; goes into the table")
    options = parser.parse_args()
    closures, limits = code_closures(), read_limits() if TARGET.exists() else {}
    sizes = {node: sum(lines.values()) for node, lines in closures.items()}
    if options.module is not None:
        found = [node for node, lines in closures.items() if options.module in lines]
        if not found and not any(module.startswith(options.module) for lines in closures.values() for module in lines):
            print(f"No node runs {options.module}: a change to it makes none run again.")  # noqa: T201
        for node in closures:
            parts = {name: lines for name, lines in closures[node].items() if name.startswith(options.module)}
            if parts:
                print(f"{node:16} {sum(parts.values()):6,} of {sizes[node]:,} lines")  # noqa: T201
        return
    if options.record:
        grown = [node for node, size in sizes.items() if size > int(str(limits.get(node, {}).get("lines", 0)))]
        if grown and not options.reason:
            parser.error(f"{', '.join(grown)} grew: say why with --reason")
        text = yaml.safe_dump(raised(limits, sizes, options.reason or ""), sort_keys=False, width=120)
        TARGET.write_text(_HEAD + text, encoding="utf-8")
    limits = read_limits()
    for node, size in sizes.items():
        limit = limits.get(node, {}).get("lines", "none")
        print(f"{node:16} {size:6,} lines in {len(closures[node]):3} modules, limit {limit}")  # noqa: T201


if __name__ == "__main__":
    main()
