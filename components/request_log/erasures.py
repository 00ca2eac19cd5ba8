"""What is to be left out of the log, also of rows that are not written yet."""

from __future__ import annotations

import secrets
from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import orjson
import pyarrow as pa

from agnews.components.request_log import columns
from agnews.components.request_log.places import Places
from agnews.components.request_log.text_hash import text_hash
from agnews.components.storage.files_at import files_at


@dataclass(frozen=True)
class Erasures:
    """Texts and requests that must not be kept.

    Attributes:
        hashes: Digests of texts, by `text_hash`.
        requests: Ids of requests, without the number of a text.
    """

    hashes: Set[str] = frozenset()
    requests: Set[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.hashes or self.requests)

    def covers(self, row_id: str, text: str | None, digest: str | None = None) -> bool:
        """Whether a row has to go.

        Args:
            row_id: A request's id, with or without the number of a text.
            text: What was asked; None where it was not kept.
            digest: Its digest, where that was kept.
        """
        if row_id in self.requests or row_id.rpartition("/")[0] in self.requests or digest in self.hashes:
            return True
        return bool(self.hashes) and text is not None and text_hash(text) in self.hashes

    def apply(self, rows: pa.Table) -> pa.Table:
        """Returns the rows that may stay.

        Args:
            rows: Of `columns.SCHEMA`.
        """
        if not self or not rows.num_rows:
            return rows
        asked = (rows.column(name).to_pylist() for name in (columns.ID, columns.TEXT, columns.TEXT_HASH))
        return rows.filter(pa.array(np.array([not self.covers(*row) for row in zip(*asked, strict=True)])))


def read_erasures(places: Places) -> Erasures:
    """Reads what was ever erased.

    Args:
        places: Of the log.
    """
    files = files_at(places.uri)
    hashes: set[str] = set()
    requests: set[str] = set()
    for name in files.names(places.erased):
        if name.endswith(".json"):
            found = orjson.loads(files.read_bytes(f"{places.erased}/{name}"))
            hashes.update(found["hashes"])
            requests.update(found["requests"])
    return Erasures(hashes, requests)


def note_erasures(places: Places, erasures: Erasures) -> None:
    """Keeps digests and ids of what was erased, so that rows which a server still holds are left out.

    Args:
        places: Of the log.
        erasures: What to leave out from now on.
    """
    path = f"{places.erased}/{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}.json"
    content = orjson.dumps({"hashes": sorted(erasures.hashes), "requests": sorted(erasures.requests)})
    files_at(path).write_private(path, [content])
