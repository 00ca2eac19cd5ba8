"""What the webhooks of JobSet and of Kubeflow Trainer refuse, and what they let through although it never starts.

References:
    JobSet 0.12, pkg/webhooks/jobset_webhook.go; apimachinery 0.34, pkg/util/validation. Kubeflow Trainer 2.3: a
    TrainJob with a name of 49 characters or more passes the webhooks and is never started.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agnews.schemas.errors import AgnewsError

_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_RULE = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
_REASONS = {
    "BackoffLimitExceeded",
    "DeadlineExceeded",
    "FailedIndexes",
    "MaxFailedIndexesExceeded",
    "PodFailurePolicy",
}
_LONGEST = 63
_LONGEST_TRAINJOB = 48
_SUFFIX = "-abcde"
"""What Kubernetes adds to the name of a pod."""


def check_manifest(manifest: Mapping[str, Any]) -> None:
    """Refuses a manifest that the cluster would refuse, or never start.

    Args:
        manifest: A JobSet or a TrainJob.

    Raises:
        AgnewsError: The first thing that is wrong with it.
    """
    problems = _of_jobset(manifest) if manifest["kind"] == "JobSet" else _of_trainjob(manifest)
    if problem := next(problems, ""):
        raise AgnewsError(
            f"The cluster would not start the {manifest['kind']} of this training.",
            found=problem,
            fix="A shorter pipeline name (--set name=NAME) makes shorter names of pods; other values are those of "
            "`trainer` and of `nodes.Trainer` in the deployment table.",
        )


def _of_jobset(manifest: Mapping[str, Any]) -> Iterator[str]:
    name, spec = manifest["metadata"]["name"], manifest["spec"]
    jobs = {job["name"]: job for job in spec["replicatedJobs"]}
    yield from _no_label("spec.network.subdomain", spec["network"].get("subdomain", name))
    for job in jobs.values():
        inner, last = job["template"]["spec"], job["replicas"] - 1
        yield from _no_label("the name of its job", f"{name}-{job['name']}-{last}")
        if inner.get("completionMode") == "Indexed":
            pod = f"{name}-{job['name']}-{last}-{inner['completions'] - 1}{_SUFFIX}"
            yield from _no_label("the name of its last pod", pod)
        yield from _of_job(inner)
    yield from _of_failure_policy(spec.get("failurePolicy", {}), set(jobs))


def _of_job(job: Mapping[str, Any]) -> Iterator[str]:
    pod = job["template"]["spec"]
    if "podFailurePolicy" in job and pod.get("restartPolicy") != "Never":
        yield f"podFailurePolicy needs restartPolicy Never, not {pod.get('restartPolicy')}"
    names = {container["name"] for container in pod["containers"]}
    for rule in job.get("podFailurePolicy", {}).get("rules", ()):
        if (container := rule.get("onExitCodes", {}).get("containerName")) not in {None, *names}:
            yield f"podFailurePolicy names the container {container}, which the pod does not have"
    mounted = {mount["name"] for container in pod["containers"] for mount in container.get("volumeMounts", ())}
    if missing := mounted - {volume["name"] for volume in pod.get("volumes", ())}:
        yield f"no volume {sorted(missing)[0]}"


def _of_failure_policy(policy: Mapping[str, Any], jobs: set[str]) -> Iterator[str]:
    names = [rule["name"] for rule in policy.get("rules", ())]
    for rule in policy.get("rules", ()):
        if not _RULE.fullmatch(rule["name"]) or len(rule["name"]) > 128:
            yield f"failurePolicy.rules: {rule['name']!r} is no name of a rule: letters, digits, '_', ',' and ':'"
        if names.count(rule["name"]) > 1:
            yield f"failurePolicy.rules: two are called {rule['name']}"
        if unknown := set(rule.get("targetReplicatedJobs", ())) - jobs:
            yield f"failurePolicy.rules: no job {sorted(unknown)[0]}"
        if unknown := set(rule.get("onJobFailureReasons", ())) - _REASONS:
            yield f"failurePolicy.rules: {sorted(unknown)[0]} is no reason for which a job fails"


def _of_trainjob(manifest: Mapping[str, Any]) -> Iterator[str]:
    name, spec = manifest["metadata"]["name"], manifest["spec"]
    yield from _no_label("metadata.name", name)
    if len(name) > _LONGEST_TRAINJOB:
        yield f"metadata.name {name} has {len(name)} characters: one with more than {_LONGEST_TRAINJOB} never starts"
    yield from _no_label("the name of its last pod", f"{name}-node-0-{spec['trainer']['numNodes'] - 1}{_SUFFIX}")


def _no_label(what: str, text: str) -> Iterator[str]:
    if len(text) > _LONGEST:
        yield f"{what}, {text}, has {len(text)} characters and may have {_LONGEST}"
    if not _LABEL.fullmatch(text):
        yield f"{what}, {text}, is no name: small letters, digits and hyphens, beginning with a letter"
