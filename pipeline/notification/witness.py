"""A process beside a run that tells of its end where the run itself cannot: it was killed.

It holds no file of the run, in a session of its own, and waits for a word on its standard input or for the end of the
run's process.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from agnews.pipeline.notification.message import Message
from agnews.pipeline.notification.notify import notify
from agnews.schemas.execution_config import NotifyConfig

_DONE = b"done\n"


@contextmanager
def witnessed(config: NotifyConfig, last_words: Message) -> Iterator[Callable[[], None]]:
    """Has somebody stand by while a run goes on.

    Args:
        config: Whom to tell.
        last_words: What is told if this process is killed inside.

    Yields:
        What the caller calls once it has told how it ended; without that call, the last words are told.
    """
    if not config.channels or last_words.event not in config.on:
        yield lambda: None
        return
    words = {"notify": config.model_dump(mode="json"), "message": last_words.payload(), "pid": os.getpid()}
    process = subprocess.Popen(
        [sys.executable, "-m", "agnews.pipeline.notification.witness"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    pipe = process.stdin

    def say(words: bytes) -> None:
        with suppress(OSError):  # It was killed first: then nobody stands by.
            if pipe is not None:
                pipe.write(words)
                pipe.flush()

    say(json.dumps(words).encode() + b"\n")
    try:
        yield lambda: say(_DONE)
    finally:
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
        process.wait()


def _stand_by() -> None:
    # Unbuffered: what stands behind the line must still be seen by select.
    with os.fdopen(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as lines:
        words = json.loads(lines.readline())
    config = NotifyConfig.model_validate(words["notify"])
    if not _ended_well(int(words["pid"])):
        notify(config, [Message.model_validate(words["message"])])


def _ended_well(pid: int) -> bool:
    """Waits for the word that all is told, or for the end of the process: its children may hold the pipe open."""
    watched = [sys.stdin.fileno()]
    with suppress(OSError, AttributeError):
        watched.append(os.pidfd_open(pid))
    ready, _, _ = select.select(watched, [], [])
    if sys.stdin.fileno() in ready:
        return os.read(sys.stdin.fileno(), len(_DONE)) == _DONE
    return False


if __name__ == "__main__":
    _stand_by()
