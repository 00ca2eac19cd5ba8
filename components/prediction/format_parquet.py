"""Answers as Parquet."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from typing_extensions import override

from agnews.components.prediction.likeliest import likeliest
from agnews.components.prediction.predict_blocks import PredictedBlock
from agnews.components.prediction.write_predictions import PredictionFormatter, PredictionStyle
from agnews.schemas import prediction_columns as columns


class ParquetFormatter(PredictionFormatter):
    """Parquet: a row group a block, the probabilities a struct with a field a class.

    With `top`, the probabilities are a list of the likeliest classes, each with its name.
    """

    def __init__(self, style: PredictionStyle) -> None:
        super().__init__(style)
        probabilities = _ranked() if style.top else _by_class(style.classes)
        fields = [
            pa.field(columns.ID, pa.string(), nullable=False),
            pa.field(columns.LABEL, pa.string(), nullable=False),
            pa.field(columns.PROBABILITIES, probabilities, nullable=False),
            pa.field(columns.MODEL_VERSION, pa.string(), nullable=False),
        ]
        if style.abstains_below:
            fields.insert(3, pa.field(columns.ABSTAINED, pa.bool_(), nullable=False))
        if style.several is not None:
            fields.insert(3, pa.field(columns.LABELS, pa.list_(pa.string()), nullable=False))
        if style.with_text:
            fields.append(pa.field(columns.TEXT, pa.string(), nullable=False))
        self._schema = pa.schema(fields)
        self._names = np.array(style.classes, object)
        self._pending = _Pending()
        self._writer = pq.ParquetWriter(self._pending, self._schema, compression="zstd")

    @override
    def block(self, answered: PredictedBlock) -> bytes:
        if not answered.rows:
            return self._pending.taken()
        arrays = [
            pa.array([row.id.encode("utf-8", "backslashreplace").decode() for row in answered.rows], pa.string()),
            pa.array(self._names[answered.class_ids], pa.string()),
            self._probabilities(answered),
            pa.repeat(self._style.version, len(answered.rows)),
        ]
        if self._style.abstains_below:
            arrays.insert(3, pa.array(self._abstained(answered), pa.bool_()))
        if self._style.several is not None:
            arrays.insert(3, pa.array(self._labels(answered), pa.list_(pa.string())))
        if self._style.with_text:
            arrays.append(pa.array([row.text.decode() for row in answered.rows], pa.string()))
        self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        return self._pending.taken()

    def _probabilities(self, answered: PredictedBlock) -> pa.Array:
        if not self._style.top:
            return pa.StructArray.from_arrays(
                [pa.array(answered.probabilities[:, i]) for i in range(len(self._names))],
                fields=list(self._schema.field(columns.PROBABILITIES).type),
            )
        order = likeliest(answered.probabilities, self._style.top)
        shares = np.take_along_axis(answered.probabilities, order, axis=1)
        of_class = pa.StructArray.from_arrays(
            [pa.array(self._names[order.ravel()], pa.string()), pa.array(shares.ravel())], fields=list(_RANKED)
        )
        ends = np.arange(0, order.size + 1, order.shape[1], dtype=np.int32)
        return pa.ListArray.from_arrays(pa.array(ends), of_class, type=_ranked())

    @override
    def end(self) -> bytes:
        self._writer.close()
        return self._pending.taken()


_RANKED = pa.struct(
    [
        pa.field(columns.LABEL, pa.string(), nullable=False),
        pa.field(columns.PROBABILITY, pa.float32(), nullable=False),
    ]
)


def _ranked() -> pa.DataType:
    return pa.list_(pa.field("item", _RANKED, nullable=False))


def _by_class(classes: Sequence[str]) -> pa.DataType:
    return pa.struct([pa.field(name, pa.float32(), nullable=False) for name in classes])


class _Pending(io.RawIOBase):
    """What the writer has written and nobody has taken yet; the writer believes that it appends to one file."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._position = 0

    @override
    def writable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._position

    @override
    def write(self, data: object) -> int:
        chunk = bytes(memoryview(data))  # type: ignore[arg-type]
        self._chunks.append(chunk)
        self._position += len(chunk)
        return len(chunk)

    def taken(self) -> bytes:
        """Takes what is there."""
        taken = b"".join(self._chunks)
        self._chunks.clear()
        return taken
