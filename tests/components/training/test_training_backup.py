from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tf_keras as keras

from agnews.components.optimization.adamw import create_adamw
from agnews.components.training.backup_place import BackupPlace, backup_place
from agnews.components.training.fit import FitResult, fit
from agnews.components.training.token_rows import FeatureRows
from agnews.schemas.errors import AgnewsError
from agnews.schemas.learning_config import TrainingConfig

RANDOM = np.random.default_rng(3)
ROWS = FeatureRows(RANDOM.normal(size=(60, 3)).astype(np.float32), RANDOM.integers(0, 2, 60))


class StoppedError(Exception):
    """What ends a training before its time."""


def train(place: BackupPlace, *, stop_after: int | None = None, seconds: float = 0.0) -> FitResult:
    def stop(epoch: int, _: object) -> None:
        if epoch == stop_after:
            raise StoppedError

    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.layers.Dense(2, input_shape=(3,))])
    return fit(
        network,
        ROWS,
        ROWS,
        TrainingConfig(
            epochs=4,
            batch_size=16,
            learning_rate=0.1,
            warmup_share=0.0,
            weight_decay=0.0,
            label_smoothing=0.0,
            patience=4,
            average_decay=0.5,
            seed=1,
        ),
        create_optimizer=partial(create_adamw, weight_decays={}),
        backup=place,
        backup_seconds=seconds,
        on_epoch=stop,
    )


def test_an_epoch_that_was_not_backed_up_is_done_again(tmp_path: Path) -> None:
    whole = train(backup_place(str(tmp_path / "whole"), {}))
    cut = backup_place(str(tmp_path / "cut"), {})

    with pytest.raises(StoppedError):
        train(cut, stop_after=3)
    resumed = train(cut)

    assert [entry["epoch"] for entry in resumed.curve] == [1, 2, 3, 4]
    assert [entry["val_loss"] for entry in resumed.curve] == pytest.approx([entry["val_loss"] for entry in whole.curve])


def test_a_backup_that_stays_behind_is_told_and_takes_nothing_from_who_has_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place = backup_place(str(tmp_path), {})
    train(place)
    monkeypatch.setattr(shutil, "rmtree", raiser(OSError(39, "Directory not empty")))
    place.remove()
    assert "Directory not empty" in caplog.text


def raiser(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_a_backup_of_another_training_is_refused(tmp_path: Path) -> None:
    one, other = (backup_place(str(tmp_path), {"batch_size": size}) for size in (16, 32))
    assert one.folder != other.folder
    train(one)
    shutil.copytree(one.folder, other.folder)

    with pytest.raises(AgnewsError, match="made by another training") as caught:
        train(other)

    assert one.fingerprint in str(caught.value.found)
    assert other.fingerprint in str(caught.value.found)


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda _: b""])
def test_a_damaged_backup_is_a_fresh_start(
    tmp_path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    place = backup_place(str(tmp_path), {})
    train(place)
    file = Path(place.file)
    file.write_bytes(damage(file.read_bytes()))

    result = train(place)

    assert len(result.curve) == 4
    assert "starts anew" in caplog.text


def test_backups_that_nobody_came_back_for_are_removed(tmp_path: Path) -> None:
    places = [backup_place(str(tmp_path), {"number": number}) for number in range(2)]
    for place in places:
        Path(place.folder).mkdir(parents=True)
        Path(place.file).write_bytes(b"")
    long_ago = time.time() - 30 * 86_400
    os.utime(places[0].file, (long_ago, long_ago))

    backup_place(str(tmp_path), {})

    assert [Path(place.folder).exists() for place in places] == [False, True]
    places[1].remove()
    assert not Path(places[1].folder).exists()
