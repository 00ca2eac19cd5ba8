"""Processor time for a request of two servers, compared so that neither the machine nor the luck of a start decides.

Two processes that run the same code differ by up to 5 %: addresses, hash seeds and the order of allocations are drawn
at each start, and on some machines whichever was started first costs more, by up to 8 %. So a pair is two starts of
both, each of them first once, and they take the same load in turns. The benchmarks that ask what a change of the server
costs share this.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from median_interval import median_interval
from serving import processor_seconds, running
from wrk_load import run_wrk

PORTS = 8731, 8732
CLIENTS = 8
WARM_UP_SECONDS = 3.0


@dataclass(frozen=True)
class Comparison:
    """What was found.

    Attributes:
        ratios: Of the second server's cost to the first's, one a pair.
        costs: Seconds of processor for a request, by the name of the server, one a pair.
        answered: Requests, by the name of the server, warm-up included.
    """

    ratios: list[float]
    costs: dict[str, list[float]]
    answered: dict[str, int]

    @property
    def ratio(self) -> float:
        """The median."""
        return statistics.median(self.ratios)

    @property
    def interval(self) -> tuple[float, float]:
        """See `median_interval`."""
        return median_interval(self.ratios)


def compare_servers(
    commands: Mapping[str, list[str]], texts: Path, *, pairs: int, rounds: int, seconds: float
) -> Comparison:
    """Starts two servers together, again and again, and has them take the same load in turns.

    Args:
        commands: Of both, by name, without their ports.
        texts: See `write_texts`.
        pairs: Of two starts of both.
        rounds: Of each server after a start.
        seconds: Of a round.

    Returns:
        The costs of a request, and the second server's in relation to the first's.
    """
    first, second = commands
    found = Comparison([], {name: [] for name in commands}, dict.fromkeys(commands, 0))
    for pair in range(1, pairs + 1):
        spent: dict[str, list[tuple[float, int]]] = {name: [] for name in commands}
        for order in ([first, second], [second, first]):
            with _started(commands, order) as servers:
                for name in order:
                    found.answered[name] += _load(*servers[name], texts, WARM_UP_SECONDS, 0)[1]
                for number in range(rounds):
                    for name in order if number % 2 else order[::-1]:
                        spent[name].append(_load(*servers[name], texts, seconds, pair * rounds + number))
        for name, each in spent.items():
            found.answered[name] += sum(requests for _, requests in each)
            found.costs[name].append(sum(cost for cost, _ in each) / sum(requests for _, requests in each))
        found.ratios.append(found.costs[second][-1] / found.costs[first][-1])
        told = "  ".join(f"{name} {1e6 * costs[-1]:6.1f} us" for name, costs in found.costs.items())
        print(f"pair {pair:2}  {told}  {found.ratios[-1]:.3f}", flush=True)
    return found


@contextmanager
def _started(
    commands: Mapping[str, list[str]], order: Sequence[str]
) -> Iterator[dict[str, tuple[psutil.Process, str]]]:
    """Keeps servers running that were started in this order: the process of each, and where it answers."""
    with ExitStack() as stack:
        servers = {}
        for name, port in zip(order, PORTS, strict=True):
            base = f"http://127.0.0.1:{port}"
            process = stack.enter_context(running([*commands[name], "--port", str(port)], f"{base}/readyz"))
            servers[name] = psutil.Process(process.pid), f"{base}/v1/models/agnews:predict"
        yield servers


def _load(process: psutil.Process, url: str, texts: Path, seconds: float, seed: int) -> tuple[float, int]:
    """Returns seconds of processor and answers."""
    before = processor_seconds(process)
    load = run_wrk(url, texts, seconds=seconds, clients=CLIENTS, seed=seed)
    if load.failed:
        raise SystemExit(f"{url}: {load.failed} requests failed")
    return processor_seconds(process) - before, load.requests
