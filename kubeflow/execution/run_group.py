"""Runs the executors of several nodes in one step, one after the other."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from agnews.kubeflow.execution.run_step import Runtime, clean_inputs, pick_artifacts, run_executor, write_outputs
from agnews.kubeflow.execution.step_contract import GroupContract, StepContract
from agnews.kubeflow.execution.step_index import StepIndex, with_origin
from agnews.kubeflow.log_lines import NodeState, write_node


def run_group(executor_input: Mapping[str, Any], group: GroupContract) -> None:
    """Runs a fused step and writes `outputs.outputFile`, in which every output of every node is one of its own.

    What a node has made goes to the next on the disk of this container. A node whose code, properties and inputs are
    those of an earlier run is answered from the index; the nodes behind it are then asked in turn.

    Args:
        executor_input: What Kubeflow Pipelines hands over for `{{$}}`, parsed.
        group: What it leaves out.

    Raises:
        AgnewsError: An executor, or the parameters, say that something is wrong.
        Exception: Whatever else an executor raises. The log says in which node.
    """
    given, wanted = executor_input.get("inputs", {}), executor_input["outputs"]
    sources = {source for member in group.members for source in member.sources.values()}
    names = {member.prefix + key for member in group.members for key in member.outputs}
    known, outputs = pick_artifacts(given, sources), pick_artifacts(wanted, names)
    clean_inputs(known.values())
    values, index = given.get("parameterValues", {}), StepIndex(group.index_uri)
    described: dict[str, Runtime] = {}
    for member in group.members:
        made = _run_member(
            member,
            {key: known[source] for key, source in member.sources.items() if source in known},
            {key: outputs[member.prefix + key] for key in member.outputs if member.prefix + key in outputs},
            values,
            index,
        )
        known |= {
            member.prefix + key: {**runtime, "uri": outputs[member.prefix + key]["uri"]}
            for key, runtime in made.items()
        }
        described |= {member.prefix + key: runtime for key, runtime in made.items()}
    write_outputs(wanted, described)


def _run_member(
    member: StepContract,
    inputs: Mapping[str, Runtime],
    outputs: Mapping[str, Runtime],
    values: Mapping[str, Any],
    index: StepIndex,
) -> dict[str, Runtime]:
    start = time.monotonic()

    def tell(state: NodeState) -> None:
        write_node(member.node, state, time.monotonic() - start)

    tell("started")
    key = index.key(member, inputs, values)
    if member.cache and (earlier := index.restore(key, member, outputs)) is not None:
        tell("cached")
        return earlier
    try:
        made = with_origin(run_executor(member, inputs, outputs, values))
    except BaseException:
        tell("failed")
        raise
    if member.cache:
        index.keep(key, member, outputs, made)
    tell("done")
    return made
