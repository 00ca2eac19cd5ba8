"""Makes a table of what was asked and answered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from agnews.components.drift.measure_texts import Alphabet, measure_texts
from agnews.components.request_log.columns import SCHEMA
from agnews.components.request_log.redaction import Redaction
from agnews.components.request_log.text_hash import text_hash
from agnews.components.request_log.waiting_rows import LENGTHS, REQUEST, WaitingRows
from agnews.schemas.kept_text import KeptText


def tabulate_requests(
    waiting: WaitingRows, kept: KeptText, redaction: Redaction, alphabet: Alphabet, measured_rows: int
) -> pa.RecordBatch:
    """Puts requests into columns. What is measured is measured before anything is taken out of the texts.

    Args:
        waiting: At least one.
        kept: Of their texts.
        redaction: Applied to texts that are kept.
        alphabet: Of the vocabulary of the version that is served.
        measured_rows: How many texts are measured.

    Returns:
        A row a text, of `SCHEMA`.
    """
    requests = np.frombuffer(waiting.requests, REQUEST)
    lengths = np.frombuffer(waiting.lengths, LENGTHS)
    texts = _join(waiting.texts, lengths["text"])
    # Spread over all of them: neighbours are often of one request.
    chosen = np.linspace(0, len(texts), measured_rows, endpoint=False).astype(np.int64)
    measured = measure_texts(texts.take(chosen).to_pylist(), alphabet)
    is_missing = np.ones(len(texts), bool)
    is_missing[chosen] = False
    gram_counts = _spread(np.diff(measured.gram_ends, prepend=0), chosen, len(texts))

    def measures(values: NDArray[Any]) -> pa.Array:
        return pa.array(_spread(values, chosen, len(texts)), mask=is_missing)

    # Of each text: its request, and its number there.
    parents = np.repeat(np.arange(len(requests)), requests["rows"])
    numbers = np.arange(len(texts)) - (np.cumsum(requests["rows"]) - requests["rows"])[parents]
    each = requests[parents]
    # Another version may have taken over meanwhile, with other classes.
    ends = _ends(each["classes"])
    nothing = pa.nulls(len(texts), pa.string())
    decoded = _decode(texts) if kept is not KeptText.NONE else nothing
    return pa.record_batch(
        [
            pa.array((1000 * each["at"]).astype(np.int64)).cast(SCHEMA.field(0).type),
            pc.binary_join_element_wise(pa.array(waiting.ids).take(parents), pa.array(numbers).cast(pa.string()), "/"),
            pa.array(waiting.versions).take(parents),
            redaction.apply(decoded) if kept is KeptText.ALL else nothing,
            pa.array(map(text_hash, decoded.to_pylist())) if kept is KeptText.HASHED else nothing,
            pa.array(lengths["text"].copy()),
            measures(measured.words),
            measures(measured.has_markup),
            measures(measured.unknown_words),
            pa.ListArray.from_arrays(pa.array(_ends(gram_counts)), pa.array(measured.grams), mask=pa.array(is_missing)),
            _decode(_join(waiting.labels, lengths["label"])),
            pa.ListArray.from_arrays(ends, np.frombuffer(waiting.probabilities, np.float32)),
            pa.array(each["seconds"].copy()),
            pa.array(each["is_shadow"].copy()),
        ],
        schema=SCHEMA,
    )


def _ends(lengths: NDArray[Any]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)


def _join(content: bytearray, lengths: NDArray[np.int32]) -> pa.Array:
    """Makes a column of bytes that lie one after the other."""
    buffers = [None, pa.py_buffer(_ends(lengths)), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.binary(), len(lengths), buffers)


def _decode(strings: pa.Array) -> pa.Array:
    """Makes a column of text, all at once unless one of them is not UTF-8."""
    try:
        return strings.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([each.decode(errors="replace") for each in strings.to_pylist()], pa.string())


def _spread(values: NDArray[Any], places: NDArray[np.int64], rows: int) -> NDArray[Any]:
    """Puts values at their places among rows, and zeros elsewhere."""
    found = np.zeros(rows, values.dtype)
    found[places] = values
    return found
