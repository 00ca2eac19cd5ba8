"""Files of records that somebody globs: none is there that is cut short."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from agnews.components.example_files.write_records import remove_half_written, whole_records


def _records(folder: Path) -> list[bytes]:
    files = sorted(tf.io.gfile.glob(f"{folder}/*"))
    return list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())


def test_a_file_gets_its_name_at_its_end(tmp_path: Path) -> None:
    with whole_records(f"{tmp_path}/rows.gz") as writer:
        writer.write(b"row")
        assert not (tmp_path / "rows.gz").exists()
    with whole_records(f"{tmp_path}/rows.gz") as writer:
        writer.write(b"newer")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.gz"]
    assert _records(tmp_path) == [b"newer"]


@pytest.mark.parametrize("ending", [ValueError, KeyboardInterrupt, GeneratorExit])
def test_nothing_stays_of_a_file_that_failed(tmp_path: Path, ending: type[BaseException]) -> None:
    def fail_half_way() -> None:
        with whole_records(f"{tmp_path}/rows.gz") as writer:
            writer.write(b"row")
            raise ending

    with pytest.raises(ending):
        fail_half_way()
    assert list(tmp_path.iterdir()) == []


def test_what_was_killed_is_removed_and_what_is_whole_stays(tmp_path: Path) -> None:
    with whole_records(f"{tmp_path}/rows.gz") as writer:
        writer.write(b"row")
    (tmp_path / ".rows.gz.0a1b2c3d").write_bytes((tmp_path / "rows.gz").read_bytes())
    assert _records(tmp_path) == [b"row", b"row"]
    remove_half_written(str(tmp_path))
    assert _records(tmp_path) == [b"row"]
    remove_half_written(f"{tmp_path}/no folder")
