"""A request that is not answered as its sender hoped."""

from __future__ import annotations

from collections.abc import Mapping


class HttpError(Exception):
    """Ends a request with a status code and `{"error": message}`, which is TensorFlow Serving's form.

    Args:
        status: HTTP status code.
        message: For the client.
        headers: More headers of the answer.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})
