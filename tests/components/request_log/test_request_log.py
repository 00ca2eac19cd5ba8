"""What is kept of requests: whole, bounded, redacted, and counted where it is lost."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from agnews.components.request_log import request_log as module
from agnews.components.request_log.erasures import Erasures, note_erasures
from agnews.components.request_log.places import Places, places_at
from agnews.components.request_log.read_requests import lost_rows, read_requests
from agnews.components.request_log.redaction import Redaction, read_redaction
from agnews.components.request_log.request_log import LogSettings, RequestLog
from agnews.components.request_log.text_hash import text_hash
from agnews.components.storage.local_files import LocalFiles
from agnews.schemas.errors import AgnewsError
from agnews.schemas.kept_text import KeptText

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
MAIL = r"[\w.+-]+@[\w-]+\.[\w.]+"


def answers(rows: int) -> dict[str, np.ndarray]:
    return {
        "label": np.array([b"Sports"] * rows, object),
        "probabilities": np.tile(np.array([0.1, 0.7, 0.1, 0.1], np.float32), (rows, 1)),
    }


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FLUSH_SECONDS", 0.05)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return places_at(str(tmp_path / "log"))


@pytest.fixture
def start(places: Places) -> Iterator[Callable[..., RequestLog]]:
    logs: list[RequestLog] = []

    def start(**settings: object) -> RequestLog:
        callbacks = {name: settings.pop(name) for name in ("tell", "count") if name in settings}
        log = RequestLog(LogSettings(**{"places": places, **settings}), **callbacks)
        log.start()
        logs.append(log)
        return log

    yield start
    for log in logs:
        log.close()


def offer(log: RequestLog, request_id: str, *texts: bytes) -> None:
    log.offer(request_id, "17", texts, answers(len(texts)), 0.02)


def test_rows_are_there_once_synced_and_become_one_whole_file(start: Callable[..., RequestLog], places: Places) -> None:
    log = start()
    offer(log, "a", b"Goal by two", "Café \u2014 <b>x</b>".encode())
    offer(log, "b", b"Third")
    assert log.flush()
    while_open = read_requests(places, LONG_AGO)
    assert while_open["id"].to_pylist() == ["a/0", "a/1", "b/0"]
    assert list(places.spool.glob("*.spool")), "the hour is not over"
    log.close()
    assert list(places.spool.iterdir()) == []
    (path,) = Path(places.requests).rglob("*.parquet")
    assert path.parent.name == f"hour={datetime.now(UTC):%H}"
    rows = pq.ParquetFile(path).read().to_pylist()
    assert rows == read_requests(places, LONG_AGO).to_pylist() == while_open.to_pylist()
    assert rows[1]["text"] == "Café \u2014 <b>x</b>"
    assert [row["has_markup"] for row in rows] == [False, True, False]
    assert [row["words"] for row in rows] == [3, 5, 1]
    assert rows[0]["label"] == "Sports"
    assert rows[0]["probabilities"] == pytest.approx([0.1, 0.7, 0.1, 0.1])
    assert rows[0]["seconds"] == pytest.approx(0.02)
    assert rows[0]["version"] == "17"
    assert abs(rows[0]["time"] - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("kept", list(KeptText))
def test_what_is_measured_is_the_same_whatever_is_kept(
    kept: KeptText, start: Callable[..., RequestLog], places: Places
) -> None:
    text = b"Write to ann@example.org <br> today"
    log = start(text=kept, redaction=Redaction([MAIL]))
    offer(log, "a", text)
    log.close()
    (row,) = read_requests(places, LONG_AGO).to_pylist()
    assert (row["length"], row["words"], row["has_markup"], len(row["grams"])) == (len(text), 7, True, 13)
    assert row["text"] == ("Write to [REDACTED] <br> today" if kept is KeptText.ALL else None)
    assert row["text_hash"] == (text_hash(text.decode()) if kept is KeptText.HASHED else None)
    stored = b"".join(path.read_bytes() for path in Path(places.uri).rglob("*") if path.is_file())
    assert b"ann@" not in stored


def test_one_text_that_is_not_utf8_is_kept_readable_and_spoils_no_other(
    start: Callable[..., RequestLog], places: Places
) -> None:
    log = start()
    offer(log, "a", b"caf\xe9", "Café".encode())
    offer(log, "b", b"\xed\xa0\x80")
    log.close()
    assert read_requests(places, LONG_AGO)["text"].to_pylist() == ["caf\ufffd", "Café", 3 * "\ufffd"]


def test_nothing_that_was_redacted_is_ever_in_the_spool(start: Callable[..., RequestLog], places: Places) -> None:
    log = start(redaction=Redaction([MAIL]))
    offer(log, "a", b"ann@example.org asks")
    assert log.flush()
    (spool,) = places.spool.glob("*.spool")
    assert b"[REDACTED] asks" in spool.read_bytes()
    assert b"example.org" not in spool.read_bytes()


def test_a_share_of_the_requests_is_chosen_by_their_ids(start: Callable[..., RequestLog], places: Places) -> None:
    log = start(sample=0.25)
    for number in range(2000):
        offer(log, f"request-{number}", b"x")
    log.close()
    first = set(read_requests(places, LONG_AGO)["id"].to_pylist())
    assert 400 < len(first) < 600
    again = start(sample=0.25)
    for number in range(2000):
        offer(again, f"request-{number}", b"x")
    again.close()
    assert set(read_requests(places, LONG_AGO)["id"].to_pylist()) == first


def test_under_load_a_part_is_measured_evenly_and_the_rest_is_kept_all_the_same(
    start: Callable[..., RequestLog], places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MEASURED_AT_ONCE", 10.0)
    monkeypatch.setattr(module, "_MEASURED_PER_SECOND", 0.0)
    log = start()
    offer(log, "a", *(f"word{number} and another".encode() for number in range(40)))
    assert log.flush()
    offer(log, "b", b"too late")
    log.close()
    rows = read_requests(places, LONG_AGO).to_pylist()
    assert len(rows) == 41
    measured = [row for row in rows if row["words"] is not None]
    assert [row["id"] for row in measured] == [f"a/{number}" for number in range(0, 40, 4)]
    assert {(row["words"], len(row["grams"])) for row in measured} == {(3, 5)}
    rest = [row for row in rows if row["words"] is None]
    assert {(row["grams"], row["has_markup"], row["unknown_words"]) for row in rest} == {(None, None, None)}
    assert rest[-1]["text"] == "too late"
    grams = {row["id"]: row["grams"] for row in measured}
    assert grams["a/4"][1:] != grams["a/8"][1:]
    assert grams["a/4"][2:] == grams["a/8"][2:], "and another"


def test_memory_is_bounded_and_what_is_dropped_is_counted(
    start: Callable[..., RequestLog], places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING_BYTES", 10_000)
    counted: dict[str, int] = {}
    log = start(count=lambda outcome, rows: counted.update({outcome: counted.get(outcome, 0) + rows}))
    for number in range(100):
        offer(log, f"{number}", b"x" * 600)
    log.close()
    assert counted == {"logged": 12, "dropped": 88}, "816 bytes each"
    assert read_requests(places, LONG_AGO).num_rows == 12


def test_what_a_shadow_says_is_left_out_before_what_somebody_was_answered(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING_BYTES", 10_000)
    counted: dict[str, int] = {}
    log = RequestLog(
        LogSettings(places), count=lambda outcome, rows: counted.update({outcome: counted.get(outcome, 0) + rows})
    )
    taken = [log.offer_shadow(f"{number}", "18", [b"x" * 600], answers(1), 0.02) for number in range(100)]
    assert sum(taken) == 6, "816 bytes each, in half of the room"
    for number in range(6):
        offer(log, f"{number}", b"x" * 600)
    assert counted == {}, "there was room for all of these"


def test_the_disk_is_bounded_and_a_full_one_loses_nothing_that_was_synced(
    start: Callable[..., RequestLog], places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    counted: dict[str, int] = {}
    log = start(tell=told.append, count=lambda outcome, rows: counted.update({outcome: counted.get(outcome, 0) + rows}))
    offer(log, "a", b"first")
    assert log.flush()
    monkeypatch.setattr(module, "_LEAST_FREE_BYTES", 1 << 60)
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.0)
    offer(log, "b", b"second")
    assert log.flush()
    monkeypatch.setattr(module, "_LEAST_FREE_BYTES", 0)
    offer(log, "c", b"third")
    log.close()
    assert read_requests(places, LONG_AGO)["text"].to_pylist() == ["first", "third"]
    assert counted == {"logged": 2, "dropped": 1}
    assert len(told) == 1
    assert "are free" in told[0]


_KILLED = """
import os, signal, sys
import numpy as np
from agnews.components.request_log.places import places_at
from agnews.components.request_log.request_log import LogSettings, RequestLog
log = RequestLog(LogSettings(places_at(sys.argv[1])))
log.start()
answer = {"label": np.array([b"x"], object), "probabilities": np.ones((1, 2), np.float32)}
for number in range(40):
    log.offer(f"kept-{number}", "1", [b"text"], answer, 0.1)
assert log.flush()
for number in range(7):
    log.offer(f"late-{number}", "1", [b"text"], answer, 0.1)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_sigkill_loses_nothing_that_was_synced_and_what_is_lost_is_counted(
    start: Callable[..., RequestLog], places: Places
) -> None:
    died = subprocess.run([sys.executable, "-c", _KILLED, places.uri], check=False, timeout=120)
    assert died.returncode == -9
    counted: dict[str, int] = {}
    told: list[str] = []
    alive = start(tell=told.append, count=lambda outcome, rows: counted.update({outcome: rows}))
    offer(alive, "alive", b"still here")
    assert alive.flush()
    start().close()
    end = time.monotonic() + 20
    while len(list(places.spool.glob("*.counts"))) > 1 and time.monotonic() < end:
        time.sleep(0.02)
    ids = read_requests(places, LONG_AGO)["id"].to_pylist()
    kept = [each for each in ids if each.startswith("kept-")]
    late = [each for each in ids if each.startswith("late-")]
    assert len(kept) == 40
    assert len(late) + counted.get("lost", 0) == 7
    assert lost_rows(places, LONG_AGO) == counted.get("lost", 0)
    assert f"40 rows saved, {counted.get('lost', 0)} lost" in "".join(told) or late
    assert "alive/0" in ids, "a server that lives keeps its spool"
    assert [path.name for path in places.spool.glob(f"{alive._instance}-*.spool")]


def test_a_frame_that_was_cut_or_damaged_ends_the_spool(start: Callable[..., RequestLog], places: Places) -> None:
    from agnews.components.request_log.spool import read_spool

    log = start()
    for number in range(3):
        offer(log, str(number), b"text")
        assert log.flush()
    (path,) = places.spool.glob("*.spool")
    content = path.read_bytes()
    third = len(content) * 2 // 3
    copy = path.with_name("copy")
    for cut in (len(content) - 1, third + 5, third + 20):
        copy.write_bytes(content[:cut])
        assert read_spool(copy)["id"].to_pylist() == ["0/0", "1/0"]
    copy.write_bytes(content[: third + 40] + b"\0" + content[third + 41 :])
    assert read_spool(copy)["id"].to_pylist() == ["0/0", "1/0"]
    copy.write_bytes(content[:third] + bytes(5000))
    assert read_spool(copy)["id"].to_pylist() == ["0/0", "1/0"]


def test_old_days_go_and_new_ones_stay(start: Callable[..., RequestLog], places: Places) -> None:
    for days in (40, 31, 29, 0):
        folder = Path(places.requests) / f"date={datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}" / "hour=00"
        folder.mkdir(parents=True)
        (folder / "x.txt").touch()
    start(keep_days=30).close()
    assert len(list(Path(places.requests).iterdir())) == 2


def test_what_was_erased_is_left_out_of_what_is_still_in_the_spool(
    start: Callable[..., RequestLog], places: Places
) -> None:
    log = start()
    for name, text in (("a", b"Ann was here"), ("b", b"nobody"), ("c", b"c")):
        offer(log, name, text)
    assert log.flush()
    note_erasures(places, Erasures({text_hash("ann  WAS here")}, {"c"}))
    assert read_requests(places, LONG_AGO)["text"].to_pylist() == ["nobody"]
    log.close()
    (path,) = Path(places.requests).rglob("*.parquet")
    assert pq.read_table(path)["text"].to_pylist() == ["nobody"]


def test_a_log_in_a_bucket(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGNEWS_SPOOL", str(tmp_path / "spool"))
    places = places_at(f"{bucket}/log")
    told: list[str] = []
    log = RequestLog(LogSettings(places), tell=told.append)
    log.start()
    offer(log, "a", b"text")
    assert log.flush()
    log.close()
    assert list(places.spool.iterdir()) == []
    assert read_requests(places, LONG_AGO)["id"].to_pylist() == ["a/0"]


def test_a_log_that_cannot_be_written_keeps_its_spool(
    start: Callable[..., RequestLog], places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def fail(*_: object) -> None:
        raise OSError("nobody there")

    log = start(tell=told.append)
    offer(log, "a", b"text")
    assert log.flush()
    with monkeypatch.context() as patch:
        patch.setattr(LocalFiles, "write_private", fail)
        log.close()
    assert any("nobody there" in line for line in told)
    assert read_requests(places, LONG_AGO)["id"].to_pylist() == ["a/0"]


def test_patterns_are_read_and_refused_with_words(tmp_path: Path) -> None:
    file = tmp_path / "patterns"
    file.write_text(f"# mail\n\n{MAIL}\n")
    import pyarrow as pa

    assert read_redaction(file).apply(pa.array(["to a@b.de", None])).to_pylist() == ["to [REDACTED]", None]
    file.write_text("(?=look)around\n")
    with pytest.raises(AgnewsError, match="Pattern 1"):
        read_redaction(file)
    file.write_text("# nothing\n")
    with pytest.raises(AgnewsError, match="holds none"):
        read_redaction(file)
    with pytest.raises(AgnewsError, match="cannot be read"):
        read_redaction(tmp_path / "none")
