"""File operations on Google Cloud Storage: TensorFlow's, and conditional writes through Google's client."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

from typing_extensions import override

from agnews.components.storage.files import ChangedError, Tagged
from agnews.components.storage.remote_files import RemoteFiles


class GoogleFiles(RemoteFiles):
    """See `Files` for what each operation promises. An etag is the generation of an object."""

    @override
    def read_tagged(self, path: str) -> Tagged:
        with _os_errors(path):
            blob = _blob(path)
            blob.reload()
            generation = blob.generation
            return Tagged(blob.download_as_bytes(if_generation_match=generation), str(generation))

    @override
    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        # An object appears whole when it is closed.
        self._put(path, chunks)

    @override
    def create(self, path: str, content: bytes) -> str:
        try:
            return _upload(path, content, 0)
        except ChangedError as error:
            raise FileExistsError(errno.EEXIST, "It exists", path) from error

    @override
    def replace(self, path: str, content: bytes, expected_etag: str | None = None) -> str:
        return _upload(path, content, None if expected_etag is None else int(expected_etag))

    @override
    def decides_races(self, folder: str) -> bool:
        return True

    @override
    def lock(self, folder: str, seconds: float) -> AbstractContextManager[None]:
        return nullcontext()


def _upload(path: str, content: bytes, generation: int | None) -> str:
    with _os_errors(path):
        blob = _blob(path)
        blob.upload_from_string(content, if_generation_match=generation)
        return str(blob.generation)


@cache
def _client(process: int) -> Any:
    from google.cloud import storage

    if os.environ.get("STORAGE_EMULATOR_HOST"):
        return storage.Client.create_anonymous_client()
    # A project is asked for although only the operations on buckets need one.
    return storage.Client(project=os.environ.get("GOOGLE_CLOUD_PROJECT", "-"))


def _blob(path: str) -> Any:
    bucket, _, key = path.partition("://")[2].partition("/")
    return _client(os.getpid()).bucket(bucket).blob(key)


@contextmanager
def _os_errors(path: str) -> Iterator[None]:
    from google.api_core import exceptions
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except exceptions.NotFound as error:
        raise FileNotFoundError(errno.ENOENT, error.message, path) from error
    except exceptions.PreconditionFailed as error:
        raise ChangedError(errno.ESTALE, "It was replaced meanwhile", path) from error
    except (exceptions.Forbidden, exceptions.Unauthorized) as error:
        raise PermissionError(errno.EACCES, error.message, path) from error
    except (exceptions.GoogleAPIError, GoogleAuthError) as error:
        raise OSError(errno.EIO, str(error), path) from error
