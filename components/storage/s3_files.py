"""File operations on an object store that speaks S3: AWS, MinIO, SeaweedFS, Ceph."""

from __future__ import annotations

import errno
import io
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from typing_extensions import override

from agnews.components.storage.claim_lock import claim_lock
from agnews.components.storage.files import ChangedError, Files, FileState, Tagged
from agnews.components.storage.safe_relative import safe_relative
from agnews.schemas.errors import AgnewsError

_CHUNK = 1 << 20
_IN_MEMORY = 8 << 20
_TRIES = 3


def connect_s3(environment: Mapping[str, str] = os.environ) -> Any:
    """Opens the store that the environment names, in the variables that all tools of AWS read.

    Args:
        environment: AWS_ENDPOINT_URL_S3 (or AWS_ENDPOINT_URL) names a store other than AWS's, AWS_REGION (or
            AWS_DEFAULT_REGION) a region other than us-east-1. Credentials come from AWS_ACCESS_KEY_ID and
            AWS_SECRET_ACCESS_KEY, a web identity, a profile or the instance, in the order of AWS's own chain.

    Returns:
        boto3's client. Nothing was asked of the store yet.

    Raises:
        AgnewsError: The endpoint is no address.
    """
    endpoint = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL") or ""
    if endpoint:
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in endpoint:
            raise AgnewsError(
                "The endpoint of the object store is no address.",
                found=f"AWS_ENDPOINT_URL={endpoint.rpartition('@')[2]}"
                + (", with a name or a password before it" if "@" in endpoint else ""),
                fix="Write it with http:// or https:// and nothing but the host, such as "
                "http://minio-service.kubeflow:9000; credentials have variables of their own.",
            )
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
    # A client takes 0.2 s to make. It does not survive a fork, nor a change of credentials.
    identity = tuple(sorted(item for item in environment.items() if item[0].startswith("AWS_")))
    return _client(endpoint, region, (os.getpid(), identity))


@lru_cache(maxsize=4)
def _client(endpoint: str, region: str, _identity: object) -> Any:
    import boto3
    from botocore.config import Config

    options: dict[str, Any] = {"connect_timeout": 10, "read_timeout": 60, "retries": {"mode": "standard"}}
    if endpoint:
        # Other stores need not have a host name for each bucket, nor know the newer checksums.
        options |= {
            "s3": {"addressing_style": "path"},
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
    session = boto3.session.Session()
    return session.client("s3", region_name=region, endpoint_url=endpoint or None, config=Config(**options))


class S3Files(Files):
    """See `Files` for what each operation promises.

    An object appears whole when its upload ends, so that replacing one is a single step. There are no folders, so
    `rename` would copy object by object: it is refused.
    """

    renames_atomically = False
    tensorflow_opens = False

    def __init__(self) -> None:
        self._s3 = connect_s3()

    @override
    def exists(self, path: str) -> bool:
        bucket, key = _place(path)
        if key:
            try:
                self._head(path)
            except FileNotFoundError:
                pass
            else:
                return True
        with _os_errors(path):
            found = self._s3.list_objects_v2(Bucket=bucket, Prefix=_prefix(key), MaxKeys=1)
        return bool(found.get("KeyCount"))

    @override
    def names(self, folder: str) -> list[str]:
        prefix = _prefix(_place(folder)[1])
        found = set()
        for page in self._pages(folder, Delimiter="/"):
            found |= {entry["Prefix"][len(prefix) :].rstrip("/") for entry in page.get("CommonPrefixes", ())}
            found |= {entry["Key"][len(prefix) :] for entry in page.get("Contents", ())}
        return sorted(found - {""})

    @override
    def files_below(self, folder: str) -> list[str]:
        prefix = _prefix(_place(folder)[1])
        keys = (entry["Key"][len(prefix) :] for page in self._pages(folder) for entry in page.get("Contents", ()))
        # Some tools mark a folder by an empty object whose key ends in a slash.
        return sorted(safe_relative(key, within=folder) for key in keys if key and not key.endswith("/"))

    def _pages(self, folder: str, **options: str) -> Iterator[Mapping[str, Any]]:
        bucket, key = _place(folder)
        with _os_errors(folder):
            yield from self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=_prefix(key), **options)

    @override
    def state(self, path: str) -> FileState:
        head = self._head(path)
        return FileState(int(head["ContentLength"]), int(head["LastModified"].timestamp() * 1e9))

    def _head(self, path: str) -> Mapping[str, Any]:
        bucket, key = _place(path)
        with _os_errors(path):
            head: Mapping[str, Any] = self._s3.head_object(Bucket=bucket, Key=key)
            return head

    @override
    def open(self, path: str) -> io.BufferedReader:
        return io.BufferedReader(_RawObject(self._s3, path, self.size(path)), _CHUNK)

    @override
    def read(self, path: str) -> Iterator[bytes]:
        with self.open(path) as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk

    @override
    def read_tagged(self, path: str) -> Tagged:
        bucket, key = _place(path)
        with _os_errors(path):
            found = self._s3.get_object(Bucket=bucket, Key=key)
            return Tagged(found["Body"].read(), found["ETag"])

    @override
    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        bucket, key = _place(path)
        # The upload begins when all is there, so that one whose source fails does not appear cut.
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            for chunk in chunks:
                file.write(chunk)
            file.seek(0)
            with _os_errors(path):
                self._s3.upload_fileobj(file, bucket, key)

    @override
    def create(self, path: str, content: bytes) -> str:
        try:
            return self._put(path, content, IfNoneMatch="*")
        except ChangedError as error:
            raise FileExistsError(errno.EEXIST, "It exists", path) from error

    @override
    def replace(self, path: str, content: bytes, expected_etag: str | None = None) -> str:
        return self._put(path, content, **({} if expected_etag is None else {"IfMatch": expected_etag}))

    def _put(self, path: str, content: bytes, **condition: str) -> str:
        from botocore.exceptions import ClientError

        bucket, key = _place(path)
        with _os_errors(path):
            try:
                return str(self._s3.put_object(Bucket=bucket, Key=key, Body=content, **condition)["ETag"])
            except ClientError as error:
                # The answer to the first try may have been lost on its way: then the second one meets its own work.
                if _status(error) == 412 and error.response["ResponseMetadata"].get("RetryAttempts"):
                    found = self._s3.get_object(Bucket=bucket, Key=key)
                    if found["Body"].read() == content:
                        return str(found["ETag"])
                raise

    @override
    def decides_races(self, folder: str) -> bool:
        return _knows_conditions(self, "/".join(folder.split("/")[:3]), self._s3.meta.endpoint_url)

    @override
    def lock(self, folder: str, seconds: float) -> AbstractContextManager[None]:
        return nullcontext() if self.decides_races(folder) else claim_lock(self, folder, seconds)

    @override
    def rename(self, source: str, target: str) -> None:
        raise NotImplementedError(f"An object store cannot rename a folder: {source} to {target}.")

    @override
    def remove_file(self, path: str) -> None:
        bucket, key = _place(path)
        with _os_errors(path):
            self._s3.delete_object(Bucket=bucket, Key=key)

    @override
    def remove(self, folder: str) -> None:
        bucket, _ = _place(folder)
        for page in self._pages(folder):
            for entry in page.get("Contents", ()):
                with _os_errors(folder):
                    self._s3.delete_object(Bucket=bucket, Key=entry["Key"])


_CONDITIONS: dict[tuple[str, str], bool] = {}


def _knows_conditions(files: S3Files, bucket: str, endpoint: str) -> bool:
    """Asks the store, once: one that does not know `If-None-Match` writes the same object twice, or refuses."""
    if (endpoint, bucket) not in _CONDITIONS:
        probe = f"{bucket}/.agnews-probe-{secrets.token_hex(8)}"
        try:
            files.create(probe, b"1")
            files.create(probe, b"2")
            known = False
        except FileExistsError:
            known = True
        except OSError as error:
            if error.errno != errno.ENOTSUP:
                raise
            known = False
        finally:
            files.remove_file(probe)
        _CONDITIONS[endpoint, bucket] = known
    return _CONDITIONS[endpoint, bucket]


def _place(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.partition("://")[2].rstrip("/").partition("/")
    return bucket, key


def _prefix(key: str) -> str:
    return f"{key}/" if key else ""


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextmanager
def _os_errors(path: str) -> Iterator[None]:
    """Turns errors of the client into the kind that `Files` promises."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except ClientError as error:
        status, words = _status(error), f"{error.response['Error'].get('Message') or error}"
        if status == 404:
            raise FileNotFoundError(errno.ENOENT, words, path) from error
        if status in (409, 412):
            raise ChangedError(errno.ESTALE, words, path) from error
        if status in (401, 403):
            raise PermissionError(errno.EACCES, words, path) from error
        raise OSError(errno.ENOTSUP if status == 501 else errno.EIO, words, path) from error
    except NoCredentialsError as error:
        raise PermissionError(errno.EACCES, "No credentials for the object store were found", path) from error
    except (BotoCoreError, Boto3Error) as error:
        raise OSError(errno.EIO, str(error), path) from error


class _RawObject(io.RawIOBase):
    """Lets Python's buffering and seeking work on an object: one request for each place that is read from."""

    def __init__(self, client: Any, path: str, size: int) -> None:
        self._client, self._path, self._size = client, path, size
        self._position = 0
        self._body: Any = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset != self._position:
            self._forget()
            self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self._position >= self._size:
            return 0
        for tries_left in reversed(range(_TRIES)):
            try:
                with _os_errors(self._path):
                    data: bytes = self._connected().read(len(buffer))
                if not data:
                    raise OSError(errno.EIO, f"It ends after {self._position} of {self._size} bytes", self._path)
                break
            except OSError as error:
                self._forget()
                # A connection that broke in the middle is none that the client tries again.
                if not tries_left or error.errno != errno.EIO:
                    raise
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _connected(self) -> Any:
        if self._body is None:
            bucket, key = _place(self._path)
            found = self._client.get_object(Bucket=bucket, Key=key, Range=f"bytes={self._position}-")
            self._body = found["Body"]
        return self._body

    def _forget(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def close(self) -> None:
        self._forget()
        super().close()
