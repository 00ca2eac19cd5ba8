"""Decides what runs a step's Beam pipeline, without loading Beam where that is what it always was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from agnews.schemas.execution_config import BeamConfig

PAYS_FROM_BYTES = 250_000_000
"""From so many bytes of rows, a million texts of news, `auto` looks beyond this process, which is the fastest for
hundreds of thousands."""

_FEW_ROWS = frozenset({"Evaluator"})
"""Steps whose Beam pipeline gets counts and no rows: they stay in this process, whatever runs the others."""

VARIABLE = "AGNEWS_BEAM"
"""Variable of the environment with the section `beam` as JSON: how a compiled step is told."""


def decide_runner(config: BeamConfig, num_bytes: int) -> BeamConfig:
    """Decides for `auto`.

    Args:
        config: The section.
        num_bytes: Of all rows.

    Returns:
        The section with another runner in place of `auto`: this process for few rows, else the engine that has an
        address, else several processes.
    """
    if config.runner != "auto":
        return config
    if num_bytes < PAYS_FROM_BYTES:
        return config.model_copy(update={"runner": "local"})
    if config.flink_master or config.job_endpoint:
        return config.model_copy(update={"runner": "flink"})
    return config.model_copy(update={"runner": "multiprocess"})


def uses_engine(config: BeamConfig, node: str) -> bool:
    """Whether workers besides this process run the Beam pipeline of a step.

    Args:
        config: The section; `auto` has been decided.
        node: The step.
    """
    return config.runner != "local" and node not in _FEW_ROWS


def pipeline_maker(config: BeamConfig, node: str, shared: Sequence[str] = ()) -> Callable[[], Any] | None:
    """Returns what makes the Beam pipeline of a step.

    Args:
        config: The section; `auto` has been decided.
        node: The step.
        shared: Folders and URIs that workers have to reach.

    Returns:
        None for the in-process runner that steps take by themselves.
    """
    if uses_engine(config, node):
        return partial(_watched, config, node, shared)
    if node in _FEW_ROWS or not config.options:
        return None
    return partial(_in_this_process, config)


def _watched(config: BeamConfig, node: str, shared: Sequence[str]) -> Any:
    from agnews.pipeline.beam.watched_pipeline import WatchedPipeline

    return WatchedPipeline(config, node, shared)


def _in_this_process(config: BeamConfig) -> Any:
    import apache_beam as beam

    from agnews.pipeline.beam.beam_arguments import beam_arguments

    return beam.Pipeline(argv=list(beam_arguments(config)))


def config_of_environment(environment: Mapping[str, str]) -> BeamConfig:
    """Reads what a compiled step was told.

    Args:
        environment: Variables by name.
    """
    told = environment.get(VARIABLE, "")
    return BeamConfig.model_validate_json(told) if told else BeamConfig()
