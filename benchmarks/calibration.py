"""What the temperature is worth: calibration error and log loss on the test split, with it and without.

agnews run --root /tmp/calibration --data DIR [--model MODEL] ...
python benchmarks/calibration.py /tmp/calibration

Takes the predictions of every run under the roots. Those of a calibrated model are turned back into what it would have
said without its temperature: softmax of T log p. The temperature was fitted on the eval split, and nothing was on the
test split.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy import special
from sklearn.metrics import log_loss

from agnews.components.evaluator.tally import CALIBRATION_BINS, calibration_bin
from agnews.schemas.run_report import RunReport


def main() -> None:
    """Prints a row for each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("roots", nargs="+", type=Path)
    print("| model | training rows | temperature | calibration error without | with | log loss without | with |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for root in parser.parse_args().roots:
        for path in sorted(root.glob("runs/*/report.json")):
            report = RunReport.model_validate_json(path.read_bytes())
            training, evaluator = report.documents.training, report.nodes.get("Evaluator")
            if training is None or evaluator is None or "predictions" not in evaluator.outputs:
                continue
            temperature = float(str(training.model["temperature"]))
            table = pq.read_table(Path(evaluator.outputs["predictions"]) / "test.parquet")
            labels = table["label"].to_numpy()
            calibrated = np.stack(table["probabilities"].to_numpy()).astype(np.float64)
            plain = special.softmax(temperature * np.log(np.maximum(calibrated, 1e-30)), axis=1)
            if not np.array_equal(plain.argmax(axis=1), calibrated.argmax(axis=1)):
                raise SystemExit("The temperature has changed an answer.")
            pair = (plain, calibrated)
            errors = [f"{100 * calibration_error(each, labels):.2f} %" for each in pair]
            losses = [f"{log_loss(labels, each / each.sum(axis=1, keepdims=True)):.4f}" for each in pair]
            rows = training.model["train_rows"]
            print(f"| {report.model['kind']} | {rows:,} | {temperature:.3f} | {' | '.join(errors + losses)} |")


def calibration_error(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Returns the expected calibration error of the top class, as the evaluation defines it."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    gaps = np.zeros(CALIBRATION_BINS)
    np.add.at(gaps, calibration_bin(confidence), confidence - right)
    return float(np.abs(gaps).sum() / len(labels))


if __name__ == "__main__":
    main()
