"""What the routes of one server share."""

from __future__ import annotations

from dataclasses import dataclass

from agnews.components.model_server.batcher import Batcher
from agnews.components.model_server.json_response import Limits
from agnews.components.model_server.metrics import Metrics
from agnews.components.model_server.model_host import ModelHost


@dataclass
class ServingState:
    """The parts of a server.

    Attributes:
        host: The version that answers.
        batcher: The way to the model.
        metrics: The counters.
        limits: What is refused.
        is_draining: Whether the server is about to stop: it still answers, and asks for no new clients.
    """

    host: ModelHost
    batcher: Batcher
    metrics: Metrics
    limits: Limits
    is_draining: bool = False
