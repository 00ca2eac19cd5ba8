"""Sends messages by all channels, again where it helps, within a time, and never fails."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from agnews.pipeline.notification.channels import SendError, send_once
from agnews.pipeline.notification.message import Message
from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import Channel, NotifyConfig

_LOGGER = logging.getLogger(__name__)
_FIRST_WAIT = 1.0
_GRACE_SECONDS = 1.0
"""For a try that ends by itself when its time is up, and says why."""


@dataclass(frozen=True)
class Delivery:
    """What became of a message on one channel.

    Attributes:
        channel: Which one: its place in the configuration and its kind.
        event: What was told.
        tries: How often it was sent.
        problem: Why it was not taken; empty where it was.
    """

    channel: str
    event: str
    tries: int
    problem: str = ""


def notify(
    config: NotifyConfig, messages: Iterable[Message], *, wait: Callable[[float], None] = time.sleep
) -> list[Delivery]:
    """Tells what is to be told.

    Args:
        config: Of which events, by which channels.
        messages: What happened; events that nobody asked for are left out, but for tests.
        wait: Waits between tries.

    Returns:
        What became of each message on each channel. All channels are tried at once, so a run waits for the slowest.
    """
    told = [message for message in messages if message.test or message.event in config.on]
    pairs = [(number, channel, message) for message in told for number, channel in enumerate(config.channels, 1)]
    if not pairs:
        return []
    deliveries = _together(pairs, config, wait)
    for each in deliveries:
        if each.problem:
            _LOGGER.warning("Nobody was told by %s that %s: %s", each.channel, each.event, each.problem)
    return deliveries


def _together(
    pairs: Sequence[tuple[int, Channel, Message]], config: NotifyConfig, wait: Callable[[float], None]
) -> list[Delivery]:
    """Tries all at once, and leaves behind what has not come back in time: each byte of an answer may be in time."""
    found: dict[int, Delivery] = {}

    def send(place: int, number: int, channel: Channel, message: Message) -> None:
        found[place] = _deliver(number, channel, message, config, wait)

    # The interpreter would wait for the threads of a pool when it ends.
    threads = [
        threading.Thread(target=send, args=(place, *pair), name=f"notify {place}", daemon=True)
        for place, pair in enumerate(pairs)
    ]
    end = time.monotonic() + config.deadline_seconds + _GRACE_SECONDS
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    late = f"nobody has answered whole within {config.deadline_seconds:g} seconds"
    return [
        found.get(place) or Delivery(_name(number, channel), message.event, 1, late)
        for place, (number, channel, message) in enumerate(pairs)
    ]


def _name(number: int, channel: Channel) -> str:
    return f"channel {number}, {channel.kind}"


def _deliver(
    number: int, channel: Channel, message: Message, config: NotifyConfig, wait: Callable[[float], None]
) -> Delivery:
    name, end = _name(number, channel), time.monotonic() + config.deadline_seconds
    problem, tries = "", 0
    for tries in range(1, config.retries + 2):
        left = end - time.monotonic()
        if left <= 0:
            return Delivery(name, message.event, tries - 1, f"{problem}; no time is left for another try")
        try:
            send_once(channel, message, min(config.timeout_seconds, left))
        except SendError as error:
            problem = str(error)
            if not error.again or tries > config.retries:
                break
            wait(max(0.0, min(_FIRST_WAIT * 2 ** (tries - 1), end - time.monotonic())))
        except AgnewsError as error:
            problem = f"{error.problem} {error.found}"
            break
        except Exception as error:
            problem = f"{type(error).__name__}"
            _LOGGER.debug("A channel failed in a way that nobody foresaw", exc_info=True)
            break
        else:
            return Delivery(name, message.event, tries)
    return Delivery(name, message.event, tries, problem)
