"""The few things that a step asks Kubernetes for: a set, its pods, their logs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from agnews.kubeflow.client.retry import Retry
from agnews.kubeflow.client.server_error import Failure, ServerError
from agnews.kubeflow.worker_pods.build_manifest import PLURALS
from agnews.schemas.errors import AgnewsError, ExitCode

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_SECONDS = (5.0, 30.0)
"""To connect, and to wait for an answer."""
FIRST_PAUSE = 0.5
"""Longest, in seconds, before something is asked for again; it doubles each time."""
_SILENCE = 120.0
"""How long a log may say nothing before it is asked for again: a connection may be gone without a word."""
_MAY_PASS = (0, 408, 429, 500, 502, 503, 504)
"""A server that is starting, that another one takes over from, or that has too much to do; 0 is no answer at all."""

FOLLOWED_AGAIN = "Run again: the pods go on meanwhile, and a step that is tried again follows them."

Tree = dict[str, Any]
Result = TypeVar("Result")
__all__ = ["FOLLOWED_AGAIN", "ApiException", "Cluster", "HTTPError"]


def may_pass(error: Exception) -> bool:
    """Whether the same request may be answered a little later."""
    return not isinstance(error, ApiException) or error.status in _MAY_PASS


class Cluster:
    """Kubernetes' API, as the service account of this pod or the current context of a kubeconfig file sees it.

    What creates or deletes something is asked again where the server does not answer. What looks is not: whoever
    follows a set looks again anyway.

    Args:
        kind: `jobset` or `trainjob`.
        retry: How often, and after how long.

    Raises:
        AgnewsError: There is neither.
    """

    def __init__(self, kind: str, retry: Retry | None = None) -> None:
        self._retry = retry or Retry(attempts=8, first=FIRST_PAUSE, longest=15.0)
        try:
            if "KUBERNETES_SERVICE_HOST" in os.environ and _NAMESPACE_FILE.is_file():
                config.load_incluster_config()
            else:
                config.load_kube_config()
        except config.ConfigException as error:
            raise AgnewsError(
                "This process does not run on a cluster, and no kubeconfig file leads to one.",
                found=str(error),
                fix="`trainer.workers` is for steps of Kubeflow Pipelines; locally it is --set devices.workers=N.",
            ) from error
        self._group, self._version, self._plural = PLURALS[kind]
        self._sets = client.CustomObjectsApi()
        self._core = client.CoreV1Api()
        self.namespace = self._own_namespace()

    @staticmethod
    def _own_namespace() -> str:
        if _NAMESPACE_FILE.is_file():
            return _NAMESPACE_FILE.read_text().strip()
        try:
            _, active = config.list_kube_config_contexts()
        except config.ConfigException:
            return "default"
        return str(active["context"].get("namespace", "default"))

    def own_pod(self) -> dict[str, str] | None:
        """Returns `name` and `uid` of the pod that this process runs in; None where it is none of the cluster's."""
        name = os.environ.get("KFP_POD_NAME") or os.environ.get("HOSTNAME", "")
        if uid := os.environ.get("KFP_POD_UID"):
            return {"name": name, "uid": uid}

        def read() -> Any:
            return self._core.read_namespaced_pod(name, self.namespace, _request_timeout=_SECONDS)

        try:
            found = self._retry.repeat(lambda: self._ask("get pods", read))
        except ServerError as error:
            if error.may_pass:
                raise
            return None
        except ValueError:
            return None
        return {"name": name, "uid": found.metadata.uid}

    def create(self, manifest: Mapping[str, Any]) -> None:
        """Creates a set, or finds one of its name: what was asked for before an answer was lost, or somebody else's.

        Raises:
            ServerError: The cluster refuses it, or does not answer.
        """
        place = (self._group, self._version, self.namespace, self._plural)

        def create() -> Any:
            return self._sets.create_namespaced_custom_object(*place, dict(manifest), _request_timeout=_SECONDS)

        def find() -> Tree | None:
            return self._ask(f"get {self._plural}", lambda: self.read(manifest["metadata"]["name"]))

        try:
            self._retry.create(lambda: self._ask(f"create {self._plural}", create), find)
        except ServerError as error:
            # One of this name was there and is gone: whoever looks next sees that.
            if error.status != 409:
                raise

    def _ask(self, what: str, request: Callable[[], Result]) -> Result:
        try:
            return request()
        except ApiException as error:
            raise refused(error, what, self.namespace) from error
        except HTTPError as error:
            raise _cut(error, what) from error

    def read(self, name: str) -> Tree | None:
        """Returns a set; None where there is none."""
        try:
            found: Tree = self._sets.get_namespaced_custom_object(
                self._group, self._version, self.namespace, self._plural, name, _request_timeout=_SECONDS
            )
        except ApiException as error:
            if error.status == 404:
                return None
            if may_pass(error):
                raise
            raise refused(error, f"get {self._plural}", self.namespace) from error
        return found

    def delete(self, name: str) -> None:
        """Deletes a set with all that belongs to it; nothing happens where there is none.

        Raises:
            ServerError: The cluster refuses it, or does not answer.
        """

        def delete() -> None:
            self._sets.delete_namespaced_custom_object(
                *(self._group, self._version, self.namespace, self._plural, name),
                propagation_policy="Background",
                _request_timeout=_SECONDS,
            )

        try:
            self._retry.repeat(lambda: self._ask(f"delete {self._plural}", delete))
        except ServerError as error:
            if error.status != 404:
                raise

    def pods(self, name: str) -> list[Any]:
        """Returns the pods of a set, by their place in it."""
        selector = f"jobset.sigs.k8s.io/jobset-name={name}"
        try:
            found = self._core.list_namespaced_pod(self.namespace, label_selector=selector, _request_timeout=_SECONDS)
        except ApiException as error:
            if may_pass(error):
                raise
            raise refused(error, "list pods", self.namespace) from error
        return sorted(found.items, key=lambda pod: pod_index(pod))

    def follow_log(self, pod: str, since_seconds: int | None = None) -> Iterator[bytes]:
        """Returns what a pod prints, with the time before each line, until it ends or a stream is cut.

        Args:
            pod: Its name.
            since_seconds: How far back to begin; None: at the beginning.
        """
        begin = {} if since_seconds is None else {"since_seconds": since_seconds}
        answer = self._core.read_namespaced_pod_log(
            *(pod, self.namespace),
            **begin,
            follow=True,
            timestamps=True,
            _preload_content=False,
            _request_timeout=(_SECONDS[0], _SILENCE),
        )
        try:
            yield from answer.stream(8192)
        finally:
            answer.release_conn()


def pod_index(pod: Any) -> int:
    """Returns the place of a pod in its set; 0 is the chief."""
    return _mark(pod, "batch.kubernetes.io/job-completion-index")


def pod_start(pod: Any) -> int:
    """Returns the start of its set that a pod belongs to; 0 is the first one, each restart makes all pods anew."""
    return _mark(pod, "jobset.sigs.k8s.io/restart-attempt")


def _mark(pod: Any, name: str) -> int:
    return int({**(pod.metadata.labels or {}), **(pod.metadata.annotations or {})}.get(name, 0))


def refused(error: ApiException, what: str, namespace: str) -> ServerError:
    """Says what the cluster does not want, and what it would need.

    Args:
        error: Its answer.
        what: Verb and resource.
        namespace: Where.
    """
    answer = str(error.body or error.reason)[:400]
    if error.status in (401, 403):
        fix = "Give the service account of the steps what kubeflow/manifests/worker-pods.yaml lists."
    elif error.status == 404:
        fix = (
            "Install JobSet (kind: jobset) or Kubeflow Trainer (kind: trainjob) on the cluster; docs/scale.md says how."
        )
    else:
        fix = "docs/scale.md says what the cluster needs; the deployment table has the values under `trainer`."
    passes = may_pass(error)
    return ServerError(
        f"The cluster does not let the Trainer {what} in {namespace}.",
        found=f"{error.status}: {answer}",
        fix=FOLLOWED_AGAIN if passes else fix,
        exit_code=ExitCode.UNAVAILABLE if passes else ExitCode.USAGE,
        failure=Failure.CUT if passes else Failure.REFUSED,
        status=error.status or 0,
    )


def _cut(error: HTTPError, what: str) -> ServerError:
    return ServerError(
        f"Kubernetes' API did not answer the request to {what}.",
        found=" ".join(str(error).split())[:300],
        fix=FOLLOWED_AGAIN,
        exit_code=ExitCode.UNAVAILABLE,
        failure=Failure.CUT,
    )
