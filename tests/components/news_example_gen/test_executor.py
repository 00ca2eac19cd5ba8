from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tfx.components.util import examples_utils
from tfx.proto import example_gen_pb2
from tfx.types.standard_artifacts import Examples

from agnews.components.artifact_types import StepReport
from agnews.components.corpus_files import row_batch
from agnews.components.corpus_files.corpus_state import read_state
from agnews.components.corpus_files.file_ranges import FileRange
from agnews.components.corpus_files.inspect_corpus import inspect_corpus
from agnews.components.corpus_files.row_batch import RowBatch
from agnews.components.corpus_files.text_key import text_key
from agnews.components.feedback.collect_labels import collect_labels
from agnews.components.feedback.label_store import keep_labels
from agnews.components.news_example_gen import convert_corpus
from agnews.components.news_example_gen.component import NewsExampleGen
from agnews.components.news_example_gen.executor import Executor
from agnews.components.request_log.places import places_at
from agnews.schemas.corpus import Corpus
from agnews.schemas.corpus_document import packaged_corpus, parse_corpus
from agnews.schemas.data_card import DataCard
from agnews.schemas.errors import AgnewsError
from agnews.schemas.feedback import GivenLabel, Source

AG_NEWS = packaged_corpus()

pytestmark = pytest.mark.integration

BEAM_ARGS = [
    "--direct_running_mode=in_memory",
    "--direct_num_workers=1",
    # Keeps TFX from packing itself into a source distribution for remote workers, which takes seconds.
    "--sdk_container_image=unused",
]


@dataclass
class Result:
    """What a run of the executor left."""

    examples: Examples
    card: DataCard
    rejects: list[dict[str, object]]

    def rows(self, split: str) -> list[dict[str, Any]]:
        files = sorted(str(path) for path in Path(self.examples.uri, f"Split-{split}").iterdir())
        return [decode(data) for data in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()]

    def bytes_digest(self) -> str:
        digest = hashlib.sha256()
        for path in sorted(Path(self.examples.uri).rglob("*.gz")):
            digest.update(f"{path.relative_to(self.examples.uri)}\n".encode() + path.read_bytes())
        return digest.hexdigest()


def decode(data: bytes) -> dict[str, Any]:
    features = tf.train.Example.FromString(data).features.feature
    values = {}
    for name, feature in features.items():
        (value, *more) = getattr(feature, feature.WhichOneof("kind")).value
        values[name] = [value, *more] if more else value.decode() if isinstance(value, bytes) else value
    return values


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs the executor on a source and returns what it left."""
    count = 0

    def run(source: Path | str, **changes: Any) -> Result:
        nonlocal count
        count += 1
        properties = {
            "data_uri": str(source),
            "corpus": packaged_corpus().canonical(),
            "window": 0,
            "digest": read_state(str(source), packaged_corpus(), changes.get("window")).digest,
            "limit": 0,
            "eval_share": 0.2,
            "max_reject_share": 0.01,
            "seed": 1,
            "code_version": "",
        }
        examples, card = Examples(), StepReport()
        examples.uri, card.uri = (str(tmp_path / f"run{count}" / name) for name in ("examples", "card"))
        context = Executor.Context(beam_pipeline_args=BEAM_ARGS, tmp_dir=str(tmp_path / "tmp"), unique_id=str(count))
        Executor(context).Do({}, {"examples": [examples], "data_card": [card]}, {**properties, **changes})
        with Path(card.uri, "rejects.jsonl").open() as file:
            rejects = [json.loads(line) for line in file]
        return Result(examples, DataCard.model_validate_json(Path(card.uri, "report.json").read_text()), rejects)

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    train = [f'"{1 + i % 4}","Headline {i}","it #39;s story ""{i}"",\nin two lines"\n' for i in range(300)]
    test = [f'"{1 + i % 4}","Late headline {i}","what came of it"\n' for i in range(80)]
    (folder / "train.csv").write_text("".join(train))
    (folder / "test.csv").write_text("".join(test))
    return folder


def test_writes_every_row_once_with_its_features(run: Run, folder: Path) -> None:
    result = run(folder)
    train, evaluation, test = (result.rows(split) for split in ("train", "eval", "test"))
    assert len(train) + len(evaluation) == 300
    assert {row["row"] for row in train} | {row["row"] for row in evaluation} == set(range(1, 301))
    assert 30 <= len(evaluation) <= 90
    by_number = {row["row"]: row for row in [*train, *evaluation]}
    assert by_number[10] == {
        "text": 'Headline 9 it #39;s story "9",\nin two lines',
        "label": 1,
        "num_words": 9,
        "has_markup": "yes",
        "row": 10,
    }
    assert [row["row"] for row in test] == list(range(1, 81))
    assert test[0] == {
        "text": "Late headline 0 what came of it",
        "label": 0,
        "num_words": 7,
        "has_markup": "no",
        "row": 1,
    }


def test_the_artifact_says_what_it_holds(run: Run, folder: Path) -> None:
    examples = run(folder).examples
    assert json.loads(examples.split_names) == ["train", "eval", "test"]
    assert examples_utils.get_payload_format(examples) == example_gen_pb2.PayloadFormat.FORMAT_TF_EXAMPLE
    assert examples_utils.get_file_format(examples) == "tfrecords_gzip"
    files = {str(path.relative_to(examples.uri)) for path in Path(examples.uri).rglob("*") if path.is_file()}
    assert files == {f"Split-{split}/data_tfrecord-00000.gz" for split in ("train", "eval", "test")}


def test_the_same_data_gives_the_same_bytes(run: Run, folder: Path) -> None:
    assert run(folder).bytes_digest() == run(folder).bytes_digest()


def test_many_batches_are_many_shards_of_the_same_rows(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(folder, limit=100)
    monkeypatch.setattr(row_batch.read_batches, "__defaults__", (16, "train"))
    sharded = run(folder, limit=100)
    assert len(list(Path(sharded.examples.uri, "Split-train").iterdir())) > 10
    for split in ("train", "eval", "test"):
        assert sharded.rows(split) == whole.rows(split)
    assert sharded.card == whole.card


def test_a_limit_is_exact_stratified_and_seeded(run: Run, folder: Path) -> None:
    limited = run(folder, limit=60)
    rows = limited.rows("train")
    assert len(rows) == 60
    assert max(Counter(row["label"] for row in rows).values()) <= 18
    assert limited.card.left_out_by_limit == 300 - 60 - len(limited.rows("eval"))
    assert len(limited.rows("test")) == 80
    assert run(folder, limit=60, seed=2).rows("train") != rows


def test_the_card_is_that_of_describe(run: Run, folder: Path) -> None:
    card = run(folder).card
    described = inspect_corpus(str(folder), AG_NEWS, eval_share=0.2, max_reject_share=0.01).card
    assert card == described


def test_the_sample_is_generated_where_it_is_needed(run: Run) -> None:
    result = run("sample")
    assert result.card.is_sample
    assert result.card.source == "sample"
    assert result.card.splits["test"].rows == 800


def test_reads_uris_of_the_file_layer(run: Run, folder: Path) -> None:
    assert run(f"file://{folder}").bytes_digest() == run(folder).bytes_digest()


def test_copies_of_test_rows_and_of_each_other_do_not_straddle(run: Run, folder: Path) -> None:
    with (folder / "train.csv").open("a") as file:
        file.writelines(f'"1","LATE  headline {i}","what came of it"\n' for i in range(10))
        file.writelines(f'"{1 + i % 4}","headline {i}","it\'s story ""{i}"", in two\\lines"\n' for i in range(300))
    result = run(folder)
    train, evaluation = ({row["row"] for row in result.rows(split)} for split in ("train", "eval"))
    assert result.card.left_out_as_test == 10
    assert not (train | evaluation) & set(range(301, 311))
    assert all((row in train) == (row + 310 in train) for row in range(1, 301))
    assert result.card.shared_by_train_and_eval == 0
    assert result.card.splits["train"].duplicates == len(train) / 2


def test_bad_rows_are_written_down(run: Run, folder: Path) -> None:
    with (folder / "train.csv").open("ab") as file:
        file.write(b'"5","fifth","class"\n"1","caf\xe9","x"\n')
    result = run(folder)
    assert result.card.files["train.csv"].rejects == {"unknown class": 1, "invalid UTF-8": 1}
    assert result.rejects == [
        {
            "file": "train.csv",
            "row": 301,
            "line": 601,
            "reason": "unknown class",
            "detail": "class is '5', allowed are 1 to 4",
            "found": "5,fifth,class",
        },
        {
            "file": "train.csv",
            "row": 302,
            "line": 602,
            "reason": "invalid UTF-8",
            "detail": "byte 0xe9 at character 4 of the text is not UTF-8",
            "found": "caf\\xe9 x",
        },
    ]


def test_what_a_killed_worker_has_left_is_no_shard(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner gives its rows to another worker; what remains is a cut file in the folder that is handed on."""
    write = convert_corpus._write_shard

    def write_after_another(folder: str, index: int, examples: Iterator[bytes]) -> str:
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, f".data_tfrecord-{index:05d}.gz.0a1b2c3d").write_bytes(b"\x1f\x8b\x08 cut")
        return write(folder, index, examples)

    monkeypatch.setattr(convert_corpus, "_write_shard", write_after_another)
    result = run(folder)
    assert len(result.rows("train")) + len(result.rows("eval")) == 300
    assert len(result.rows("test")) == 80


def test_too_many_bad_rows_stop_the_step(run: Run, folder: Path) -> None:
    with (folder / "train.csv").open("a") as file:
        file.write('"5","fifth","class"\n' * 5)
    with pytest.raises(AgnewsError, match=r"5 of the 305 records of train.csv cannot be used"):
        run(folder)


def test_data_that_changed_since_the_run_was_planned_is_refused(run: Run, folder: Path) -> None:
    with pytest.raises(AgnewsError, match="changed between"):
        run(folder, digest="0" * 64)
    assert run(folder, digest="").card.digest == read_state(str(folder), packaged_corpus()).digest


def cut_into_spans(folder: Path) -> Path:
    """Moves the 300 rows of train.csv into three days; a fourth is not complete."""
    end = ',\nin two lines"\n'
    rows = [row + end for row in (folder / "train.csv").read_text().split(end)[:-1]]
    (folder / "train.csv").unlink()
    for day, part in (("2026-11-18", rows[:60]), ("2026-11-21", rows[60:160]), ("2026-11-22", rows[160:])):
        (folder / day).mkdir()
        (folder / day / "train.csv").write_text("".join(part))
    (folder / "2026-11-23").mkdir()
    return folder


def test_a_limit_takes_texts_of_several_classes_by_their_first_one(run: Run, tmp_path: Path) -> None:
    """Of five texts one has the first class, one the first two, one the last, and two have none."""
    corpus = parse_corpus(
        'format: 1\nname: sets\nclasses: [a, b, c]\nlabel: {column: has, separator: "|", may_be_empty: true}\n',
        "corpus",
    )
    folder = tmp_path / "sets"
    folder.mkdir()
    for name, rows in (("train.csv", 400), ("test.csv", 50)):
        cells = ("a", "a|b", "c", "", "")
        lines = [f"{name} text {i},{cells[i % 5]}\n" for i in range(rows)]
        (folder / name).write_text("text,has\n" + "".join(lines))
    digest = read_state(str(folder), corpus, None).digest

    limited = run(folder, limit=50, corpus=corpus.canonical(), digest=digest)

    rows = limited.rows("train")
    firsts = Counter(next((i for i, mark in enumerate(row["label"]) if mark), 3) for row in rows)
    assert sum(firsts.values()) == 50
    whole = run(folder, corpus=corpus.canonical(), digest=digest).rows("train")
    for first, taken in firsts.items():
        of_first = sum(next((i for i, mark in enumerate(row["label"]) if mark), 3) == first for row in whole)
        assert abs(taken - 50 * of_first / len(whole)) <= 1
    assert limited.card.left_out_by_limit == 400 - 50 - len(limited.rows("eval"))


@pytest.mark.parametrize("limit", [0, 50])
def test_a_class_that_the_hash_sends_to_eval_as_a_whole_is_learnt_from(
    run: Run, tmp_path: Path, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = parse_corpus("format: 1\nname: uneven\nclasses: [a, b, rare]\n", "corpus")
    to_eval = [text for i in range(100) if text_key(text := f"rare text {i}") < 0.2 * 2**64][:3]
    rows = [f"{'ab'[i % 2]},text {i}\n" for i in range(200)]
    rows[50:50] = [f"rare,{text}\n" for text in to_eval]
    rows.append(f"rare,{to_eval[0].upper()}\n")
    test = "label,text\n" + "".join(f"{name},{name} tested\n" for name in ("a", "b", "rare"))
    one, days = tmp_path / "one", tmp_path / "days"
    for part, lines in ((one, rows), (days / "2026-11-18", rows[100::-1]), (days / "2026-11-19", rows[101:])):
        part.mkdir(parents=True)
        (part / "train.csv").write_text("label,text\n" + "".join(lines))
    for folder in (one, days):
        (folder / "test.csv").write_text(test)

    def split(folder: Path) -> dict[str, list[str]]:
        digest = read_state(str(folder), corpus, None).digest
        result = run(folder, limit=limit, corpus=corpus.canonical(), digest=digest)
        if not limit:
            described = inspect_corpus(str(folder), corpus, eval_share=0.2, max_reject_share=0.01)
            assert result.card == described.card
        return {part: sorted(row["text"] for row in result.rows(part)) for part in ("train", "eval")}

    found = split(one)
    assert len(found["train"]) + len(found["eval"]) == 204 or len(found["train"]) == limit
    kept = max(to_eval, key=text_key)
    assert {text.lower() for text in found["train"] if "rare" in text.lower()} == {kept}
    in_eval = {text.lower() for text in found["eval"] if "rare" in text.lower()}
    assert in_eval
    assert in_eval <= {*to_eval} - {kept}
    if not limit:
        assert in_eval == {*to_eval} - {kept}
        assert split(days) == found, "in spans, and in another order"
    monkeypatch.setattr(convert_corpus, "_has_workers", lambda pipeline: True)
    monkeypatch.setattr(row_batch.read_batches, "__defaults__", (16, "train"))
    assert split(one) == found, "in ranges, too"
    if not limit:
        assert split(days) == found


@pytest.mark.parametrize("limit", [0, 60])
def test_spans_give_the_rows_of_one_file_with_all_of_them(run: Run, folder: Path, limit: int) -> None:
    whole = run(folder, limit=limit)
    cut = run(cut_into_spans(folder), limit=limit)
    for split in ("train", "eval", "test"):
        assert cut.rows(split) == whole.rows(split)
    assert cut.card.splits == whole.card.splits
    assert {span.name: span.rows for span in cut.card.spans} == {
        "2026-11-18": 60,
        "2026-11-21": 100,
        "2026-11-22": 140,
    }
    assert cut.card.test_digest == whole.card.test_digest
    described = inspect_corpus(str(folder), AG_NEWS, eval_share=0.2, max_reject_share=0.01).card
    assert limit or cut.card == described


@pytest.mark.parametrize("limit", [0, 60])
def test_labels_that_came_back_take_the_place_of_what_earlier_rows_say(
    run: Run, folder: Path, tmp_path: Path, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_into_spans(folder)
    before = {row["text"]: row["label"] for split in ("train", "eval") for row in run(folder).rows(split)}
    mended = [text for text in before if "eadline 7" in text]
    places = places_at(str(tmp_path / "log"))
    names = AG_NEWS.class_names
    labels = [GivenLabel(text=text, label=names[(before[text] + 1) % 4], by="ann") for text in mended]
    keep_labels(places, labels, Source.QUEUE)
    collect_labels(places, AG_NEWS, str(folder), "2026-11-24")
    result = run(folder, limit=limit)
    rows = [(row["text"], row["label"]) for split in ("train", "eval") for row in result.rows(split)]
    assert result.card.left_out_as_corrected == len(mended)
    assert result.card.left_out_by_limit == 300 - len(rows)
    assert all(label == (before[text.strip()] + (text.strip() in mended)) % 4 for text, label in rows)
    if not limit:
        assert len(rows) == len({text for text, _ in rows}) == 300
        assert result.card == inspect_corpus(str(folder), AG_NEWS, eval_share=0.2, max_reject_share=0.01).card
        monkeypatch.setattr(convert_corpus, "_has_workers", lambda pipeline: True)
        monkeypatch.setattr(row_batch.read_batches, "__defaults__", (16, "train"))
        assert run(folder).card == result.card, "in ranges, too"


def test_a_window_takes_the_newest_spans_and_no_test_row_of_any(run: Run, folder: Path) -> None:
    cut_into_spans(folder)
    for day in ("2026-11-18", "2026-11-22"):
        with (folder / day / "train.csv").open("a") as file:
            file.write('"1","LATE headline 3","what came of it"\n"9","no such","class"\n')
    result = run(f"file://{folder}", window=2)
    texts = {row["text"] for split in ("train", "eval") for row in result.rows(split)}
    assert len(texts) == 240
    assert 'Headline 60 it #39;s story "60",\nin two lines' in texts
    assert "LATE headline 3 what came of it" not in texts
    assert result.card.left_out_as_test == 1
    (reject,) = result.rejects
    assert (reject["file"], reject["row"], reject["line"]) == ("2026-11-22/train.csv", 142, 282)
    assert result.card.spans[-1].rows == 141
    assert (
        result.card.digest
        == read_state(str(folder), packaged_corpus(), 2).digest
        != read_state(str(folder), packaged_corpus()).digest
    )


def test_a_missing_uri_is_a_message(run: Run, folder: Path) -> None:
    with pytest.raises(AgnewsError, match="no such file"):
        run(f"file://{folder}/nowhere", digest="")


def test_the_component_carries_all_properties() -> None:
    node = NewsExampleGen(
        data_uri="sample",
        corpus="ag_news",
        window=0,
        digest="d",
        limit=0,
        eval_share=0.1,
        max_reject_share=0.01,
        seed=1,
        code_version="c",
    )
    assert node.id == "NewsExampleGen"
    assert set(node.outputs) == {"examples", "data_card"}
    assert node.driver_class.__name__ == "BaseDriver"
    assert set(node.exec_properties) == set(node.spec.PARAMETERS)


def _many(folder: Path, *, broken: bool) -> None:
    """Enough rows for three ranges; one with a quote that never closes leads the look for places to cut astray."""
    rows = [f'"{1 + i % 4}","Headline {i}","said,\nand done"\n' for i in range(70_000)]
    if broken:
        rows[40_000] = '"1","never closed\n'
    (folder / "train.csv").write_text("".join(rows))


@pytest.mark.integration
@pytest.mark.parametrize("broken", [False, True])
def test_several_workers_write_the_bytes_that_one_writes(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    _many(folder, broken=broken)
    one = run(folder)
    used: list[str] = []
    monkeypatch.setattr("agnews.components.news_example_gen.convert_corpus._has_workers", lambda pipeline: True)
    reader = convert_corpus.read_range

    def read(part: FileRange, corpus: Corpus) -> Iterator[RowBatch]:
        used.append(part.name)
        return reader(part, corpus)

    monkeypatch.setattr(convert_corpus, "read_range", read)
    several = run(folder)

    assert len(used) == 3
    assert several.card == one.card
    assert several.rejects == one.rejects
    assert len(one.rejects) == int(broken)
    one_files, files = (
        {path.relative_to(each.examples.uri): path.read_bytes() for path in Path(each.examples.uri).rglob("*.gz")}
        for each in (one, several)
    )
    assert files == one_files
    assert len(files) == 11
