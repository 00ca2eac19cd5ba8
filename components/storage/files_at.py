"""Which file operations a place has."""

from __future__ import annotations

from collections.abc import Callable

from agnews.components.storage.files import Files


def _local() -> Files:
    from agnews.components.storage.local_files import LocalFiles

    return LocalFiles()


def _s3() -> Files:
    from agnews.components.storage.s3_files import S3Files

    return S3Files()


def _google() -> Files:
    from agnews.components.storage.google_files import GoogleFiles

    return GoogleFiles()


def _tensorflow() -> Files:
    from agnews.components.storage.remote_files import RemoteFiles

    return RemoteFiles()


# Kubeflow Pipelines writes `minio://` for the store that it brings.
_BY_SCHEME: dict[str, Callable[[], Files]] = {"": _local, "s3": _s3, "minio": _s3, "gs": _google}


def files_at(uri: str) -> Files:
    """Chooses the file operations for a place.

    Args:
        uri: A local path, `s3://`, `minio://` or `gs://`, or any other URI that TensorFlow's file layer opens.

    Returns:
        The operations. Those for a local disk and for S3 need no TensorFlow, so a command that only looks into such a
        store starts at once.
    """
    scheme, separator, _ = uri.partition("://")
    return _BY_SCHEME.get(scheme if separator else "", _tensorflow)()
