from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from agnews.components.tuning.plot_study import plot_study
from agnews.components.tuning.read_search_space import Dimension
from agnews.components.tuning.trial_study import TrialRecord

SPACE = {
    "training.learning_rate": Dimension(low=1e-4, high=1e-2, log=True),
    "training.clip_norm": Dimension(values=(None, 1.0)),
}
SETTINGS = {"training.learning_rate": 1e-3, "training.clip_norm": None}


def record(number: int, state: str, loss: float | None) -> TrialRecord:
    return TrialRecord(number, state, SETTINGS, loss, 0.9, 1, 1.0, "")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "records",
    [
        [record(0, "complete", 0.5)],
        [record(0, "failed", None), record(1, "complete", 0.4), record(2, "pruned", 9.0), record(3, "complete", 0.3)],
    ],
)
def test_the_picture_is_an_svg_and_the_same_each_time(records: list[TrialRecord], tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        plot_study(tmp_path / name, records, SPACE, title="a study")
    assert ElementTree.parse(tmp_path / "one.svg").getroot().tag.endswith("svg")  # noqa: S314 - our own file
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
