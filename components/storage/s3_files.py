"""File operations on an object store that speaks S3: AWS, MinIO, SeaweedFS, Ceph."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from pyarrow.fs import FileSelector, FileType, S3FileSystem
from typing_extensions import override

from agnews.components.storage.files import Files
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


_CHUNK = 1 << 22


class S3Files(Files):
    """See `Files` for what each operation promises.

    An object appears whole when its upload ends, so that replacing one is a single step. There are no folders, so
    `rename` would copy object by object: it is refused.
    """

    renames_atomically = False

    def __init__(self) -> None:
        self._s3 = connect_s3()

    @override
    def exists(self, path: str) -> bool:
        return bool(self._s3.get_file_info(s3_path(path)).type != FileType.NotFound)

    @override
    def names(self, folder: str) -> list[str]:
        found = self._s3.get_file_info(FileSelector(s3_path(folder), allow_not_found=True))
        return sorted(info.base_name for info in found)

    @override
    def files_below(self, folder: str) -> list[str]:
        root = s3_path(folder)
        found = self._s3.get_file_info(FileSelector(root, allow_not_found=True, recursive=True))
        return sorted(info.path[len(root) + 1 :] for info in found if info.type == FileType.File)

    @override
    def size(self, path: str) -> int:
        return int(self._s3.get_file_info(s3_path(path)).size)

    @override
    def read(self, path: str) -> Iterator[bytes]:
        with self._s3.open_input_stream(s3_path(path)) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk

    @override
    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        # Arrow ends the upload of a stream that is dropped, so half of it would appear as all of it. What is sent in
        # one call appears whole or not at all.
        with tempfile.TemporaryFile() as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.tell() else b""
            with self._s3.open_output_stream(s3_path(path)) as stream:
                stream.write(content)

    @override
    def replace(self, path: str, content: bytes) -> None:
        self.write(path, [content])

    @override
    def rename(self, source: str, target: str) -> None:
        raise NotImplementedError(f"An object store cannot rename a folder: {source} to {target}.")

    @override
    def remove_file(self, path: str) -> None:
        if self.exists(path):
            self._s3.delete_file(s3_path(path))

    @override
    def remove(self, folder: str) -> None:
        if self.exists(folder):
            self._s3.delete_dir(s3_path(folder))
