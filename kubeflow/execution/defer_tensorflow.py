"""Imports what TFX asks TensorFlow for when it is loaded, without loading TensorFlow.

TFX needs TensorFlow for two things as soon as any executor or artifact is imported: a decorator that hides a method
from generated documentation, and a file system. It has its own ways to do without either, for installations that lack
TensorFlow. A step that only reads and writes documents takes them, and starts seven times as fast.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, cast

_TENSORFLOW = "tensorflow"
_LOCAL_FIRST = 0


def defer_tensorflow() -> None:
    """Lets whatever needs TensorFlow load it, and nothing else.

    Call it before TFX is imported. Paths of this machine are then TFX's own business; of URIs TensorFlow takes care, as
    ever, and is loaded by the first. Where TensorFlow is loaded already, nothing is changed.
    """
    if _TENSORFLOW in sys.modules:
        return
    with _in_place_of_tensorflow(None):
        importlib.import_module("tfx.utils.doc_controls")
    with _in_place_of_tensorflow(_Deferred(_TENSORFLOW)):
        importlib.import_module("tfx.dsl.io.plugins.tensorflow_gfile")
    from tfx.dsl.io.filesystem_registry import DEFAULT_FILESYSTEM_REGISTRY
    from tfx.dsl.io.plugins.local import LocalFilesystem

    DEFAULT_FILESYSTEM_REGISTRY.register(LocalFilesystem, priority=_LOCAL_FIRST)


class _Deferred(ModuleType):
    """Stands for a module, which the first look at one of its names loads."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


@contextmanager
def _in_place_of_tensorflow(module: ModuleType | None) -> Iterator[None]:
    """None stands for a package that is not installed, as the import system has it."""
    modules = cast("dict[str, ModuleType | None]", sys.modules)
    modules[_TENSORFLOW] = module
    try:
        yield
    finally:
        del sys.modules[_TENSORFLOW]
