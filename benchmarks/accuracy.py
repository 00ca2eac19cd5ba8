"""Accuracy on the test rows, mean of several seeds, beside a linear model.

Each seed is a full run of the pipeline (its data steps are cached after the first) with the configuration as it is
shipped; the eval split steers training, the test split is read once. For AG News the reference is a linear SVM on
TF-IDF bigrams of all rows of train.csv, the eval split included; for a corpus with a description it is the linear model
that each run trains beside its own.

    python benchmarks/accuracy.py ../shared/data/agnews --seeds 1 2 3
    python benchmarks/accuracy.py ../shared/data/agnews --config bert_frozen --set data.limit=8000
    python benchmarks/accuracy.py corpus.yaml --config bert_frozen
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


def run(data: Path, root: Path, config: str, settings: list[str], seed: int) -> dict[str, object]:
    """Runs the pipeline with one seed and returns its report."""
    agnews = Path(sys.executable).with_name("agnews")
    source = ["--corpus", data, "--model", config] if data.is_file() else ["--data", data, "--config", config]
    command = [agnews, "run", *source, "--root", root]
    command += [part for setting in (*settings, f"training.seed={seed}") for part in ("--set", setting)]
    before = set(root.glob("runs/*/report.json"))
    done = subprocess.run([str(part) for part in command], check=False, stdout=sys.stderr)
    # 3: not blessed, because a seed may be worse than the one before; its figures count all the same.
    if done.returncode not in (0, 3):
        raise SystemExit(f"agnews run ended with {done.returncode}")
    (path,) = set(root.glob("runs/*/report.json")) - before
    report: dict[str, object] = json.loads(path.read_text())
    return report


def reference(data: Path) -> float:
    """Returns the accuracy of a linear SVM on TF-IDF unigrams and bigrams."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    texts, labels = {}, {}
    for name in ("train", "test"):
        with (data / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        texts[name] = [f"{title} {description}" for _, title, description in rows]
        labels[name] = [label for label, _, _ in rows]
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, strip_accents="unicode")
    model = make_pipeline(vectorizer, LinearSVC(C=0.5)).fit(texts["train"], labels["train"])
    return float(model.score(texts["test"], labels["test"]))


def main() -> None:
    """Trains the reference and each seed, and prints accuracies and the difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.csv and test.csv of AG News, or a corpus.yaml")
    parser.add_argument("--config", default="transformer", help="configuration, or kind of model, to train")
    parser.add_argument("--set", action="append", default=[], dest="settings", metavar="KEY=VALUE")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--root", type=Path, help="keep the runs in this folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.root or Path(folder)
        accuracies = []
        for seed in arguments.seeds:
            report = run(arguments.data, root, arguments.config, arguments.settings, seed)
            metrics, nodes = report["metrics"], report["nodes"]
            accuracies.append(metrics["accuracy"])  # type: ignore[index]
            trainer = nodes["Trainer"]["seconds"]  # type: ignore[index]
            print(f"seed {seed}: {accuracies[-1]:.4f}, Trainer {trainer:.0f} s", flush=True)
    described = arguments.data.is_file()
    test = report["documents"]["evaluation"]["verdict"]["linear_test"]  # type: ignore[index]
    if described and not test:
        print(f"{arguments.config}: {statistics.mean(accuracies):.4f}")
        return
    linear = test["baseline_accuracy"] if described else reference(arguments.data)
    name = "linear model of the run" if described else "linear SVM on TF-IDF bigrams"
    mean = statistics.mean(accuracies)
    print(f"{arguments.config}: mean of {len(accuracies)} seeds {mean:.4f}")
    print(f"{name}: {linear:.4f}; difference {mean - linear:+.4f}; ratio {mean / linear:.4f}")


if __name__ == "__main__":
    main()
