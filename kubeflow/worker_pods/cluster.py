"""The few things that a step asks Kubernetes for: a set, its pods, their logs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from agnews.kubeflow.worker_pods.build_manifest import PLURALS
from agnews.schemas.errors import AgnewsError, ExitCode

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_SECONDS = (5.0, 30.0)
"""To connect, and to wait for an answer."""
_TRIES = 5

Tree = dict[str, Any]
__all__ = ["ApiException", "Cluster", "HTTPError"]


class Cluster:
    """Kubernetes' API, as the service account of this pod or the current context of a kubeconfig file sees it.

    Args:
        kind: `jobset` or `trainjob`.

    Raises:
        AgnewsError: There is neither.
    """

    def __init__(self, kind: str) -> None:
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
        try:
            found = self._core.read_namespaced_pod(name, self.namespace, _request_timeout=_SECONDS)
        except (ApiException, ValueError):
            return None
        return {"name": name, "uid": found.metadata.uid}

    def create(self, manifest: Mapping[str, Any]) -> bool:
        """Creates a set; False where there is one of its name."""
        try:
            self._sets.create_namespaced_custom_object(
                self._group, self._version, self.namespace, self._plural, dict(manifest), _request_timeout=_SECONDS
            )
        except ApiException as error:
            if error.status == 409:
                return False
            raise refused(error, f"create {self._plural}", self.namespace) from error
        return True

    def read(self, name: str) -> Tree | None:
        """Returns a set; None where there is none."""
        try:
            found: Tree = self._sets.get_namespaced_custom_object(
                self._group, self._version, self.namespace, self._plural, name, _request_timeout=_SECONDS
            )
        except ApiException as error:
            if error.status == 404:
                return None
            if error.status in (401, 403):
                raise refused(error, f"get {self._plural}", self.namespace) from error
            raise
        return found

    def delete(self, name: str) -> None:
        """Deletes a set with all that belongs to it; nothing happens where there is none."""
        try:
            self._sets.delete_namespaced_custom_object(
                *(self._group, self._version, self.namespace, self._plural, name),
                propagation_policy="Background",
                _request_timeout=_SECONDS,
            )
        except ApiException as error:
            if error.status != 404:
                raise refused(error, f"delete {self._plural}", self.namespace) from error

    def pods(self, name: str) -> list[Any]:
        """Returns the pods of a set, by their place in it."""
        selector = f"jobset.sigs.k8s.io/jobset-name={name}"
        found = self._core.list_namespaced_pod(self.namespace, label_selector=selector, _request_timeout=_SECONDS)
        return sorted(found.items, key=lambda pod: pod_index(pod))

    def follow_log(self, pod: str) -> Iterator[bytes]:
        """Returns what a pod prints, to its end."""
        answer = self._core.read_namespaced_pod_log(
            pod, self.namespace, follow=True, _preload_content=False, _request_timeout=(_SECONDS[0], None)
        )
        try:
            yield from answer.stream(8192)
        finally:
            answer.release_conn()


def pod_index(pod: Any) -> int:
    """Returns the place of a pod in its set; 0 is the chief."""
    marks = {**(pod.metadata.labels or {}), **(pod.metadata.annotations or {})}
    return int(marks.get("batch.kubernetes.io/job-completion-index", 0))


def refused(error: ApiException, what: str, namespace: str) -> AgnewsError:
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
    exit_code = ExitCode.UNAVAILABLE if (error.status or 500) >= 500 else ExitCode.USAGE
    return AgnewsError(
        f"The cluster does not let the Trainer {what} in {namespace}.",
        found=f"{error.status}: {answer}",
        fix=fix,
        exit_code=exit_code,
    )
