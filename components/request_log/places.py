"""Where a request log keeps what."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from agnews.components.storage.read_secret import require_no_credentials

_VARIABLE = "AGNEWS_SPOOL"
_DEFAULT = "~/.local/state/agnews/spool"


@dataclass(frozen=True)
class Places:
    """The parts of a log.

    ```
    LOG/requests/date=2026-11-29/hour=14/INSTANCE-PART.parquet   whole files, an hour each or less
    LOG/gaps/INSTANCE.json                                       rows that went with a process that was killed
    LOG/feedback/...                                             labels
    LOG/test-pool/...                                            labelled texts of the random share
    LOG/training-rows/RUN.jsonl                                  training rows to look at: their labels are in doubt
    LOG/erased/...                                               what is to be left out of all that is still to come
    LOG/spool/                                                   the hour that is not over; on this machine
    ```

    Args:
        uri: LOG, a folder or the URI of one.
    """

    uri: str

    @property
    def is_remote(self) -> bool:
        """Whether it is no local folder."""
        return "://" in self.uri

    @property
    def requests(self) -> str:
        """Folder of the files."""
        return f"{self.uri}/requests"

    @property
    def gaps(self) -> str:
        """Folder of what was lost."""
        return f"{self.uri}/gaps"

    @property
    def feedback(self) -> str:
        """Folder of the labels."""
        return f"{self.uri}/feedback"

    @property
    def test_pool(self) -> str:
        """Folder of labelled texts of the random share, which are measured with and never learnt from."""
        return f"{self.uri}/test-pool"

    @property
    def training_rows(self) -> str:
        """Folder of training rows that people are asked about."""
        return f"{self.uri}/training-rows"

    @property
    def erased(self) -> str:
        """Folder of what was erased."""
        return f"{self.uri}/erased"

    @property
    def spool(self) -> Path:
        """Folder on this machine, beside the log or, for a log elsewhere, where AGNEWS_SPOOL says."""
        if not self.is_remote:
            return Path(self.uri) / "spool"
        base = Path(os.environ.get(_VARIABLE) or _DEFAULT).expanduser()
        return base / hashlib.sha256(self.uri.encode()).hexdigest()[:16]

    def hour_folder(self, hour: datetime) -> str:
        """Folder of an hour's files."""
        return f"{self.requests}/date={hour:%Y-%m-%d}/hour={hour:%H}"


def places_at(uri: str) -> Places:
    """Returns the parts of a log.

    Args:
        uri: Folder or URI.

    Raises:
        AgnewsError: The address holds credentials, and everybody is told where the log is.
    """
    require_no_credentials(uri, "the log of requests")
    return Places(uri.rstrip("/") if "://" in uri else str(Path(uri).expanduser().absolute()))
