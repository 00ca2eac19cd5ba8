"""Which file operations a place has."""

from __future__ import annotations

from collections.abc import Callable

from agnews.components.storage.files import Files
from agnews.schemas.errors import AgnewsError
from agnews.schemas.hide_credentials import hide_credentials


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

    Raises:
        AgnewsError: The address holds a user name or a password: addresses are written into reports and logs.
    """
    scheme, separator, place = uri.partition("://")
    if "@" in place and hide_credentials(uri) != uri:
        raise AgnewsError(
            "The address of a store holds credentials.",
            found=uri,
            fix="Leave them out: stores take them from the environment, as all tools of AWS and Google do.",
        )
    return _BY_SCHEME.get(scheme if separator else "", _tensorflow)()
