from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from agnews.components.corpus_files.inspect_corpus import Inspection, inspect_corpus
from agnews.schemas.corpus import Corpus, Floors
from agnews.schemas.errors import AgnewsError, ExitCode


def inspect(source: Path | str, corpus: Corpus, max_reject_share: float = 0.01) -> Inspection:
    return inspect_corpus(str(source), corpus, eval_share=0.2, max_reject_share=max_reject_share)


def append(path: Path, data: bytes) -> None:
    path.write_bytes(path.read_bytes() + data)


def test_a_good_corpus_has_no_problem(folder: Path, corpus: Corpus) -> None:
    found = inspect(folder, corpus)
    assert found.problem is None
    assert found.rejects == {"train.csv": [], "test.csv": []}
    assert found.official == {"train.csv": False, "test.csv": False}
    assert not found.card.is_sample


def test_the_sample_is_labelled_as_such(corpus: Corpus) -> None:
    found = inspect("sample", corpus)
    assert found.problem is None
    assert found.card.is_sample
    assert found.card.source == "sample"


def test_a_few_bad_rows_are_put_up_with(folder: Path, corpus: Corpus) -> None:
    append(folder / "train.csv", b'"1","only two"\n"5","a","b"\n')
    found = inspect(folder, corpus)
    assert found.problem is None
    assert [bad.line for bad in found.rejects["train.csv"]] == [201, 202]


def test_too_many_bad_rows_are_counted_by_reason_with_examples(folder: Path, corpus: Corpus) -> None:
    append(folder / "train.csv", b'"1","only two"\n"5","a","b"\n"5","c","d"\n')
    problem = inspect(folder, corpus).problem
    assert problem is not None
    assert problem.exit_code == ExitCode.USAGE
    text = str(problem)
    assert "3 of the 203 records of train.csv cannot be used, more than 1.00%" in text
    assert "2 unknown class, 1 wrong number of columns" in text
    assert "line 202: class is '5', allowed are 1 to 4" in text
    assert f"agnews corpus check {folder}" in text
    assert inspect(folder, corpus, max_reject_share=0.5).problem is None


def test_one_cut_off_record_is_too_many(folder: Path, corpus: Corpus) -> None:
    data = (folder / "train.csv").read_bytes()
    (folder / "train.csv").write_bytes(data[:-10])
    problem = inspect(folder, corpus, max_reject_share=0.5).problem
    assert problem is not None
    assert "train.csv is cut off: it ends inside record 200, line 200" in str(problem)


def test_one_class_only(folder: Path, write_rows, corpus: Corpus) -> None:
    write_rows("train.csv", [("2", f"headline {i}", "text") for i in range(100)])
    problem = inspect(folder, corpus).problem
    assert problem is not None
    assert "of one class only" in problem.problem
    assert "Sports" in str(problem.found)
    assert "World 0" in str(problem.found)


def test_a_class_without_rows_in_test(folder: Path, write_rows, corpus: Corpus) -> None:
    write_rows("test.csv", [(str(1 + i % 3), f"late {i}", "text") for i in range(30)])
    problem = inspect(folder, corpus).problem
    assert problem is not None
    assert problem.problem == "The split 'test', from test.csv, has no row of Sci/Tech."


def test_a_class_may_be_without_test_rows_where_the_description_says_so(
    folder: Path, write_rows, corpus: Corpus
) -> None:
    lenient = corpus.model_copy(update={"floors": Floors(min_class_examples=0)})
    write_rows("test.csv", [(str(1 + i % 3), f"late {i}", "text") for i in range(30)])
    assert inspect(folder, lenient).problem is None
    write_rows("test.csv", [("1", f"late {i}", "text") for i in range(30)])
    problem = inspect(folder, lenient).problem
    assert problem is not None
    assert "of one class only" in problem.problem
    # What is learnt has rows of every class all the same.
    write_rows("test.csv", [(str(1 + i % 4), f"late {i}", "text") for i in range(40)])
    write_rows("train.csv", [(str(1 + i % 3), f"headline {i}", "text") for i in range(100)])
    assert "has no row of Sci/Tech" in str(inspect(folder, lenient).problem)


def test_no_row_left_for_a_split(folder: Path, write_rows, corpus: Corpus) -> None:
    (folder / "train.csv").write_bytes((folder / "test.csv").read_bytes())
    problem = inspect(folder, corpus).problem
    assert problem is not None
    assert problem.problem == "No row of train.csv is left for the split 'train'."


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (gzip.compress(b'"1","a","b"\n', mtime=0), "gzip"),
        ('"1","a","b"\n'.encode("utf-16"), "UTF-16"),
        (bytes(range(256)) * 40, "binary"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 1000, "binary"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
        (b'"1","a","b"\r"2","c","d"\r', "CR alone"),
    ],
)
def test_what_is_plainly_no_csv_is_named(folder: Path, corpus: Corpus, content: bytes, words: str) -> None:
    (folder / "train.csv").write_bytes(content)
    with pytest.raises(AgnewsError) as caught:
        inspect(folder, corpus)
    assert words in caught.value.problem
    assert str(folder / "train.csv") in str(caught.value.found)
    assert caught.value.fix


def test_missing_things_are_named(folder: Path, corpus: Corpus) -> None:
    with pytest.raises(AgnewsError, match="folder does not exist"):
        inspect(folder / "nowhere", corpus)
    with pytest.raises(AgnewsError, match="is a file"):
        inspect(folder / "test.csv", corpus)
    (folder / "test.csv").unlink()
    with pytest.raises(AgnewsError, match="no such file") as caught:
        inspect(folder, corpus)
    assert str(folder / "test.csv") in str(caught.value)


def test_a_file_of_bad_rows_alone_has_its_reasons(folder: Path, corpus: Corpus) -> None:
    (folder / "train.csv").write_bytes(b"neither\nthis\nnor that\n")
    problem = inspect(folder, corpus).problem
    assert problem is not None
    assert "3 of the 3 records" in problem.problem


def test_real_rows_are_all_usable(real_data: Path, corpus: Corpus) -> None:
    found = inspect(real_data, corpus)
    assert found.problem is None
    assert found.card.rejected == 0
    assert found.card.splits["test"].rows_per_class == dict.fromkeys(corpus.class_names, 1_900)
    assert found.official["test.csv"]
    assert found.card.shared_by_train_and_eval == 0
