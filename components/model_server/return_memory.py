"""Gives memory back that was freed."""

from __future__ import annotations

import ctypes


def return_memory() -> None:
    """Asks the allocator of the C library for what it keeps for later; elsewhere than on glibc nothing happens.

    A loaded model that was closed, and batches of many sizes on several threads, leave gaps that are kept until then.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
