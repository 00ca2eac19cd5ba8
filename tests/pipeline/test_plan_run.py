"""What a run would do is known before it does it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agnews.components.corpus_files.corpus_state import read_state
from agnews.components.model_export import require_converters
from agnews.components.storage.files import Files
from agnews.components.storage.files_at import files_at
from agnews.pipeline.load_config import load_config
from agnews.pipeline.plan_run import RunPlan, plan_run
from agnews.schemas.corpus_document import parse_corpus
from agnews.schemas.errors import AgnewsError
from agnews.schemas.model_record import ModelRecord

CORPUS = parse_corpus("format: 1\nname: mails\nclasses: [ham, spam]\n", "corpus.yaml")
CODE = {"Trainer": "t1", "Evaluator": "e1", "Report": "r1"}


@dataclass
class Store:
    """What a plan asks a store for."""

    record: ModelRecord | None = None
    gone_back: tuple[ModelRecord, ...] = ()
    whole: tuple[str, ...] = ("17",)
    uri: str = "/nonexistent/agnews"
    files: Files = field(default_factory=lambda: files_at("/nonexistent"))

    def production(self) -> ModelRecord | None:
        return self.record

    def withdrawn(self) -> tuple[ModelRecord, ...]:
        return self.gone_back

    def versions(self) -> tuple[str, ...]:
        return self.whole


def record(fingerprint: str, version: str = "17", classes: tuple[str, ...] = CORPUS.class_names) -> ModelRecord:
    return ModelRecord(
        version=version,
        name="agnews",
        run_id="",
        pushed_at=datetime(2026, 11, 21, tzinfo=UTC),
        model_digest="m",
        fingerprint=fingerprint,
        judged_against="16",
        accuracy=0.9,
        classes=classes,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "train.csv").write_text("label,text\nham,a\nspam,b\n")
    (tmp_path / "test.csv").write_text("label,text\nham,c\nspam,d\n")
    return tmp_path


def plan(data: Path, store: Any = None, *, settings: tuple[str, ...] = (), code: Any = CODE, **more: Any) -> RunPlan:
    config = load_config("transformer", [f"data.source={data}", *settings])
    return plan_run(config, more.pop("corpus", CORPUS), store or Store(), code, **more)


def test_data_that_was_read_already_is_not_read_again(data: Path) -> None:
    state = read_state(str(data), CORPUS)
    found = plan(data)
    for file in data.iterdir():
        file.unlink()
    assert plan(data, state=state) == found


def test_a_first_run_is_compared_with_nothing(data: Path) -> None:
    found = plan(data)
    assert (found.production, found.withdrawn, found.replaces) == ("", "", "")
    assert found.nothing_new is None
    assert found.spans is None
    assert len(found.fingerprint) == 16
    assert len(found.digest) == 64


def test_what_decides_about_the_model_changes_its_fingerprint_and_nothing_else_does(data: Path) -> None:
    first = plan(data).fingerprint
    assert plan(data).fingerprint == first
    assert plan(data, settings=("evaluation.force_promotion=true",)).fingerprint == first
    assert plan(data, code={**CODE, "Report": "r2"}).fingerprint == first
    assert plan(data, settings=("devices.workers=4",)).fingerprint == first
    others = {
        plan(data, settings=("training.epochs=9",)).fingerprint,
        plan(data, settings=("evaluation.min_accuracy=0.1",)).fingerprint,
        plan(data, code={**CODE, "Trainer": "t2"}).fingerprint,
        plan(data, corpus=parse_corpus("format: 1\nname: other\nclasses: [ham, spam]\n", "corpus.yaml")).fingerprint,
    }
    (data / "train.csv").write_text("label,text\nham,a\nspam,B\n")
    others.add(plan(data).fingerprint)
    assert len(others | {first}) == 6


def test_how_nothing_would_be_exported_decides_about_nothing(data: Path) -> None:
    first = plan(data).fingerprint
    assert plan(data, settings=("export.precision=float32",)).fingerprint == first
    assert plan(data, code={**CODE, "Exporter": "x1"}).fingerprint == first
    exported = "export.formats=[openvino]"
    found = {
        first,
        plan(data, settings=(exported,)).fingerprint,
        plan(data, settings=(exported, "export.precision=float32")).fingerprint,
        plan(data, settings=(exported,), code={**CODE, "Exporter": "x1"}).fingerprint,
    }
    assert len(found) == 4


def test_a_model_that_cannot_be_exported_is_told_before_anything_runs(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config("linear", [f"data.source={data}", "export.formats=[onnx]"])
    with pytest.raises(AgnewsError, match="kind linear cannot be exported"):
        plan_run(config, CORPUS, Store(), CODE)
    monkeypatch.setattr(require_converters, "is_installed", lambda name: True)
    monkeypatch.setattr(require_converters, "computes_in_bfloat16", lambda: False)
    config = load_config("bert_finetune", [f"data.source={data}", "export={formats: [openvino], precision: bfloat16}"])
    with pytest.raises(AgnewsError, match="does not compute in bfloat16"):
        plan_run(config, CORPUS, Store(), CODE)


def test_other_news_is_compared_with_what_is_in_production(data: Path) -> None:
    found = plan(data, Store(record("another")))
    assert (found.production, found.nothing_new, found.replaces) == ("17", None, "")


def test_the_model_in_production_is_not_made_again_and_judged_as_it_was(data: Path) -> None:
    store = Store(record(plan(data).fingerprint))
    found = plan(data, store)
    assert found.production == "16"
    assert found.nothing_new == (
        "Nothing is new since version 17 was pushed: it has learnt from this data with this configuration and code."
    )
    store.whole = ()
    assert plan(data, store).nothing_new is None


def test_what_was_rolled_back_from_is_named(data: Path) -> None:
    fingerprint = plan(data).fingerprint
    store = Store(record("another"), (record("third", "18"), record(fingerprint, "19")))
    found = plan(data, store)
    assert found.withdrawn == "19"
    assert found.nothing_new == (
        "Nothing is new since version 19 was pushed: it has learnt from this data with this configuration and "
        "code, and somebody rolled back from it to 17."
    )
    assert plan(data, replace(store, gone_back=(record("third", "18"),))).withdrawn == ""


def test_spans_are_named(data: Path) -> None:
    (data / "train.csv").unlink()
    for day in ("2026-11-19", "2026-11-20"):
        (data / day).mkdir()
        (data / day / "train.csv").write_text(f"label,text\nham,a {day}\nspam,b {day}\n")
    found = plan(data)
    assert found.spans is not None
    assert list(found.spans.rows) == ["2026-11-19", "2026-11-20"]
    again = plan(data, Store(record(found.fingerprint)))
    assert again.nothing_new is not None
    assert "it has learnt from 2026-11-19 to 2026-11-20 (2 spans) with this" in again.nothing_new
    one = plan(data, settings=("data.window=1",))
    assert one.spans is not None
    assert list(one.spans.rows) == ["2026-11-20"]
    assert one.fingerprint != found.fingerprint
    named = plan(data, Store(record(one.fingerprint)), settings=("data.window=1",)).nothing_new
    assert named is not None
    assert "2026-11-20 to 2026-11-20 (1 span) with" in named


@pytest.mark.parametrize(
    ("classes", "found"),
    [
        (("ham", "eggs"), "new: spam; gone: eggs"),
        (("spam", "ham"), "the same classes in another order"),
        (("ham",), "new: spam"),
        (("ham", "spam", *"abcdef"), "gone: a, b, c, d, e, f"),
        (("ham", "spam", *"abcdefg"), "gone: a, b, c, d, e, f ..."),
    ],
)
def test_other_classes_are_told_before_anything_runs(classes: tuple[str, ...], found: str, data: Path) -> None:
    with pytest.raises(AgnewsError) as raised:
        plan(data, Store(record("another", classes=classes)))
    assert raised.value.problem == (
        "The model in production, version 17 of agnews, knows other classes than the corpus mails, so a new one cannot "
        "be compared with it."
    )
    assert raised.value.found == found
    assert raised.value.fix == (
        "Begin anew with `agnews run --new-baseline`: the model is compared with nothing and takes the place of that "
        "version. Or push models of this corpus under another name: --set name=NAME."
    )


def test_a_new_baseline_takes_the_place_of_what_is_there(data: Path) -> None:
    store = Store(record("another", classes=("x", "y")))
    found = plan(data, store, new_baseline=True)
    assert (found.production, found.replaces) == ("", "17")
    assert plan(data, new_baseline=True).replaces == ""
    same = plan(data, Store(record(found.fingerprint)), new_baseline=True)
    assert (same.production, same.replaces) == ("", "")


def test_the_form_of_a_fingerprint_stays_since_stores_keep_them(data: Path) -> None:
    found = plan(data)
    config = load_config("transformer", [f"data.source={data}"]).model_dump(mode="json")
    del config["evaluation"]["force_promotion"], config["data"]["corpus"], config["devices"]["workers"]
    del config["export"]
    facts = {
        "config": config,
        "corpus": CORPUS.digest,
        "data": found.digest,
        "code": {"Trainer": "t1", "Evaluator": "e1"},
    }
    assert found.fingerprint == hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    assert plan(data, code=dict(reversed(CODE.items()))).fingerprint == found.fingerprint
    (data / "corpus.yaml").write_text("format: 1\nname: mails\nclasses: [ham, spam]\n")
    assert plan(data, settings=(f"data.corpus={data}/corpus.yaml",)).fingerprint == found.fingerprint


def test_spans_are_compared_with_what_production_has_learnt(data: Path) -> None:
    (data / "train.csv").unlink()
    (data / "2026-11-19").mkdir()
    (data / "2026-11-19" / "train.csv").write_text("label,text\nham,a\nspam,b\n")
    spans = plan(data, Store(record("another"))).spans
    assert spans is not None
    assert spans.since == "17"


def test_the_best_model_ever_is_asked_unless_somebody_says_not_to(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def needed(store: Store, version: str, test_digest: str) -> str:
        asked.append((store, version, len(test_digest)))
        return "answers"

    monkeypatch.setattr("agnews.pipeline.plan_run.needed_of_anchor", needed)
    store = Store(record("another"))
    assert plan(data, store).anchor == "answers"
    assert asked == [(store, "17", 64)]
    assert plan(data, store, settings=("evaluation.anchor=ignore",)).anchor == ""
    assert len(asked) == 1
