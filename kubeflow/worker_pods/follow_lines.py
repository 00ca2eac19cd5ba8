"""What a pod prints, line by line to its end, whatever is restarted between it and us."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator

from agnews.kubeflow.worker_pods.cluster import ApiException, Cluster, HTTPError, may_pass

_LOGGER = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0
"""From the end of a stream until a log is asked for again."""
_OVERLAP_SECONDS = 60
"""What is asked for twice: lines may have been on their way."""

# 2026-11-29T01:07:48.100078Z, or with the zone of the node.
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT[\d:]{8})(?:\.(\d+))?(?:Z|[+-]\d\d:\d\d) ?")


def follow_lines(cluster: Cluster, pod: str, has_ended: Callable[[], bool]) -> Iterator[str]:
    """Follows the log of a pod. A stream that ends before the pod does, as with a gateway, is taken up where it was.

    Args:
        cluster: Where the pod is.
        pod: Its name.
        has_ended: Says whether it was seen to have ended.

    Yields:
        Its lines, each once.
    """
    last, heard_at, since = "", time.monotonic(), None
    while True:
        # Asked before: what a stream gives that begins behind the end is all that there is.
        is_whole, rest = has_ended(), b""
        try:
            for chunk in cluster.follow_log(pod, since):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    stamp, text = _cut_stamp(line)
                    if not stamp or stamp > last:
                        last, heard_at = stamp or last, time.monotonic()
                        yield text
        except (ApiException, HTTPError, ValueError) as error:
            is_whole = not may_pass(error)
            if is_whole and not has_ended():
                _LOGGER.warning("The log of %s ends here: %s", pod, " ".join(str(error).split())[:300])
        if is_whole:
            break
        time.sleep(AGAIN_SECONDS)
        # By our own clock alone: that of the node may be another.
        since = int(time.monotonic() - heard_at) + _OVERLAP_SECONDS
    stamp, text = _cut_stamp(rest)
    if text and (not stamp or stamp > last):
        yield text


def _cut_stamp(line: bytes) -> tuple[str, str]:
    """Returns when a line was written, so that later ones compare as greater, and what it says."""
    text = line.decode(errors="replace")
    found = _STAMP.match(text)
    return (f"{found[1]}.{found[2] or '':0<9}", text[found.end() :]) if found else ("", text)
