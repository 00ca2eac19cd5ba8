"""YAML 1.2 as JSON has it: how everything that people write for this project is read, and how we write.

PyYAML follows YAML 1.1, in which `on`, `no`, `010`, `1:30` and `2026-12-01` are something else than what was typed.
Kubeflow Pipelines' server reads YAML 1.2, in which `1e5` and `0123456789` are numbers; what looks like one to either is
quoted.

References:
    YAML 1.2.2, section 10.3 "Core Schema".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from typing import Any

import yaml

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):
    """Reads the core schema, and refuses a key that stands there twice."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own name, filled below

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """Makes a mapping, after a look at its keys."""
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        "while reading a mapping",
                        node.start_mark,
                        f"the key {key} stands there twice",
                        key_node.start_mark,
                    )
                seen.add(key)
        found: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return found


def _integer(loader: Any, node: Any) -> int:
    text = loader.construct_scalar(node)
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _number(loader: Any, node: Any) -> float:
    text = loader.construct_scalar(node).lower()
    return float(text.replace(".inf", "inf") if text.endswith(".inf") else text.replace(".nan", "nan"))


_TAG = "tag:yaml.org,2002:"
for _name, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), list(_first))
_Loader.add_constructor(_TAG + "int", _integer)
_Loader.add_constructor(_TAG + "float", _number)


def read_yaml(text: str) -> Any:
    """Reads a document.

    Args:
        text: YAML 1.2.

    Returns:
        Mappings, lists, texts, numbers, booleans and None.

    Raises:
        yaml.YAMLError: It is none, or a mapping has a key twice.
    """
    return _read(text, yaml.load)


_MOST_PARTS = 1_000_000


def _read(text: str, load: Callable[..., Any]) -> Any:
    try:
        found = load(text, Loader=_Loader)
        _require_finite(found)
    except RecursionError:
        raise yaml.YAMLError("its parts lie too deep in each other") from None
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        # A value that its own tag forbids, or a number of thousands of digits.
        raise yaml.YAMLError(str(error)) from error
    return found


def _require_finite(document: Any) -> None:
    """References make a short text stand for more than any memory holds, or for something without an end."""
    waiting, count = [document], 0
    while waiting:
        part = waiting.pop()
        inner = [*part, *part.values()] if isinstance(part, dict) else part if isinstance(part, list | set) else ()
        count += len(inner)
        if count > _MOST_PARTS:
            raise yaml.YAMLError(f"it stands for more than {_MOST_PARTS:,} values")
        waiting.extend(inner)


def read_yaml_documents(text: str) -> list[Any]:
    """Reads all documents of a text.

    Args:
        text: YAML 1.2, documents apart by `---`.

    Returns:
        The documents.

    Raises:
        yaml.YAMLError: One of them is none, or a mapping has a key twice.
    """
    documents: list[Any] = _read(text, lambda text, Loader: list(yaml.load_all(text, Loader=Loader)))  # noqa: N803
    return documents


class _Dumper(yaml.SafeDumper):
    """Quotes what some reader takes for something else than a text, and repeats equal parts."""

    def ignore_aliases(self, data: Any) -> bool:
        """Repeats equal parts, which are easier to read than references to each other."""
        return True


# What is made of the signs of numbers, in any notation that YAML 1.1, 1.2 or the server's reader know (with one dot
# at most), and booleans of a single letter.
_TELLING = re.compile(r"(?!.*\..*\.)[-+]?\.?[0-9][0-9a-fxo_.:+-]*\Z|[-+]?\.(inf|nan)\Z|[yn]\Z|<<\Z|=\Z", re.IGNORECASE)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(f"{_TAG}str", value, style="'" if _TELLING.match(value) else None)


_Dumper.add_representer(str, _text)


def write_yaml(*documents: Any, **options: Any) -> str:
    """Writes documents that YAML 1.1 and 1.2 read alike.

    Args:
        documents: Mappings, lists and values.
        options: As `yaml.dump` takes them.

    Returns:
        The text.
    """
    written: str = yaml.dump_all(documents, Dumper=_Dumper, **options)
    return written
