from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import agnews
from agnews.components.model_store import ModelStore
from agnews.components.model_store.baseline_at import ABSTENTION_FILE
from agnews.components.model_store.publish import publish
from agnews.schemas.abstention import Abstention
from agnews.schemas.errors import AgnewsError

CLASSES = ("World", "Sports", "Business", "Sci/Tech")
ExportModel = Callable[..., Path]


@pytest.fixture(scope="module")
def store(export_model: ExportModel, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """Two versions; the second, which is less sure, is in production."""
    store = ModelStore(str(tmp_path_factory.mktemp("models")), "agnews")
    for sharpness in (3.0, 1.0):
        before = store.production()
        publish(
            store,
            model=str(export_model(sharpness=sharpness)),
            extra_files={},
            judged_against=before.version if before else "",
            fingerprint="",
            run_id="run",
            accuracy=0.9,
            classes=CLASSES,
        )
    return store


def test_the_version_in_production_answers_in_the_order_of_the_texts(store: ModelStore) -> None:
    model = agnews.load(store.uri)
    answers = model.predict(["stocks fall", "the coach", "stocks " * 50])

    production = store.production()
    assert production is not None
    assert (model.version, model.classes) == (production.version, CLASSES)
    assert [answer.label for answer in answers] == ["Business", "Sports", "Business"]
    assert list(answers[1].probabilities) == list(CLASSES)
    # softmax of 1 against 0, 0, 0.
    assert answers[1].probability == answers[1].probabilities["Sports"] == pytest.approx(0.4754, abs=1e-4)
    assert sum(answers[1].probabilities.values()) == pytest.approx(1.0)
    np.testing.assert_allclose(model.probabilities(["the coach"])[0], list(answers[1].probabilities.values()))


def test_another_version_is_taken_by_its_number_or_its_folder(store: ModelStore) -> None:
    first, _ = store.versions()
    for model in (agnews.load(store.uri, version=first), agnews.load(f"file://{store.folder(first)}/")):
        assert model.version == first
        assert model.predict(["the coach"])[0].probability == pytest.approx(0.8700, abs=1e-4)
    with pytest.raises(AgnewsError, match="named twice"):
        agnews.load(store.folder(first), version=first)


def test_an_answer_below_the_threshold_that_was_pushed_is_abstained(
    store: ModelStore, export_model: ExportModel, tmp_path: Path
) -> None:
    texts = ["the coach", "", "stocks and a league"]
    sure = agnews.load(store.uri).probabilities(texts).max(axis=1)
    # The probability of the first text, to the bit: it is an answer still.
    said = Abstention(wanted=0.9, threshold=float(sure[0]), eval_rows=100, coverage=0.8, precision=0.9)
    (tmp_path / "abstention.json").write_text(said.model_dump_json())
    cautious = ModelStore(str(tmp_path / "models"), "agnews")
    publish(
        cautious,
        model=str(export_model(sharpness=1.0)),
        extra_files={ABSTENTION_FILE: str(tmp_path / "abstention.json")},
        judged_against="",
        fingerprint="",
        run_id="run",
        accuracy=0.9,
        classes=CLASSES,
    )

    found = agnews.load(cautious.uri).predict(texts)

    assert [answer.abstained for answer in found] == [False, True, True]
    assert [answer.label for answer in found] == [answer.label for answer in agnews.load(store.uri).predict(texts)]
    assert not any(answer.abstained for answer in agnews.load(store.uri).predict(texts))


def test_a_row_without_a_distribution_is_no_answer_where_a_model_abstains(
    export_model: ExportModel, tmp_path: Path
) -> None:
    said = Abstention(wanted=0.9, threshold=0.3, eval_rows=100, coverage=0.8, precision=0.9)
    (tmp_path / "abstention.json").write_text(said.model_dump_json())
    broken = ModelStore(str(tmp_path / "models"), "agnews")
    publish(
        broken,
        model=str(export_model(flaw="nan")),
        extra_files={ABSTENTION_FILE: str(tmp_path / "abstention.json")},
        judged_against="",
        fingerprint="",
        run_id="run",
        accuracy=0.9,
        classes=CLASSES,
    )
    found = agnews.load(broken.uri).predict(["the coach", "qqq"])
    assert [answer.abstained for answer in found] == [False, True]


def test_no_text_and_texts_that_utf_8_cannot_hold_are_answered(store: ModelStore) -> None:
    model = agnews.load(store.uri)
    assert model.predict([]) == []
    assert model.probabilities([]).shape == (0, 4)
    assert model.predict(["coach \ud83d"])[0].label == "Sports"
    assert [found.label for found in model.predict(text for text in ["the coach"] * 2)] == ["Sports"] * 2


@pytest.mark.parametrize("texts", ["the coach", b"the coach", ["the coach", None], [3], 3, None])
def test_what_is_no_list_of_texts_is_refused(store: ModelStore, texts: object) -> None:
    with pytest.raises(AgnewsError, match="list of strings"):
        agnews.load(store.uri).predict(texts)  # type: ignore[arg-type]


def test_a_model_that_is_not_there_or_not_what_was_pushed_is_not_loaded(store: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(AgnewsError, match="No model was pushed yet"):
        agnews.load(str(tmp_path / "agnews"))
    with pytest.raises(AgnewsError, match="No model was pushed yet") as caught:
        agnews.load("/agnews-that-nobody-has")
    assert "in //agnews" in str(caught.value.found) or "in /agnews" in str(caught.value.found), "not below this folder"
    version = agnews.load(store.uri).version
    copied = tmp_path / "models" / "agnews"
    copied.mkdir(parents=True)
    for path in sorted(Path(store.uri).rglob("*")):
        target = copied / path.relative_to(store.uri)
        target.mkdir(exist_ok=True) if path.is_dir() else target.write_bytes(path.read_bytes())
    graph = copied / version / "saved_model.pb"
    graph.write_bytes(graph.read_bytes() + b"\n")
    with pytest.raises(AgnewsError, match="not what was pushed"):
        agnews.load(str(copied))


def test_a_stranger_s_folder_is_looked_at_before_it_is_loaded(store: ModelStore, tmp_path: Path) -> None:
    import tensorflow as tf

    def steal(text: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.io.write_file(str(tmp_path / "stolen"), text[0])
        return {"probabilities": tf.ones([tf.size(text), 4]) / 4.0}

    module = tf.Module()
    module.steal = tf.function(steal, input_signature=[tf.TensorSpec([None], tf.string, "text")])
    folder = tmp_path / "1763820000"
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.steal})
    other = Path(store.folder(store.versions()[0])) / "assets.extra"
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "record.json").write_bytes((other / "record.json").read_bytes())
    with pytest.raises(AgnewsError, match="does more than compute"):
        agnews.load(str(folder))
    with pytest.raises(AgnewsError, match="not what was pushed"):
        agnews.load(str(folder), trust_model=True)


def test_what_is_not_there_is_no_attribute() -> None:
    assert {"load", "LoadedModel", "Prediction"} <= set(dir(agnews))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        agnews.nothing  # noqa: B018
