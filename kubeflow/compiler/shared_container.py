"""What a step may change in its container: Kubeflow Pipelines' launcher runs in it, too, before and after our code."""

from __future__ import annotations

import posixpath

from agnews.schemas.deployment import Deployment, NodeDeployment
from agnews.schemas.errors import AgnewsError

_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
# The metadata service, the API server and the object store by their names; Kubernetes' own API by its address, which
# Kubernetes puts into the value.
_CLUSTER = (
    "localhost",
    "127.0.0.1",
    ".svc",
    ".svc.cluster.local",
    ".cluster.local",
    ".kubeflow",
    "$(KUBERNETES_SERVICE_HOST)",
)
_OWNERS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("KFP_", "ML_PIPELINE_", "METADATA_GRPC_", "METADATA_TLS", "MINIO_SERVICE_", "V2_"),
        "Kubeflow Pipelines' launcher",
    ),
    (("ARGO_",), "Argo Workflows' executor"),
    (("KUBERNETES_",), "Kubernetes' client in the launcher"),
    (("GRPC_", "GODEBUG", "GOTRACEBACK", "GOMEMLIMIT", "GOMAXPROCS", "GOGC"), "the launcher, which is written in Go"),
    (("AWS_CONTAINER_CREDENTIALS_",), "the launcher's client of S3, before its own credentials"),
    (("PATH",), "the launcher, which looks there for our Python"),
)
_WHOLE = frozenset({"PATH", "GODEBUG", "GOTRACEBACK", "GOMEMLIMIT", "GOMAXPROCS", "GOGC"})
_SHARED = {
    "SSL_CERT_FILE": "the launcher then trusts no other authority either (REQUESTS_CA_BUNDLE is for our code alone)",
    "SSL_CERT_DIR": "the launcher then trusts no other authority either",
    "AWS_CA_BUNDLE": "the launcher's client of S3 trusts no other authority either",
    "AWS_PROFILE": "the launcher fails if the profile does not exist in the container",
    "AWS_EC2_METADATA_DISABLED": "the launcher gets no credentials of an instance either",
    "AWS_CONFIG_FILE": "the launcher reads the same file",
    "AWS_SHARED_CREDENTIALS_FILE": "the launcher reads the same file",
    "GOOGLE_APPLICATION_CREDENTIALS": "the launcher reads and writes gs:// with the same account",
}
_MOUNTS = (
    "/kfp-launcher",
    "/gcs",
    "/s3",
    "/minio",
    "/.local",
    "/.cache",
    "/.config",
    "/var/run/argo",
    "/var/run/secrets/kubernetes.io/serviceaccount",
)
_VOLUMES = frozenset(
    {
        "kfp-launcher",
        "gcs-scratch",
        "s3-scratch",
        "minio-scratch",
        "dot-local-scratch",
        "dot-cache-scratch",
        "dot-config-scratch",
        "var-run-argo",
        "tmp-dir-argo",
        "input-artifacts",
        "ca-volume",
        "ca-bundle",
    }
)


def step_environment(node: str, row: NodeDeployment) -> dict[str, str]:
    """Returns the variables of a step, in order of their names.

    Args:
        node: Name of the node.
        row: Its row, with what it inherits.

    Returns:
        Those of the table. Where there is a proxy, NO_PROXY and no_proxy have what must not go through it besides: the
        launcher's calls to the cluster would wait for minutes, before our code begins and after it has ended.

    Raises:
        AgnewsError: A variable belongs to the launcher, or what goes past a proxy is kept in a Secret.
    """
    for name in (*row.env, *row.secret_env):
        owner = next((owner for names, owner in _OWNERS if _belongs(name, names)), None)
        if owner is not None:
            raise AgnewsError(
                f"The table sets a variable of {node} that is not ours.",
                found=f"{name}, which is read by {owner} in the same container",
                fix="Leave it out of env and secret_env.",
            )
    proxied = any(name.lower() in _PROXIES for name in (*row.env, *row.secret_env))
    env = dict(row.env)
    if proxied:
        hidden = [name for name in row.secret_env if name.lower() == "no_proxy"]
        if hidden:
            raise AgnewsError(
                f"{node} has a proxy, and what goes past it is in a Secret, where it cannot be completed.",
                found=hidden[0],
                fix=f"Write {hidden[0]} to env: it is no secret. It gets {','.join(_CLUSTER)} besides.",
            )
        past = _past(env)
        env |= {"NO_PROXY": past, "no_proxy": past}
    return dict(sorted(env.items()))


def _belongs(name: str, names: tuple[str, ...]) -> bool:
    return any(name == each or (each not in _WHOLE and name.startswith(each)) for each in names)


def _past(env: dict[str, str]) -> str:
    given = [part.strip() for name in ("NO_PROXY", "no_proxy") for part in env.get(name, "").split(",")]
    # A star is for everything, and only alone.
    return "*" if "*" in given else ",".join(dict.fromkeys(part for part in (*given, *_CLUSTER) if part))


def check_mounts(node: str, row: NodeDeployment) -> None:
    """Looks for volumes that would take the place of the launcher's own.

    Args:
        node: Name of the node.
        row: Its row, with what it inherits.

    Raises:
        AgnewsError: One has the path or the name of a volume of Kubeflow Pipelines or Argo Workflows.
    """
    for volume in row.volumes or ():
        path = posixpath.normpath(volume.path)
        name = volume.claim or volume.secret or volume.config_map or ""
        if any(path == own or own.startswith(f"{path}/") or path.startswith(f"{own}/") for own in _MOUNTS):
            found = f"the path {path}"
        elif name in _VOLUMES or (name.startswith("scratch-") and name[8:].isdigit()):
            found = f"the name {name}"
        else:
            continue
        raise AgnewsError(
            f"A volume of {node} is in the place of one that every step has already.",
            found=found,
            fix="Mount it elsewhere, /mnt/NAME for example; an object of that name cannot be mounted at all.",
        )


def require_no_token_for_all(deployment: Deployment) -> None:
    """Refuses a token for encoders in every step: no step downloads one, and each that has it can lose it.

    Args:
        deployment: The table.

    Raises:
        AgnewsError: `defaults` gives one.
    """
    given = [name for name in deployment.defaults.secret_env if name in {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}]
    if given:
        raise AgnewsError(
            "The table gives a token for encoders to all steps.",
            found=f"{given[0]} under defaults.secret_env",
            fix="Leave it out: agnews encoder fetch downloads encoders, before a run and to a volume. A step that does "
            "download something gets it by nodes.NODE.secret_env.",
        )


def shared_variables(deployment: Deployment) -> list[str]:
    """Returns what should be known of variables that our code and the launcher both read, a sentence each."""
    rows = (deployment.defaults, *deployment.nodes.values())
    names = {name for row in rows for name in (*row.env, *row.secret_env)}
    found = [f"{name}: {_SHARED[name]}" for name in sorted(names & set(_SHARED))]
    if any(name.lower() in _PROXIES for name in names):
        found.append(f"NO_PROXY gets {','.join(_CLUSTER)} besides: the launcher's calls go past the proxy")
    return found
