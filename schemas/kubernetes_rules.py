"""Names, labels, quantities and paths as Kubernetes' API server takes them.

References:
    Kubernetes 1.34: apimachinery/pkg/util/validation, pkg/apis/core/validation; distribution/reference for images.
"""

from __future__ import annotations

import posixpath
import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_WORD = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")
_DOMAIN = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?"
_PATH = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"(?:{_DOMAIN}/)?{_PATH}(?:/{_PATH})*(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_FACTORS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
# Below this no container of any runtime starts.
_LEAST_MEMORY = 6 * 10**6


def cpus(quantity: str) -> float:
    """Returns `500m` as 0.5."""
    return float(_cpus(quantity))


def _cpus(quantity: str) -> Decimal:
    return Decimal(quantity[:-1]) / 1000 if quantity.endswith("m") else Decimal(quantity)


def gigabytes(quantity: str) -> float:
    """Returns `2Gi` as 2.147483648."""
    for suffix, factor in _FACTORS.items():
        if quantity.endswith(suffix):
            return float(quantity.removesuffix(suffix)) * factor / 1e9
    return float(quantity) / 1e9


def _cpu(text: str) -> str:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?|[0-9]+m", text):
        raise ValueError(f"{text} is no amount of CPUs, such as 2, 0.5 or 500m")
    amount = _cpus(text)
    if amount <= 0 or amount * 1000 % 1:
        raise ValueError(f"{text} is no whole number of thousandths of a CPU above 0")
    return text


def _memory(text: str) -> str:
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        raise ValueError(f"{text} would be bytes: write a unit, such as {text}Gi")
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)", text):
        raise ValueError(f"{text} is no amount of memory, such as 4Gi or 500Mi")
    if gigabytes(text) * 1e9 < _LEAST_MEMORY:
        raise ValueError(f"{text} is less than the 6M without which no container starts")
    return text


def _subdomain(name: str) -> str:
    if len(name) > 253 or not _SUBDOMAIN.fullmatch(name) or any(len(part) > 63 for part in name.split(".")):
        raise ValueError(f"{name!r} is no name of an object: small letters, digits, hyphens and dots, at most 253")
    return name


def _label(name: str) -> str:
    if len(name) > 63 or not re.fullmatch(_LABEL, name):
        raise ValueError(
            f"{name!r} cannot be mounted: Kubeflow Pipelines names the volume after it, so it must be small letters, "
            "digits and hyphens, at most 63"
        )
    return name


def _secret_key(key: str) -> str:
    if len(key) > 253 or key in {".", ".."} or not re.fullmatch(r"[-._A-Za-z0-9]+", key):
        raise ValueError(f"{key!r} is no key of a Secret: letters, digits, '-', '_' and '.'")
    return key


def _label_key(key: str) -> str:
    prefix, slash, name = key.rpartition("/")
    if slash:
        _subdomain(prefix)
    if len(name) > 63 or not _WORD.fullmatch(name):
        raise ValueError(f"{key!r} is no key of a label, such as cloud.example/pool")
    return key


def _label_value(value: str) -> str:
    if value and (len(value) > 63 or not _WORD.fullmatch(value)):
        raise ValueError(f"{value!r} is no value of a label: letters, digits, '-', '_' and '.', at most 63")
    return value


def _resource(name: str) -> str:
    domain, slash, _ = name.rpartition("/")
    if not slash or domain == "kubernetes.io" or domain.endswith(".kubernetes.io"):
        raise ValueError(f"{name!r} is no resource of a device plug-in, such as nvidia.com/gpu")
    return _label_key(name)


def _mount_path(path: str) -> str:
    if not path.startswith("/") or ":" in path or ".." in path.split("/") or posixpath.normpath(path) == "/":
        raise ValueError(f"{path!r} is no absolute path without ':' and '..'")
    return path


def _sub_path(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"{path!r} leads out of the volume: write a path that begins in it, without '..'")
    return path


def _variable_value(value: str) -> str:
    if "{{" in value or "\0" in value:
        raise ValueError("the value has {{ in it, in whose place Argo Workflows puts something else, or a NUL")
    return value


def image_problem(image: str) -> str | None:
    """Says what is wrong with the name of an image.

    Args:
        image: `registry/name:tag` or `registry/name@sha256:digest`.

    Returns:
        A few words, or None for a digest or a tag that is not `latest`.
    """
    if not image:
        return "no image"
    match = _IMAGE.fullmatch(image)
    if match is None and re.fullmatch(r"[^@\s]+@[^@\s]*", image):
        return f"{image} has no whole digest"
    if match is None and (not (tagged := image.rpartition("/")[2]) or tagged.endswith(":")):
        return f"{image} has no tag, which means latest"
    if match is None:
        return f"{image!r} is no name of an image (small letters; a tag of letters, digits, '_', '.' and '-')"
    if match["digest"]:
        return None
    if not match["tag"]:
        return f"{image} has no tag, which means latest"
    return f"{image} is the latest of many" if match["tag"] == "latest" else None


def _image(name: str) -> str:
    if problem := image_problem(name):
        raise ValueError(problem)
    return name


def _as_typed(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Cpu = Annotated[str, BeforeValidator(_as_typed), AfterValidator(_cpu)]
Memory = Annotated[str, BeforeValidator(_as_typed), AfterValidator(_memory)]
ObjectName = Annotated[str, AfterValidator(_subdomain)]
VolumeName = Annotated[str, AfterValidator(_label)]
SecretKeyName = Annotated[str, AfterValidator(_secret_key)]
LabelKey = Annotated[str, AfterValidator(_label_key)]
LabelValue = Annotated[str, AfterValidator(_label_value)]
ResourceName = Annotated[str, AfterValidator(_resource)]
MountPath = Annotated[str, AfterValidator(_mount_path)]
SubPath = Annotated[str, AfterValidator(_sub_path)]
VariableValue = Annotated[str, AfterValidator(_variable_value)]
ImageName = Annotated[str, AfterValidator(_image)]
