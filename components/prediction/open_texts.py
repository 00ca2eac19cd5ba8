"""Opens a file of texts, compressed or not."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Any

from typing_extensions import override

from agnews.components.corpus_files.open_binary import open_binary
from agnews.components.corpus_files.require_text import require_text
from agnews.components.prediction.text_format import TextFormat, is_gzipped
from agnews.components.prediction.text_input import TextInput
from agnews.schemas.errors import AgnewsError

_LOOKED_AT = 1 << 16
_CHUNK = 1 << 18


def open_texts(source: TextInput) -> io.BufferedReader:
    """Opens a file of texts and makes sure that it is of the kind that it should be.

    Args:
        source: The file.

    Returns:
        Its bytes from the beginning, decompressed if its name ends in `.gz`.

    Raises:
        AgnewsError: There is no such file, it cannot be opened, or it is plainly something else. While a compressed
            file is read, the same where it is damaged or cut off.
    """
    stream = open_binary(source.path)
    if source.format is TextFormat.PARQUET:
        return stream
    if is_gzipped(source.path):
        stream = io.BufferedReader(_Gunzipped(stream, source.path), _CHUNK)
    head = stream.peek(_LOOKED_AT)[:_LOOKED_AT]
    if head.strip():  # An empty file is one without rows.
        require_text(source.path, head, "lines of text" if source.format is TextFormat.TEXT else source.format.upper())
    return stream


class _Gunzipped(io.RawIOBase):
    """Decompresses, and says what is wrong with a damaged file in words that help."""

    def __init__(self, stream: io.BufferedReader, path: str) -> None:
        self._stream = stream
        self._file = gzip.GzipFile(fileobj=stream)
        self._path = path

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read1(len(buffer))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise AgnewsError(
                "The compressed file is cut off or damaged.",
                found=f"{self._path}: {error}",
                fix="Copy or download it again; `gzip -t FILE` checks it.",
            ) from error
        buffer[: len(data)] = data
        return len(data)

    @override
    def close(self) -> None:
        if not self.closed:
            self._file.close()
            self._stream.close()
        super().close()
