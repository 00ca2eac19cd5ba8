"""The way to an object store that speaks S3, which TensorFlow's file layer cannot open."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from pyarrow.fs import S3FileSystem

from agnews.schemas.errors import AgnewsError


def connect_s3(environment: Mapping[str, str] = os.environ) -> S3FileSystem:
    """Opens the store that the environment names, in the variables that all tools of AWS read.

    Args:
        environment: AWS_ENDPOINT_URL (or AWS_ENDPOINT_URL_S3) names a store other than AWS's, AWS_REGION (or
            AWS_DEFAULT_REGION) a region other than us-east-1. Credentials come from AWS_ACCESS_KEY_ID and
            AWS_SECRET_ACCESS_KEY, a web identity, a profile or the instance, in the order of AWS's own chain.

    Returns:
        The file system; its paths are `BUCKET/KEY`. Nothing was asked of the store yet.

    Raises:
        AgnewsError: The endpoint is no address.
    """
    options = {}
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL") or ""
    if endpoint:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise AgnewsError(
                "The endpoint of the object store is no address.",
                found=f"AWS_ENDPOINT_URL={endpoint}",
                fix="Write it with http:// or https://, such as http://minio-service.kubeflow:9000",
            )
        options = {"endpoint_override": parts.netloc, "scheme": parts.scheme}
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    return S3FileSystem(region=region, connect_timeout=10.0, request_timeout=60.0, **options)


def s3_path(uri: str) -> str:
    """Returns what the file system calls a place: bucket and key."""
    return uri.partition("://")[2].rstrip("/")
