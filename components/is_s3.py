"""Is a place in an object store that speaks S3?"""

from __future__ import annotations

_SCHEMES = ("s3://", "minio://")
"""Kubeflow Pipelines writes `minio://` for the store that it brings."""


def is_s3(uri: str) -> bool:
    """Whether a place is in an object store that speaks S3, which TensorFlow's file layer cannot open."""
    return uri.startswith(_SCHEMES)
