"""A digest of the code that a node runs, so that changed code is never answered from the cache.

TFX keys its cache on inputs, parameters and the executor's name, not on the executor's code. Each node therefore
carries the digest of its module and of every module of ours that it imports, directly or not.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import importlib.util
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from agnews.schemas.nodes import NODES

_ROOT = "agnews"

_LIBRARIES = ("tensorflow", "tensorflow-text", "tf-keras", "tfx")
"""Libraries whose version changes what a node computes."""

_TEMPLATES = {".css", ".html", ".md", ".pbtxt"}


def code_version(*modules: str) -> str:
    """Digests modules together with their import closure inside this project.

    The closure is read from the source, without running it; imports inside functions count, and so do templates that
    lie beside a module. Comments, docstrings and layout do not change the digest, and neither does a change to a module
    outside the closure.

    Args:
        *modules: Absolute names, `agnews.components.trainer` for example.

    Returns:
        16 hexadecimal digits.

    Raises:
        ModuleNotFoundError: A module named here, or imported by one, does not exist.
    """
    digest = hashlib.sha256()
    for library in _LIBRARIES:
        digest.update(f"{library}=={version(library)}\n".encode())
    closure = sorted(_closure(modules))
    for module in closure:
        digest.update(f"{module}\n{_normalised_source(module)}\n".encode())
    for template in sorted({path for module in closure for path in _templates(module)}):
        digest.update(f"{template.name}\n".encode() + template.read_bytes())
    return digest.hexdigest()[:16]


def _closure(modules: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(_imports(module))
    return found


@cache
def _file(module: str) -> Path | None:
    """Finds the source of a module without importing its parents below the second name."""
    top, rest = module.split(".")[:2], module.split(".")[2:]
    try:
        spec = importlib.util.find_spec(".".join(top))
    except ModuleNotFoundError:
        return None
    if spec is None or spec.origin is None:
        return None
    if not rest:
        return Path(spec.origin)
    for folder in spec.submodule_search_locations or ():
        path = Path(folder, *rest)
        for candidate in (path.with_suffix(".py"), path / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None


def _templates(module: str) -> list[Path]:
    path = _file(module)
    return [] if path is None else [file for file in path.parent.iterdir() if file.suffix in _TEMPLATES]


@cache
def _tree(module: str) -> ast.Module:
    path = _file(module)
    if path is None:
        raise ModuleNotFoundError(f"There is no module {module!r} to digest.", name=module)
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _imports(module: str) -> frozenset[str]:
    names = (name for node in ast.walk(_tree(module)) for name in _imported_by(node))
    return frozenset(name for name in names if name.startswith(f"{_ROOT}.") and _file(name) is not None)


def _imported_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def _normalised_source(module: str) -> str:
    tree = copy.deepcopy(_tree(module))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def code_versions() -> dict[str, str]:
    """Returns the digest of the code behind each node that runs code of ours."""
    return {name: code_version(node.code) for name, node in NODES.items() if node.code}


def code_closures() -> dict[str, dict[str, int]]:
    """Measures what a change makes run again.

    Returns:
        By node that runs code of ours: lines of the source of each module that its code version covers.
    """
    return {
        name: {module: _lines(module) for module in sorted(_closure((node.code,)))}
        for name, node in NODES.items()
        if node.code
    }


def _lines(module: str) -> int:
    path = _file(module)
    return len(path.read_text(encoding="utf-8").splitlines()) if path else 0
