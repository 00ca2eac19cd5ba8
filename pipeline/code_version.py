"""A digest of the code that a node runs, so that changed code is never answered from the cache.

TFX keys its cache on inputs, parameters and the executor's name, not on the executor's code. Each node therefore
carries the digest of its module and of every module of ours that it imports, directly or not.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

_ROOT = "agnews"

_LIBRARIES = ("tensorflow", "tensorflow-text", "tf-keras", "tfx")
"""Libraries whose version changes what a node computes."""


def code_version(*modules: str) -> str:
    """Digests modules together with their import closure inside this project.

    The closure is read from the source, without running it; imports inside functions count. Comments, docstrings
    and layout do not change the digest, and neither does a change to a module outside the closure.

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
    for module in sorted(_closure(modules)):
        digest.update(f"{module}\n{_normalised_source(module)}\n".encode())
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
def _tree(module: str) -> tuple[ast.Module, bool]:
    """Parses a module; also says whether it is a package."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"There is no module {module!r} to digest.", name=module)
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8")), spec.submodule_search_locations is not None


@cache
def _imports(module: str) -> frozenset[str]:
    tree, _ = _tree(module)
    return frozenset(name for node in ast.walk(tree) for name in _imported_by(node) if name.startswith(f"{_ROOT}."))


def _imported_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if _is_module(alias.name))
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        yield from (name for name in names if _is_module(name))


@cache
def _is_module(name: str) -> bool:
    if name != _ROOT and not name.startswith(f"{_ROOT}."):
        return False
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return False
    return spec is not None and spec.origin is not None


@cache
def _normalised_source(module: str) -> str:
    tree, _ = _tree(module)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = [*node.body[1:]] or [ast.Pass()]
    return ast.unparse(tree)
