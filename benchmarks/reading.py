"""Reading labelled rows: CSV, JSON Lines and Parquet, against how fast another build reads CSV.

The same rows of AG News in each format, read into batches with all that later steps ask of a row: class, digest of the
normalised text, words, characters, markup. What is compared is processor time, in processes that each read one format
some times over, in turns.

    python benchmarks/reading.py ../shared/data/agnews --other OTHER/.venv/bin/python

OTHER is the checkout of a build that reads AG News alone (`agnews.schemas.corpus.AG_NEWS`). Without it, this build's
own CSV is what the others are compared with. Prints the ratio of rows per second: median, and the interval in which the
median lies with 95 % confidence.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from median_interval import median_interval

FORMATS = {"csv": "train.csv", "jsonl": "train.jsonl", "parquet": "train.parquet"}
NAMES = ("label", "title", "description")

_READ = """
import sys, time
path, times = sys.argv[1], int(sys.argv[2])
from agnews.components.corpus_files.row_batch import read_batches
{corpus}
def read():
    return sum(len(batch.records) for batch in read_batches(path, path, corpus))
read()
start = time.process_time()
rows = sum(read() for _ in range(times))
print(rows / (time.process_time() - start))
"""
_OURS = """
from agnews.schemas.corpus_document import parse_corpus
corpus = parse_corpus(sys.argv[3], "the description")
"""
_OTHER = "from agnews.schemas.corpus import AG_NEWS as corpus"
_DESCRIPTION = """format: 1
name: news
label: label
texts: [title, description]
classes: {{1: World, 2: Sports, 3: Business, 4: Sci/Tech}}
files: {{train: {file}}}
"""
_WITHOUT_HEADER = "read: {header: false}\ncolumns: [label, title, description]\n"


def write_formats(data: Path, folder: Path, copies: int) -> int:
    """Writes the training rows in each format, some times over; returns how many."""
    with (data / "train.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file)) * copies
    with (folder / FORMATS["csv"]).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
    with (folder / FORMATS["jsonl"]).open("w", encoding="utf-8") as file:
        for label, *texts in rows:
            file.write(json.dumps(dict(zip(NAMES, (int(label), *texts), strict=True)), ensure_ascii=False) + "\n")
    labels, titles, descriptions = zip(*rows, strict=True)
    columns = {"label": pa.array(map(int, labels), pa.int8()), "title": titles, "description": descriptions}
    pq.write_table(pa.table(columns), folder / FORMATS["parquet"])
    return len(rows)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.csv of AG News")
    parser.add_argument("--other", type=Path, metavar="PYTHON", help="of the build that is compared with")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        rows = write_formats(arguments.data, Path(temporary), 1)

        def rate(python: Path | str, code: str, file: str, *more: str) -> float:
            command = [str(python), "-c", code, str(Path(temporary) / file), str(arguments.times), *more]
            done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=temporary)
            return float(done.stdout)

        def ours(name: str) -> float:
            described = _DESCRIPTION.format(file=FORMATS[name]) + (_WITHOUT_HEADER if name == "csv" else "")
            return rate(sys.executable, _READ.format(corpus=_OURS), FORMATS[name], described)

        def other() -> float:
            if arguments.other is None:
                return ours("csv")
            return rate(arguments.other, _READ.format(corpus=_OTHER), FORMATS["csv"])

        found: dict[str, list[float]] = {name: [] for name in FORMATS}
        base = []
        for pair in range(arguments.pairs):
            order = [*FORMATS, "other"] if pair % 2 else ["other", *reversed(FORMATS)]
            rates = {name: other() if name == "other" else ours(name) for name in order}
            base.append(rates["other"])
            for name, ratios in found.items():
                ratios.append(rates[name] / rates["other"])
    print(f"{rows:,} rows; CSV by the other build: {statistics.median(base):,.0f} rows per second of the processor")
    for name, ratios in found.items():
        low, high = median_interval(ratios)
        print(f"{name:8} {statistics.median(ratios):.3f} times as fast, {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
