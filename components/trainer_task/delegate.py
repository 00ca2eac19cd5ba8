"""Who does the Trainer's work: this process, or whoever the pipeline's runner names.

The runner says so beside the node's settings: a node is run anew for other settings, and nothing else is learnt by more
processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from agnews.schemas.trainer_task import TrainerTask

Doer = Callable[[TrainerTask], None]
"""Does a task, and returns once its outputs are written."""

_CHOSEN: ContextVar[Doer | None] = ContextVar("trainer_task_doer", default=None)


def chosen_doer() -> Doer | None:
    """Returns who does the Trainer's work; None where this process does it itself."""
    return _CHOSEN.get()


@contextmanager
def delegated(doer: Doer | None) -> Iterator[None]:
    """Lets somebody else do the Trainer's work.

    Args:
        doer: Who; None for nobody else.

    Yields:
        Nothing; a Trainer inside asks for it.
    """
    token = _CHOSEN.set(doer)
    try:
        yield
    finally:
        _CHOSEN.reset(token)
