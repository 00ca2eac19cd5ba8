"""Keeps the garbage collector from making requests wait.

Python looks through all objects whenever their number has grown by a quarter. A crowd of connections makes that happen
at once, and TensorFlow with a model takes 0.2 seconds to look through, in which nobody is answered. So what lives to
the end is taken out of sight, and the rest is looked through seldom: requests and connections that end are freed at
once, and leave next to nothing behind.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_FULL_LOOK_AFTER = 200
"""Looks at the middle generation before one at everything, where Python has 10: over a million objects more."""


@contextmanager
def collected_seldom() -> Iterator[None]:
    """For as long as a server runs."""
    before = gc.get_threshold()
    gc.set_threshold(*before[:2], _FULL_LOOK_AFTER)
    try:
        keep_what_is_there()
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def keep_what_is_there() -> None:
    """Takes what is there out of the collector's sight; garbage is freed first, also among what was kept before."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
