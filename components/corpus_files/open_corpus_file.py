"""The bytes of a corpus' file as UTF-8, whatever they are on disk."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from typing import Any

from typing_extensions import override

from agnews.components.storage.open_binary import open_binary
from agnews.schemas.corpus import Corpus
from agnews.schemas.errors import AgnewsError

_CHUNK = 1 << 18
_ENOUGH = 64
"""Bytes beyond ASCII. So many never follow the rules of UTF-8 by chance, in whatever encoding; a few may."""
_BEYOND_ASCII = bytes(range(128, 256))


def open_corpus_file(path: str, corpus: Corpus) -> io.BufferedReader:
    """Opens a file of a corpus.

    Args:
        path: A local path or a URI.
        corpus: How it is read.

    Returns:
        Its bytes, decompressed if its name ends in `.gz`; lines of text in UTF-8. Bytes that the encoding does not have
        come through as they are, so that the row that holds them is found.

    Raises:
        AgnewsError: It cannot be opened; while it is read, it is damaged, or not in the encoding at all; at its end, it
            was UTF-8 all along.
    """
    stream = open_binary(path)
    if path.lower().endswith(".gz"):
        stream = io.BufferedReader(Gunzipped(stream, path), _CHUNK)
    if corpus.form != "parquet" and corpus.read.encoding not in ("utf-8", "utf-8-sig"):
        stream = io.BufferedReader(_Transcoded(stream, path, corpus.read.encoding), _CHUNK)
    return stream


class Gunzipped(io.RawIOBase):
    """Decompresses, and says what is wrong with a damaged file in words that help.

    Args:
        stream: The compressed bytes.
        path: What the file is called in messages.
    """

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


class _Transcoded(io.RawIOBase):
    """Turns another encoding into UTF-8."""

    def __init__(self, stream: io.BufferedReader, path: str, encoding: str) -> None:
        self._stream = stream
        self._path = path
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
        self._waiting = b""
        self._lines = 1
        self._as_utf8: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
        self._beyond_ascii = 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        while not self._waiting:
            raw = self._stream.read1(_CHUNK)
            try:
                text = self._decoder.decode(raw, final=not raw)
            except UnicodeDecodeError as error:
                line = self._lines + error.object[: error.start].decode(self._encoding, "replace").count("\n")
                raise AgnewsError(
                    f"The file is not in the encoding {self._encoding}.",
                    found=f"{self._path}, about line {line}: {error.reason}",
                    fix="Say the right read.encoding in the description; `file FILE` guesses it.",
                ) from error
            self._require_not_utf8(raw)
            self._lines += text.count("\n")
            self._waiting = text.encode("utf-8", "surrogateescape")
            if not raw:
                break
        taken = self._waiting[: len(buffer)]
        self._waiting = self._waiting[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)

    def _require_not_utf8(self, raw: bytes) -> None:
        """Most encodings take any bytes: what is UTF-8 would be learnt from with two wrong letters for an umlaut."""
        if self._as_utf8 is None:
            return
        try:
            self._as_utf8.decode(raw, final=not raw)
        except UnicodeDecodeError:
            self._as_utf8 = None
            return
        self._beyond_ascii += len(raw) - len(raw.translate(None, _BEYOND_ASCII))
        if not raw and self._beyond_ascii >= _ENOUGH:
            raise AgnewsError(
                f"The file is in UTF-8, and the description says {self._encoding}.",
                found=f"{self._path}: {self._beyond_ascii:,} bytes beyond ASCII, all of them as in UTF-8",
                fix="Leave read.encoding out of the description, or say utf-8.",
            )

    @override
    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
