"""Rows of Examples as Python's bytes, lot by lot, for steps that hand them to something that is not TensorFlow."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import tensorflow as tf

from agnews.components.example_files.read_records import open_records

_CHUNK = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS
# A record stands between its length with a checksum and a checksum of its own.
_HEAD, _TAIL = 12, 4
_length = struct.Struct("<Q").unpack_from


def read_lots(file: str, rows: int) -> Iterator[list[bytes]]:
    """Reads a TFRecord file.

    A dataset of TensorFlow costs as much to make as reading thousands of rows does, and hands over tensors.

    Args:
        file: Path or URI; decompressed if it ends in `.gz`.
        rows: Rows of a lot.

    Yields:
        Serialised Examples in their order, `rows` at a time, fewer in the last lot.

    Raises:
        tf.errors.DataLossError: The file is damaged or cut short.
    """
    if not file.endswith(".gz"):
        for batch in open_records(file).batch(rows):
            yield batch.numpy().tolist()
        return
    lot: list[bytes] = []
    rest = b""
    for more in _decompressed(file):
        data = rest + more
        at, last = 0, len(data) - _HEAD
        while at <= last:
            begin = at + _HEAD
            end = begin + _length(data, at)[0]
            if end + _TAIL > len(data):
                break
            lot.append(data[begin:end])
            at = end + _TAIL
            if len(lot) == rows:
                yield lot
                lot = []
        rest = data[at:]
    if rest:
        raise tf.errors.DataLossError(None, None, f"{file} ends within a record")
    if lot:
        yield lot


def _decompressed(file: str) -> Iterator[bytes]:
    """The checksum of all, at the end of the file, stands for those of the records."""
    inflate = zlib.decompressobj(_GZIP)
    with tf.io.gfile.GFile(file, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            try:
                yield inflate.decompress(chunk)
            except zlib.error as error:
                raise tf.errors.DataLossError(None, None, f"{file} is damaged: {error}") from error
            if inflate.unused_data:
                raise tf.errors.DataLossError(None, None, f"{file} goes on behind its end")
        if not inflate.eof and stream.tell():
            raise tf.errors.DataLossError(None, None, f"{file} is cut short")
