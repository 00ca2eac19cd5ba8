"""Does the Trainer's work in pods of its own: asks for them, follows them, brings their model back."""

from __future__ import annotations

import logging
import os
import posixpath
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from agnews.components.storage.tidying import tidying
from agnews.components.training.stop_signal import TERMINATED
from agnews.kubeflow.client.server_error import ServerError
from agnews.kubeflow.worker_pods.build_manifest import FINGERPRINT, build_manifest, set_name
from agnews.kubeflow.worker_pods.check_manifest import check_manifest
from agnews.kubeflow.worker_pods.cluster import FOLLOWED_AGAIN, ApiException, Cluster, HTTPError
from agnews.kubeflow.worker_pods.exchange import (
    Exchange,
    copy_inputs,
    digest_facts,
    input_folders,
    list_inputs,
    remove_abandoned,
)
from agnews.kubeflow.worker_pods.pod_contract import PodContract
from agnews.kubeflow.worker_pods.pod_watch import PodWatch
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.trainer_task import TrainerTask
from agnews.schemas.worker_rules import ALONE

_LOGGER = logging.getLogger(__name__)

LOOK_EVERY = 2.0
_SAID_EVERY = 30.0
_UNREACHABLE_SECONDS = 300.0
"""How long Kubernetes' API may be away: pods go on without it."""
_STARTS = 3
"""How often a set that somebody has removed is made again."""
_FOLDER = "worker_pods"


def train_on_pods(task: TrainerTask, contract: PodContract) -> None:
    """Does a task in pods, and returns once its outputs are those of this step.

    A step that is tried again finds the pods that do the same, and goes on with them.

    Args:
        task: What to do.
        contract: The pods.

    Raises:
        AgnewsError: The cluster refuses them, they do not start, or one has failed and no other start helped.
    """
    if task.settings["model"].get("kind") in ALONE and contract.workers > 1:
        _LOGGER.info("One pod: the model %s is trained in one process", task.settings["model"]["kind"])
        contract = contract.model_copy(update={"workers": 1})
    devices = {**task.settings["devices"], "workers": contract.workers}
    inner = task.model_copy(
        update={"settings": {**task.settings, "devices": devices}, "start_minutes": contract.start_minutes}
    )
    inputs = input_folders(task)
    listing = list_inputs(inputs)
    pods = contract.model_dump(mode="json", exclude={"queue", "max_restarts"})
    # Of their origin and sizes first: what is in them is known once they were read, on their way to this place.
    origin = digest_facts(settings=inner.settings, pods=pods, inputs=inputs, sizes=listing)
    everyone = posixpath.join(str(task.settings["scratch_uri"]), _FOLDER)
    remove_abandoned(everyone)
    place = posixpath.join(everyone, origin)
    key = digest_facts(origin=origin, inputs=copy_inputs(inputs, listing, place))
    exchange = Exchange(posixpath.join(place, key))
    if exchange.take(task):
        _LOGGER.info("An earlier try of this step has left the model")
        exchange.remove()
        return
    task_uri = exchange.give(inner, inputs)
    cluster, name = Cluster(contract.kind), set_name(contract, key)
    manifest = build_manifest(contract, fingerprint=key, task_uri=task_uri, owner=cluster.own_pod())
    check_manifest(manifest)
    with _gone_with_us(Cluster(contract.kind), name):
        _run(cluster, manifest, contract)
    if not exchange.take(task):
        raise AgnewsError(
            "The pods of this training ended well, and their model is not where the step looks for it.",
            found=posixpath.dirname(task_uri),
            fix="Give step and pods the same volume at the path of scratch_uri; access mode ReadWriteMany.",
            exit_code=ExitCode.FAILED,
        )
    _tidy(cluster, name, manifest["kind"])
    exchange.remove()


def _tidy(cluster: Cluster, name: str, kind: str) -> None:
    """Deletes the set where that can be done; it goes with the step's pod anyway."""
    with tidying(f"{kind} {name}"):
        cluster.delete(name)


@contextmanager
def _gone_with_us(cluster: Cluster, name: str) -> Iterator[None]:
    """Deletes the set at once when this process is told to go: the launcher beside it leaves it no time."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: FrameType | None) -> None:
        # By a connection of its own: the one in use may be in the middle of a request.
        try:
            cluster.delete(name)
        finally:
            os._exit(TERMINATED)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(cluster: Cluster, manifest: Mapping[str, Any], contract: PodContract) -> None:
    """Makes the set, or finds it, and follows it to its end."""
    name, starts = manifest["metadata"]["name"], 0
    watch, patience = PodWatch(cluster, name), _Patience(contract)
    while True:
        try:
            found = cluster.read(name)
            if found is None or (starts == 0 and _end_of(found)[0] == "failed"):
                _start(cluster, manifest, found, starts + 1)
                starts += 1
                continue
            _require_ours(found, manifest)
            if starts == 0:
                _LOGGER.info("%s of an earlier try goes on; this step follows it", name)
                starts = 1
            waiting = watch.look(contract.workers)
            patience.reached()
        except (ApiException, HTTPError, OSError, ServerError) as error:
            if isinstance(error, ServerError) and not error.may_pass:
                raise
            patience.not_reached(error)
            time.sleep(LOOK_EVERY)
            continue
        state, said = _end_of(found)
        if state:
            watch.wait_for_logs()
            if state == "failed":
                raise watch.explain(said)
            return
        patience.say(waiting)
        if patience.is_over(watch):
            _tidy(cluster, name, manifest["kind"])
            raise _never_started(contract, waiting)
        time.sleep(LOOK_EVERY)


def _start(cluster: Cluster, manifest: Mapping[str, Any], found: Mapping[str, Any] | None, starts: int) -> None:
    name = manifest["metadata"]["name"]
    if starts > _STARTS:
        raise AgnewsError(
            f"Somebody removes the pods of this training: {name} is gone for the {_STARTS}. time.",
            found=f"{manifest['kind']} {name}",
            fix="Look at the events of the namespace; run again: training goes on at its last backup.",
            exit_code=ExitCode.FAILED,
        )
    if found is not None:
        _LOGGER.info("%s of an earlier try has failed, and is made anew", name)
        cluster.delete(name)
        while cluster.read(name) is not None:
            time.sleep(LOOK_EVERY)
    cluster.create(manifest)
    _LOGGER.info("%s %s in namespace %s was made", manifest["kind"], name, cluster.namespace)


def _require_ours(found: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
    theirs = found["metadata"].get("labels", {}).get(FINGERPRINT)
    if theirs != manifest["metadata"]["labels"][FINGERPRINT]:
        raise AgnewsError(
            f"There is a {manifest['kind']} of this name that does something else.",
            found=f"{manifest['metadata']['name']} with the label {FINGERPRINT}={theirs}",
            fix="Delete it, or give the pipeline another name: --set name=NAME.",
        )


def _end_of(found: Mapping[str, Any]) -> tuple[str, str]:
    """Returns `done`, `failed` or nothing, and what the set says."""
    for condition in found.get("status", {}).get("conditions", ()):
        if condition["status"] == "True" and condition["type"] in ("Completed", "Complete", "Failed"):
            said = f"{condition.get('reason', '')}: {condition.get('message', '')}"
            return ("failed" if condition["type"] == "Failed" else "done"), said
    return "", ""


class _Patience:
    """Knows how long something may take, and says now and then what is waited for."""

    def __init__(self, contract: PodContract) -> None:
        self._contract = contract
        self._began = self._said = self._reached_at = time.monotonic()

    def reached(self) -> None:
        self._reached_at = time.monotonic()

    def not_reached(self, error: Exception) -> None:
        if time.monotonic() - self._reached_at > _UNREACHABLE_SECONDS:
            raise AgnewsError(
                "Kubernetes' API does not answer any more.",
                found=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300],
                fix=FOLLOWED_AGAIN,
                exit_code=ExitCode.UNAVAILABLE,
            ) from error
        _LOGGER.warning("Kubernetes' API does not answer, and is asked again: %s", str(error).splitlines()[:1])

    def say(self, waiting: list[str]) -> None:
        if waiting and time.monotonic() - self._said > _SAID_EVERY:
            self._said = time.monotonic()
            seconds = self._said - self._began
            _LOGGER.info("Waiting for pods (%.0f seconds): %s", seconds, "; ".join(waiting[:4]))

    def is_over(self, watch: PodWatch) -> bool:
        """Whether the pods should have begun; in a queue they may wait for days."""
        if self._contract.queue or watch.were_all_running:
            return False
        return time.monotonic() - self._began > 60 * self._contract.start_minutes


def _never_started(contract: PodContract, waiting: list[str]) -> AgnewsError:
    return AgnewsError(
        f"Not all of the {contract.workers} pods of this training began within {contract.start_minutes:g} minutes.",
        found="; ".join(waiting[:4]),
        fix="Give the cluster room for all of them at once, or ask for less in the row Trainer of the deployment "
        "table. `trainer.start_minutes` is how long to wait, and with `trainer.queue` Kueue lets them in together.",
        exit_code=ExitCode.FAILED,
    )
