"""Runs the pipeline on this machine, node by node, and tells an observer what happens."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import constants
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.orchestration.portable.beam_executor_operator import BeamExecutorOperator
from tfx.proto.orchestration import pipeline_pb2

from agnews.pipeline.beam.choose_pipeline import pipeline_maker
from agnews.pipeline.local.output_keeper import OutputKeeper, forget_damaged
from agnews.pipeline.observer import NodeResult, Observer
from agnews.schemas.errors import AgnewsError
from agnews.schemas.execution_config import BeamConfig
from agnews.schemas.run_report import NodeState

_LOGGER = logging.getLogger(__name__)


class LocalRunner(LocalDagRunner):
    """TFX's local runner, observed, with runs that start or end at a chosen node.

    Differs from its parent: the caller names the run; a cached output counts only while its files are those that its
    step has left, a cached push only while its folder exists; outputs are written into empty folders; reports of a
    failed step are kept; what a killed run left behind is marked as cancelled and removed.

    Args:
        observer: Hears what happens.
        run_id: Name of the run.
        keep: Folder that receives the reports of a failed step.
        from_node: This node and all that depend on it run even where a cached result exists.
        to_node: Only this node and those it depends on are visited.
        beam: What runs Beam pipelines; it is none of what the cache asks after.
    """

    def __init__(
        self,
        observer: Observer,
        run_id: str,
        *,
        keep: Path,
        from_node: str | None = None,
        to_node: str | None = None,
        beam: BeamConfig | None = None,
    ) -> None:
        super().__init__()
        self._observer = observer
        self._run_id = run_id
        self._keep = keep
        self._from_node = from_node
        self._to_node = to_node
        self._beam = beam or BeamConfig()

    def run_with_ir(self, pipeline: pipeline_pb2.Pipeline, run_options: pipeline_pb2.RunOptions | None = None) -> None:
        """Runs the compiled pipeline.

        Args:
            pipeline: The intermediate representation; nodes in topological order.
            run_options: Not supported, since `from_node` and `to_node` replace them.

        Raises:
            AgnewsError: `from_node` or `to_node` is no node of the pipeline.
            Exception: Whatever the executor of a failing node raised.
        """
        if run_options is not None:
            raise ValueError("LocalRunner takes from_node and to_node, not run_options.")
        runtime_parameter_utils.substitute_runtime_parameter(
            pipeline, {constants.PIPELINE_RUN_ID_PARAMETER_NAME: self._run_id}
        )
        nodes = {node.pipeline_node.node_info.id: node.pipeline_node for node in pipeline.nodes}
        forced = _reachable(nodes, self._from_node, "downstream_nodes") if self._from_node else set()
        visited = _reachable(nodes, self._to_node, "upstream_nodes") if self._to_node else set(nodes)

        deployment = runner_utils.extract_local_deployment_config(pipeline)
        connection = getattr(
            deployment.metadata_connection_config,
            deployment.metadata_connection_config.WhichOneof("connection_config"),
        )
        _cancel_orphans(connection, Path(pipeline.runtime_spec.pipeline_root.field_value.string_value))
        _forget_lost_pushes(connection)
        for folder in forget_damaged(connection):
            _LOGGER.warning("%s is not as its step has left it, and is made again.", folder)
        self._observer.planned(list(nodes), [node for node in nodes if node not in visited])
        for node_id in nodes:
            if node_id in visited:
                if node_id in forced:
                    nodes[node_id].execution_options.caching_options.enable_cache = False
                self._run_node(nodes[node_id], pipeline, deployment, connection)

    def _run_node(
        self,
        node: pipeline_pb2.PipelineNode,
        pipeline: pipeline_pb2.Pipeline,
        deployment: Any,
        connection: metadata_store_pb2.ConnectionConfig,
    ) -> None:
        node_id = node.node_info.id

        self._observer.started(node_id)
        start = time.monotonic()
        step = _Launcher(
            pipeline_node=node,
            mlmd_connection=metadata.Metadata(connection),
            pipeline_info=pipeline.pipeline_info,
            pipeline_runtime_spec=pipeline.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(deployment, node_id),
            custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node_id),
        )
        left = step.keep_outputs(self._keep, self._pipeline_maker(node_id, pipeline))
        try:
            info = step.launch()
            outcome = _outcome(connection, info.execution_id)
        except BaseException:
            self._observer.finished(NodeResult(node_id, "failed", time.monotonic() - start, left=left))
            raise
        self._observer.finished(NodeResult(node_id, outcome.state, time.monotonic() - start, outcome.outputs))

    def _pipeline_maker(self, node_id: str, pipeline: pipeline_pb2.Pipeline) -> Callable[[], Any] | None:
        root = pipeline.runtime_spec.pipeline_root.field_value.string_value
        return pipeline_maker(self._beam, node_id, [root])


class _Launcher(launcher.Launcher):
    """TFX's launcher with a keeper of outputs."""

    def keep_outputs(self, keep: Path, make_pipeline: Callable[[], Any] | None) -> Mapping[str, str]:
        """Puts the keeper before the executor's operator.

        Args:
            keep: Folder that receives the reports of a failed step.
            make_pipeline: Makes the Beam pipeline of the step; None for the one that its arguments say.

        Returns:
            What `NodeResult.left` is to be, filled in by the launch.
        """
        operator: Any = vars(self)["_executor_operator"]
        if operator is None:  # TFX runs such a node itself.
            return {}
        is_beam = isinstance(operator, BeamExecutorOperator)
        keeper = OutputKeeper(operator, keep, make_pipeline if is_beam else None)
        self._executor_operator = keeper
        return keeper.left


@dataclass(frozen=True)
class _Outcome:
    state: NodeState
    outputs: Mapping[str, str]


def _reachable(nodes: Mapping[str, pipeline_pb2.PipelineNode], start: str, direction: str) -> set[str]:
    if start not in nodes:
        raise AgnewsError("There is no node of this name.", found=start, fix=f"Nodes: {', '.join(nodes)}.")
    found: set[str] = set()
    waiting = [start]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(getattr(nodes[node], direction))
    return found


def _outcome(connection: metadata_store_pb2.ConnectionConfig, execution_id: int) -> _Outcome:
    with metadata.Metadata(connection) as handle:
        (execution,) = handle.store.get_executions_by_id([execution_id])
        keys = {
            event.artifact_id: event.path.steps[0].key
            for event in handle.store.get_events_by_execution_ids([execution_id])
            if event.type == metadata_store_pb2.Event.OUTPUT
        }
        artifacts = handle.store.get_artifacts_by_id(list(keys))
    return _Outcome(
        "cached" if execution.last_known_state == metadata_store_pb2.Execution.CACHED else "done",
        {keys[artifact.id]: artifact.uri for artifact in artifacts},
    )


def _cancel(connection: metadata_store_pb2.ConnectionConfig, execution_ids: Sequence[int]) -> None:
    with metadata.Metadata(connection) as handle:
        executions = handle.store.get_executions_by_id(list(execution_ids))
        for execution in executions:
            execution.last_known_state = metadata_store_pb2.Execution.CANCELED
        handle.store.put_executions(executions)


def _forget_lost_pushes(connection: metadata_store_pb2.ConnectionConfig) -> None:
    """Keeps the cache from answering with a push whose folder is gone: TFX asks after an output's own files only."""
    with metadata.Metadata(connection) as handle:
        lost = [
            artifact
            for artifact in handle.store.get_artifacts()
            if artifact.state == metadata_store_pb2.Artifact.LIVE
            and (place := _pushed_to(artifact))
            and not tf.io.gfile.exists(place)
        ]
        for artifact in lost:
            artifact.state = metadata_store_pb2.Artifact.DELETED
        handle.store.put_artifacts(lost)


def _pushed_to(artifact: metadata_store_pb2.Artifact) -> str:
    """Returns the folder outside of the artifact that a push has filled, or the empty string."""
    key = "pushed_destination"
    return str(artifact.custom_properties[key].string_value) if key in artifact.custom_properties else ""


def _cancel_orphans(connection: metadata_store_pb2.ConnectionConfig, artifacts: Path) -> None:
    """Marks executions that a killed process left running, and removes their unfinished outputs."""
    running = metadata_store_pb2.Execution.RUNNING
    with metadata.Metadata(connection) as handle:
        orphans = [each.id for each in handle.store.get_executions() if each.last_known_state == running]
    for execution_id in orphans:
        for folder in artifacts.glob(f"*/*/{execution_id}"):
            shutil.rmtree(folder)
    if orphans:
        _cancel(connection, orphans)
