"""Spares the garbage collector what is imported: TensorFlow, Beam and TFX are 700,000 objects that live to the end."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def spared_imports() -> Iterator[None]:
    """Loads modules while nothing is collected, and keeps them out of all later collections.

    A collector that runs meanwhile looks at the same modules again and again, which takes a quarter of the time that
    TFX takes to be imported, and half a second each time afterwards. What is garbage when this begins is collected
    first, so that it may come more than once in a process.
    """
    if not gc.isenabled():
        yield
        return
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
