"""Where artifacts of a bucket lie while a step runs."""

from __future__ import annotations

_MIRRORS = {"gs://": "/gcs/", "minio://": "/minio/", "s3://": "/s3/"}


def mirror_path(uri: str) -> str:
    """Maps the URI of an artifact to the folder that Kubeflow's launcher mirrors it in.

    The launcher downloads inputs before the step, and uploads outputs after it. TensorFlow cannot open `s3://` and
    `minio://` itself; `gs://` it could, but would then write past the launcher, which uploads the empty mirror.

    Args:
        uri: URI of an artifact, or a path.

    Returns:
        A local path. URIs of other kinds come back as they are.

    References:
        `LocalPathForURI` in backend/src/v2/component/launcher_v2.go of github.com/kubeflow/pipelines.
    """
    for scheme, folder in _MIRRORS.items():
        if uri.startswith(scheme):
            return folder + uri.removeprefix(scheme)
    return uri.removeprefix("file://")
