from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from agnews.components.evaluator import answered_rows as module
from agnews.components.evaluator.answered_rows import AnsweredRows, open_predictions
from agnews.components.evaluator.raw_rows import rows_at_once
from agnews.schemas import predictions as columns

SHARES = np.random.default_rng(1).dirichlet(np.ones(5), 23).astype(np.float32)
TABLE = pa.table(
    {
        columns.ROW: pa.array(range(23)),
        columns.LABEL: pa.array(np.arange(23) % 5),
        columns.PROBABILITIES: pa.array(SHARES.tolist(), pa.list_(pa.float32())),
    }
)


@pytest.fixture
def path(tmp_path: Path) -> str:
    pq.write_table(TABLE, tmp_path / "test.parquet", row_group_size=7)
    return str(tmp_path / "test.parquet")


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_file_and_a_table_are_read_alike_and_a_part_at_a_time(
    in_memory: bool, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CELLS", 20)
    rows = AnsweredRows(TABLE if in_memory else open_predictions(path), 5)
    assert rows.table.column_names == [columns.ROW, columns.LABEL]
    for _ in range(2):
        blocks = list(rows.blocks())
        assert max(len(shares) for _, shares in blocks) <= 4
        assert np.concatenate([shares for _, shares in blocks]).tolist() == SHARES.tolist()
        assert np.concatenate([np.arange(23)[block] for block, _ in blocks]).tolist() == list(range(23))
    found = rows.at([20, 3, 3])
    assert {position: shares.tolist() for position, shares in found.items()} == {
        3: SHARES[3].tolist(),
        20: SHARES[20].tolist(),
    }
    assert rows.at([]) == {}


def test_a_part_of_a_table_is_that_part() -> None:
    ((block, shares),) = AnsweredRows(TABLE.slice(9, 4), 5).blocks()
    assert block == slice(0, 4)
    assert shares.tolist() == SHARES[9:13].tolist()
    assert list(AnsweredRows(TABLE.slice(0, 0), 5).blocks()) == []


def test_of_many_classes_fewer_rows_are_answered_at_once() -> None:
    assert rows_at_once(4) == rows_at_once(2048) == 2048
    assert rows_at_once(10_000) * 10_000 <= 1 << 22
    assert rows_at_once(1 << 30) == 1
