"""Makes rows of what was asked and answered."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from agnews.components.drift.measure_texts import Alphabet, measure_texts
from agnews.components.request_log.columns import SCHEMA
from agnews.components.request_log.redaction import Redaction
from agnews.components.request_log.text_hash import text_hash
from agnews.schemas.kept_text import KeptText


class AnsweredRequest(NamedTuple):
    """What was asked at once, and the answers.

    Attributes:
        request_id: Its id.
        version: That answered.
        texts: UTF-8, as far as whoever sent them kept to it.
        labels: One a text, bytes.
        probabilities: A row a text.
        at: When, in seconds since 1970.
        seconds: That it took.
        size: Bytes that it takes while it waits.
        is_shadow: Whether nobody got these answers.
    """

    request_id: str
    version: str
    texts: Sequence[bytes]
    labels: NDArray[Any]
    probabilities: NDArray[np.float32]
    at: float
    seconds: float
    size: int = 0
    is_shadow: bool = False


def tabulate_requests(
    requests: Sequence[AnsweredRequest], kept: KeptText, redaction: Redaction, alphabet: Alphabet, measured_rows: int
) -> pa.RecordBatch:
    """Puts requests into columns. What is measured is measured before anything is taken out of the texts.

    Args:
        requests: At least one.
        kept: Of their texts.
        redaction: Applied to texts that are kept.
        alphabet: Of the vocabulary of the version that is served.
        measured_rows: How many texts are measured.

    Returns:
        A row a text, of `SCHEMA`.
    """
    ids, versions, values, labels, probabilities, times, seconds, _, are_shadows = zip(*requests, strict=True)
    texts = list(chain.from_iterable(values))
    # Spread over all of them: neighbours are often of one request.
    chosen = np.linspace(0, len(texts), measured_rows, endpoint=False).astype(np.int64)
    measured = measure_texts([texts[place] for place in chosen], alphabet)
    is_missing = np.ones(len(texts), bool)
    is_missing[chosen] = False
    gram_counts = _spread(np.diff(measured.gram_ends, prepend=0), chosen, len(texts))

    def measures(values: NDArray[Any]) -> pa.Array:
        return pa.array(_spread(values, chosen, len(texts)), mask=is_missing)

    counts = np.fromiter(map(len, values), np.int64, len(values))
    # Of each text: its request, and its number there.
    parents = np.repeat(np.arange(len(values)), counts)
    numbers = np.arange(len(texts)) - np.repeat(np.cumsum(counts) - counts, counts)
    # Another version may have taken over meanwhile, with other classes.
    widths = np.repeat(np.fromiter((each.shape[1] for each in probabilities), np.int64, len(values)), counts)
    ends = np.concatenate([[0], np.cumsum(widths)]).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(gram_counts)]).astype(np.int32)
    nothing = pa.nulls(len(texts), pa.string())
    decoded = _decode(texts) if kept is not KeptText.NONE else nothing
    return pa.record_batch(
        [
            pa.array((1000 * np.array(times)).astype(np.int64)[parents]).cast(SCHEMA.field(0).type),
            pc.binary_join_element_wise(pa.array(ids).take(parents), pa.array(numbers).cast(pa.string()), "/"),
            pa.array(versions).take(parents),
            redaction.apply(decoded) if kept is KeptText.ALL else nothing,
            pa.array(map(text_hash, decoded.to_pylist())) if kept is KeptText.HASHED else nothing,
            pa.array(np.fromiter(map(len, texts), np.int32, len(texts))),
            measures(measured.words),
            measures(measured.has_markup),
            measures(measured.unknown_words),
            pa.ListArray.from_arrays(pa.array(starts), pa.array(measured.grams), mask=pa.array(is_missing)),
            _decode(np.concatenate(labels).tolist()),
            pa.ListArray.from_arrays(ends, np.concatenate(probabilities, axis=None).astype(np.float32, copy=False)),
            pa.array(np.array(seconds, np.float32)[parents]),
            pa.array(np.array(are_shadows, bool)[parents]),
        ],
        schema=SCHEMA,
    )


def _decode(strings: list[bytes]) -> pa.Array:
    """Makes a column of text, all at once unless one of them is not UTF-8."""
    try:
        return pa.array(strings, pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([each.decode(errors="replace") for each in strings], pa.string())


def _spread(values: NDArray[Any], places: NDArray[np.int64], rows: int) -> NDArray[Any]:
    """Puts values at their places among rows, and zeros elsewhere."""
    found = np.zeros(rows, values.dtype)
    found[places] = values
    return found
