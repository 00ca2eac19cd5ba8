"""One worker of the pool: `python -m agnews.pipeline.beam.worker_process CONTROL_ADDRESS WORKER_ID`."""

from __future__ import annotations

import logging
import os
import sys


def main(arguments: list[str]) -> None:
    """Works for an engine until it closes the connection.

    Args:
        arguments: The engine's address, and the name it has given to the worker.
    """
    address, name = arguments
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
    from apache_beam.runners.worker.sdk_worker import SdkHarness

    logging.info("worker %s for %s", name, address)
    # A buffer that is also sent after some time loses what is written while it is being sent
    # (findings/beam_time_based_buffers_lose_elements.sh); 0 has none of those.
    SdkHarness(address, worker_id=name, state_cache_size=100 << 20, data_buffer_time_limit_ms=0).run()


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.stderr.flush()
    # Threads of Beam and TensorFlow outlive the work, and may hang while the interpreter shuts down.
    os._exit(0)
