"""The deployment table: what each step of the pipeline gets from a cluster.

`pipeline/configs/deployment/*.yaml` are instances of `Deployment`. It decides where and how steps run, never what they
compute.
"""

from __future__ import annotations

import posixpath
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from agnews.schemas.kubernetes_rules import (
    Cpu,
    ImageName,
    LabelKey,
    LabelValue,
    Memory,
    MountPath,
    ObjectName,
    ResourceName,
    SecretKeyName,
    SubPath,
    VariableValue,
    VolumeName,
)
from agnews.schemas.strict_numbers import StrictNumbers

EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Identity = Annotated[int, Field(ge=0, le=2**31 - 1)]


class _Section(StrictNumbers):
    """A frozen part of the table; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Accelerator(_Section):
    """GPUs of one kind."""

    type: ResourceName = "nvidia.com/gpu"
    """Name of the resource on the nodes, as `kubectl describe node` lists it."""
    count: Annotated[int, Field(ge=1)] = 1
    """How many of them."""


class SecretKey(_Section):
    """A value that Kubernetes keeps. Only its place stands in the pipeline."""

    secret: ObjectName
    """Name of the Secret."""
    key: SecretKeyName
    """Key in it."""


class Volume(_Section):
    """Files that a step sees under a path: exactly one of the four kinds."""

    path: MountPath
    """Where."""
    claim: VolumeName | None = None
    """Name of a PersistentVolumeClaim."""
    sub_path: SubPath = ""
    """Folder of the claim; empty for all of it."""
    secret: VolumeName | None = None
    """Name of a Secret; each key is a file."""
    config_map: VolumeName | None = None
    """Name of a ConfigMap; each key is a file."""
    scratch: Memory | None = None
    """Size of an empty folder that is gone after the step."""
    in_memory: bool = False
    """Whether `scratch` lies in memory, as /dev/shm must; it counts towards the memory limit."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [name for name in ("claim", "secret", "config_map", "scratch") if getattr(self, name) is not None]
        if len(kinds) != 1:
            raise ValueError(f"give exactly one of claim, secret, config_map and scratch, not {len(kinds)}")
        if self.sub_path and self.claim is None:
            raise ValueError("sub_path is for a claim")
        if self.in_memory and self.scratch is None:
            raise ValueError("in_memory is for scratch")
        return self


class Toleration(_Section):
    """Lets a step onto nodes with a taint."""

    key: LabelKey
    """Key of the taint."""
    operator: Literal["Exists", "Equal"] = "Exists"
    """Whether the taint's value counts; left out, it does if one is given."""
    value: LabelValue | None = None
    """Value of the taint, with `Equal`."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = "NoSchedule"
    """Effect of the taint; null for all of them."""

    @model_validator(mode="before")
    @classmethod
    def _equal_with_value(cls, given: object) -> object:
        if isinstance(given, dict) and given.get("value") is not None and "operator" not in given:
            return {**given, "operator": "Equal"}
        return given

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        if self.operator == "Exists" and self.value is not None:
            raise ValueError(f"the operator Exists takes no value ({self.value}); Equal does")
        if self.operator == "Equal" and self.value is None:
            raise ValueError("the operator Equal needs a value; Exists does not")
        return self


class NodeDeployment(_Section):
    """One row of the table. A key that is null or left out is inherited from `defaults`."""

    cpu_request: Cpu | None = None
    """CPUs that are set aside: `2`, `500m`."""
    cpu_limit: Cpu | None = None
    """CPUs at most."""
    memory_request: Memory | None = None
    """Memory that is set aside: `4Gi`."""
    memory_limit: Memory | None = None
    """Memory at most; a step that takes more is killed."""
    accelerator: Accelerator | None = None
    """GPUs; for the Trainer only."""
    env: dict[EnvName, VariableValue] = Field(default_factory=dict)
    """Environment variables, added to those of `defaults`. No secrets: the pipeline can be read by all who see runs."""
    secret_env: dict[EnvName, SecretKey] = Field(default_factory=dict)
    """Environment variables that Kubernetes fills from Secrets, added to those of `defaults`."""
    volumes: tuple[Volume, ...] | None = None
    """Files; a row with volumes of its own does not inherit any."""
    node_selector: dict[LabelKey, LabelValue] = Field(default_factory=dict)
    """Labels that a node must have, added to those of `defaults`."""
    tolerations: tuple[Toleration, ...] | None = None
    """Taints that are put up with; a row with tolerations of its own does not inherit any."""
    retries: Annotated[int, Field(ge=0, le=10)] | None = None
    """How often a step that failed is tried again."""
    retry_policy: Literal["OnFailure", "OnError", "Always"] | None = None
    """After what a step should be tried again, in Argo's words: a step that failed, a pod that was lost, or both. A
    pipeline cannot carry it, the cluster decides; `agnews compile` says what each server makes of it."""
    cache: bool | None = None
    """Whether a result of an earlier run may stand in for the step."""
    timeout_minutes: Annotated[int, Field(ge=1, le=527_040)] | None = None
    """A step that takes longer is ended; null never ends one."""
    run_as_user: Identity | None = None
    """User of the container; null for that of the image or of the cluster. Servers up to 2.15 do not know it."""
    run_as_group: Identity | None = None
    """Group of the container."""

    @model_validator(mode="after")
    def _variables_once(self) -> Self:
        if twice := sorted(set(self.env) & set(self.secret_env)):
            raise ValueError(f"{twice[0]} stands under env and under secret_env")
        return self

    @model_validator(mode="after")
    def _mounts_once(self) -> Self:
        seen: dict[str, str] = {}
        for volume in self.volumes or ():
            path = posixpath.normpath(volume.path)
            name = volume.claim or volume.secret or volume.config_map
            if path in seen:
                raise ValueError(f"two volumes have the path {path}")
            if name is not None and name in seen.values():
                raise ValueError(
                    f"two volumes are called {name}: Kubeflow Pipelines names them after claim, Secret or ConfigMap, "
                    "and can mount each once in a step"
                )
            seen[path] = name or ""
        return self


class TrainerPods(_Section):
    """Several pods that share the Trainer's work; their other keys are those of `nodes.Trainer`."""

    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Pods, the chief among them, which share each batch; 1 trains in the step itself."""
    gpus: Annotated[int, Field(ge=0, le=16)] | None = None
    """GPUs of each pod, of the type of `nodes.Trainer.accelerator`; null for as many as stand there."""
    kind: Literal["jobset", "trainjob"] = "jobset"
    """What the step asks the cluster for: a JobSet, or a TrainJob of Kubeflow Trainer, which makes one."""
    queue: LabelValue | None = None
    """Queue of Kueue that lets the pods in; null where there is no Kueue."""
    max_restarts: Annotated[int, Field(ge=0, le=100)] = 3
    """How often all pods are started again after one has failed; they go on at the last backup."""
    start_minutes: Annotated[float, Field(gt=0.0, le=1440.0)] = 15.0
    """How long the chief waits for the others, which may still be pulling their image."""
    grace_seconds: Annotated[int, Field(ge=5, le=3600)] = 120
    """From asking a pod to end until it is killed: a step and a backup."""


class Deployment(_Section):
    """What a cluster has to give."""

    image: ImageName | None = None
    """Image of all steps, by digest or with a tag that is not `latest`; `--image` comes before it."""
    image_pull_secrets: tuple[ObjectName, ...] = ()
    """Secrets with the credentials of the image's registry."""
    scratch_uri: str = "/tmp/agnews"  # noqa: S108 - in a container of one step
    """Folder or URI for backups of a training. On a volume that stays, a Trainer that was killed goes on at the last
    one."""
    settings: tuple[str, ...] = ()
    """Settings of the run that follow from the machines, as `--set` takes them; the command line comes after them.
    Those that begin with `beam.` say what runs Beam jobs, as `--beam` takes them: steps are told when they run, and
    nothing runs again for them."""
    fuse: Literal["none", "light", "all"] = "light"
    """Which nodes share a container, which saves pods, imports and copies: `none`; `light`, those of the data, of the
    tokens and of the decision; `all` that stand in a row. A node whose row differs from its neighbours' in anything but
    `cache` has a container of its own."""
    trainer: TrainerPods = TrainerPods()
    """Several pods for the Trainer."""
    defaults: NodeDeployment
    """What rows inherit; it must name all requests and limits."""
    nodes: dict[str, NodeDeployment]
    """The rows, by name of the node; `Plan` is the step before the first node."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        missing = [name for name in _RESOURCES if getattr(self.defaults, name) is None]
        if missing:
            raise ValueError(f"defaults has no {', '.join(missing)}")
        others = [name for name, row in {"defaults": self.defaults, **self.nodes}.items() if row.accelerator]
        if others not in ([], ["Trainer"]):
            raise ValueError(f"only the Trainer uses accelerators, not {', '.join(others)}")
        for node in self.nodes:
            self._check_row(node)
        return self

    def _check_row(self, node: str) -> None:
        try:
            self.row(node)
        except ValidationError as error:
            problem = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise ValueError(f"{node}, with what it inherits: {problem}") from None

    def row(self, node: str) -> NodeDeployment:
        """Returns the row of a node, with all that it inherits.

        Args:
            node: Name of the node; one without a row has the defaults.
        """
        own = self.nodes.get(node, NodeDeployment())
        inherited = self.defaults.model_dump()
        for name, value in own:
            if isinstance(value, dict):
                inherited[name] = {**inherited[name], **value}
            elif value is not None:
                inherited[name] = value
        return NodeDeployment.model_validate(inherited)


_RESOURCES = ("cpu_request", "cpu_limit", "memory_request", "memory_limit")
