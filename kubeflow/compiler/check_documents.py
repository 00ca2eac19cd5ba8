"""What must be true of every compiled pipeline."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

from agnews.kubeflow.client.compiled_pipeline import SCHEMA_VERSION
from agnews.schemas.errors import AgnewsError, ExitCode
from agnews.schemas.kubernetes_rules import image_problem

_PATTERNS = {
    "a user and password in a URI": re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@"),
    "a signed URI": re.compile(r"[?&](X-Amz-Signature|X-Goog-Signature|sig)=", re.IGNORECASE),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "an access key of AWS": re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a token of GitHub": re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{30,})"),
    "a token of Hugging Face": re.compile(r"\bhf_[A-Za-z0-9]{30,}"),
    "a key of Google": re.compile(r"\bAIza[0-9A-Za-z_-]{35}"),
    "a JSON web token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\."),
}
_TELLING = re.compile(
    r"(^|_)(PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIALS?|API_?KEY|ACCESS_?KEY(_ID)?|PRIVATE_?KEY)(_|$)",
    re.IGNORECASE,
)


def find_secrets(document: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Looks through all texts of a document.

    Args:
        document: Mappings, lists and values.
        place: Where the document stands.

    Yields:
        Where something was found, and what it looks like; never the value.
    """
    if isinstance(document, dict):
        name, value = document.get("name"), document.get("value")
        # An environment variable. The path of a file with a secret is none.
        if isinstance(name, str) and isinstance(value, str) and _TELLING.search(name) and value[:1] not in {"", "/"}:
            yield f"{place}.value", f"the value of {name}"
        for key, part in document.items():
            yield from find_secrets(part, f"{place}.{key}" if place else str(key))
    elif isinstance(document, list):
        for number, part in enumerate(document):
            yield from find_secrets(part, f"{place}[{number}]")
    elif isinstance(document, str):
        for kind, pattern in _PATTERNS.items():
            if pattern.search(document):
                yield place, kind


Tree = Mapping[str, Any]
Finding = tuple[str, str]
"""Where, and what."""

_RESOURCES = ("resourceCpuRequest", "resourceCpuLimit", "resourceMemoryRequest", "resourceMemoryLimit")


def check_documents(spec: Tree, platform: Tree) -> None:
    """Checks a compiled pipeline.

    Args:
        spec: The pipeline spec.
        platform: The platform document; may be empty.

    Raises:
        AgnewsError: It breaks a rule; the message names the rule, the place and the value.
    """
    for rule, fix, findings in _RULES:
        found = [f"{place}: {what}" for place, what in findings(spec, platform)]
        if found:
            raise AgnewsError(
                f"The compiled pipeline must not be run: {rule}.",
                found="; ".join(found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else ""),
                fix=fix,
                exit_code=ExitCode.USAGE,
            )


def _other_schema(spec: Tree, _platform: Tree) -> Iterator[Finding]:
    if spec.get("schemaVersion") != SCHEMA_VERSION:
        yield "schemaVersion", str(spec.get("schemaVersion"))


def _unknown_fields(spec: Tree, platform: Tree) -> Iterator[Finding]:
    try:
        json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
        # The part of the spec that the message keeps as it is.
        json_format.ParseDict(spec["deploymentSpec"], pipeline_spec_pb2.PipelineDeploymentConfig())
    except json_format.ParseError as error:
        yield "pipeline spec", str(error)
    for name, config in _platform_executors(platform).items():
        try:
            json_format.ParseDict(config, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
        except json_format.ParseError as error:
            yield f"platforms.kubernetes.deploymentSpec.executors.{name}", str(error)


def _other_executors(spec: Tree, _platform: Tree) -> Iterator[Finding]:
    for name, executor in _executors(spec).items():
        for kind in sorted(set(executor) - {"container", "importer"}):
            yield f"deploymentSpec.executors.{name}", kind
        if hooks := executor.get("container", {}).get("lifecycle"):
            yield f"deploymentSpec.executors.{name}.container.lifecycle", ", ".join(sorted(hooks))


def _conditional_importers(spec: Tree, _platform: Tree) -> Iterator[Finding]:
    for place, _, task in _tasks(spec):
        label = spec["components"].get(task["componentRef"]["name"], {}).get("executorLabel")
        if "importer" in _executors(spec).get(label, {}) and task.get("triggerPolicy", {}).get("condition"):
            yield f"{place}.triggerPolicy.condition", task["triggerPolicy"]["condition"]


def _dangling_inputs(spec: Tree, _platform: Tree) -> Iterator[Finding]:
    for place, dag, task in _tasks(spec):
        inputs = task.get("inputs", {})
        wanted = spec["components"].get(task["componentRef"]["name"], {}).get("inputDefinitions", {})
        for side, is_given in (("parameters", _is_given_parameter), ("artifacts", _is_given_artifact)):
            values = inputs.get(side, {})
            for name in sorted(set(wanted.get(side, {})) - set(values)):
                if not wanted[side][name].get("isOptional"):
                    yield f"{place}.inputs.{side}.{name}", "missing"
            for name, value in values.items():
                if not is_given(value, spec, dag):
                    yield f"{place}.inputs.{side}.{name}", str(dict(value))


def _is_given_parameter(value: Tree, spec: Tree, dag: Tree) -> bool:
    match dict(value):
        case {"runtimeValue": {"constant": _}}:
            return True
        case {"componentInputParameter": name}:
            return name in dag.get("inputDefinitions", {}).get("parameters", {})
        case {"taskOutputParameter": {"producerTask": task, "outputParameterKey": key}}:
            return key in _outputs(spec, dag, task).get("parameters", {})
    return False


def _is_given_artifact(value: Tree, spec: Tree, dag: Tree) -> bool:
    match dict(value):
        case {"taskOutputArtifact": {"producerTask": task, "outputArtifactKey": key}}:
            return key in _outputs(spec, dag, task).get("artifacts", {})
    return False


def _outputs(spec: Tree, dag: Tree, task: str) -> Tree:
    reference = dag["dag"]["tasks"].get(task, {}).get("componentRef", {}).get("name")
    outputs: Tree = spec["components"].get(reference, {}).get("outputDefinitions", {})
    return outputs


def _unpinned_images(spec: Tree, _platform: Tree) -> Iterator[Finding]:
    for name, executor in _executors(spec).items():
        if problem := image_problem(str(executor.get("container", {}).get("image", ""))):
            yield f"deploymentSpec.executors.{name}.container.image", problem


def _unbounded(spec: Tree, _platform: Tree) -> Iterator[Finding]:
    for name, executor in _executors(spec).items():
        resources = executor.get("container", {}).get("resources", {})
        missing = [key for key in _RESOURCES if not resources.get(key)]
        if "container" in executor and missing:
            yield f"deploymentSpec.executors.{name}.container.resources", f"no {', '.join(missing)}"


def _strangers(spec: Tree, platform: Tree) -> Iterator[Finding]:
    for name in sorted(set(_platform_executors(platform)) - set(_executors(spec))):
        yield f"platforms.kubernetes.deploymentSpec.executors.{name}", "the pipeline has no such executor"


def _secrets(spec: Tree, platform: Tree) -> Iterator[Finding]:
    yield from find_secrets(spec)
    yield from find_secrets(platform)


def _executors(spec: Tree) -> Tree:
    executors: Tree = spec["deploymentSpec"]["executors"]
    return executors


def _platform_executors(platform: Tree) -> Tree:
    executors: Tree = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"] if platform else {}
    return executors


def _tasks(spec: Tree) -> Iterator[tuple[str, Tree, Tree]]:
    """Where a task stands, the component with the DAG that it is in, and the task."""
    for place, component in (("root", spec["root"]), *((f"components.{k}", v) for k, v in spec["components"].items())):
        for name, task in component.get("dag", {}).get("tasks", {}).items():
            yield f"{place}.dag.tasks.{name}", component, task


_RULES: tuple[tuple[str, str, Callable[[Tree, Tree], Iterator[Finding]]], ...] = (
    (
        f"the server takes schemaVersion {SCHEMA_VERSION} only",
        "Compile with the locked versions of tfx and kfp (make setup).",
        _other_schema,
    ),
    (
        "the server does not run resolvers, custom jobs and the hook preCacheCheck",
        "Replace the node by one of our own; docs/adr/0003-own-components.md says how.",
        _other_executors,
    ),
    ("it has fields that the server does not know", "Take them out of kubeflow/compiler.", _unknown_fields),
    ("a condition on an importer is ignored", "Put the condition on the step that reads it.", _conditional_importers),
    (
        "inputs must be constants, parameters of the pipeline or outputs of a step before",
        "Give the property a value when the graph is built, or make it a parameter in kubeflow/planning.",
        _dangling_inputs,
    ),
    (
        "an image that may change under its name would make the cache answer with results of other code",
        "Give --image NAME@sha256:DIGEST, or a tag that is not latest, such as the commit.",
        _unpinned_images,
    ),
    (
        "a step without requests and limits can starve its node",
        "Add them to `defaults` in the deployment table.",
        _unbounded,
    ),
    ("its platform document is about steps that it does not have", "Correct kubeflow/compiler.", _strangers),
    (
        "it holds what looks like a secret, and everybody who sees the run could read it",
        "Put it into a Secret of Kubernetes, and name that under secret_env or volumes in the deployment table.",
        _secrets,
    ),
)
