"""Whether the statistics of a run's rows allow to go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from agnews.components.drift.measure_distances import MEASURE, measure_distances
from agnews.schemas.corpus import Distances
from agnews.schemas.data_check import DataCheck, Distance, Finding
from agnews.schemas.errors import AgnewsError
from agnews.schemas.feature_counts import FeatureCounts
from agnews.schemas.features import TEST, TRAIN

_TYPES = {1: "bytes", 2: "an integer", 3: "a float", 4: "a structure"}


def describe_rules(feature: Any) -> str:
    """Says what the schema allows in one feature.

    Args:
        feature: tensorflow_metadata's Feature.

    Returns:
        One line: `an integer, in every row, one value, 0 to 3`.
    """
    rules = [_TYPES.get(feature.type, "any type")]
    if feature.presence.min_fraction == 1.0:
        rules.append("in every row")
    elif feature.presence.min_fraction > 0.0:
        rules.append(f"in at least {feature.presence.min_fraction:.0%} of the rows")
    if feature.HasField("shape") and not feature.shape.dim:
        rules.append("one value")
    if feature.HasField("int_domain"):
        rules.append(_range(feature.int_domain))
    if feature.HasField("string_domain"):
        rules.append(f"one of {', '.join(feature.string_domain.value)}")
    return ", ".join(rules)


def _range(domain: Any) -> str:
    if domain.HasField("max"):
        return f"{domain.min} to {domain.max}"
    return f"{domain.min} or more"


MIN_ROWS_TO_COMPARE = 50
"""A distance between smaller samples is told and never stops a run: what is known of chance holds for larger ones."""

_ERROR = 2  # AnomalyInfo.Severity of tensorflow_metadata, whose messages carry no types here.
_SAMPLES = {"skew": "train against test", "drift": "train against the last push"}


def check_statistics(
    counts: Mapping[str, FeatureCounts],
    schema: Any,
    *,
    rows: Mapping[str, int],
    anomalies: Mapping[str, Any],
    distances: Distances,
    baseline_counts: FeatureCounts | None = None,
    baseline: str | None = None,
    fail_on_drift: bool = False,
) -> DataCheck:
    """Judges the rows of a run by their statistics.

    Args:
        counts: What is counted of `train` and `test`.
        schema: tensorflow_metadata's Schema, with the rules.
        rows: Rows by split.
        anomalies: tensorflow_metadata's Anomalies by split, as ExampleValidator finds them.
        distances: How far samples may be apart.
        baseline_counts: Counts of the rows that the model in production learnt from, or None where there is no such
            model.
        baseline: Version of that model.
        fail_on_drift: Whether drift stops the run. Skew always does: it makes the test figures worthless.

    Returns:
        What was found; `passed` is False if any of it stops the run.
    """
    features = {feature.name: feature for feature in schema.feature}
    measured = list(_measure("skew", counts[TRAIN], counts[TEST], distances))
    if baseline_counts is not None:
        measured += _measure("drift", counts[TRAIN], baseline_counts, distances)
    findings = [
        *(finding for split, of_split in anomalies.items() for finding in _read_anomalies(split, of_split, features)),
        *(
            _judge(distance, may_stop=distance.kind == "skew" or fail_on_drift)
            for distance in measured
            if distance.value > distance.threshold
        ),
    ]
    findings.sort(key=lambda finding: not finding.stops)
    return DataCheck(
        passed=not any(finding.stops for finding in findings),
        rows=dict(rows),
        findings=tuple(findings),
        distances=tuple(measured),
        baseline=baseline,
    )


def _read_anomalies(split: str, anomalies: Any, features: Mapping[str, Any]) -> Iterator[Finding]:
    if anomalies.data_missing:
        yield Finding(
            kind="anomaly", where=split, feature="", seen="no rows at all", allowed="at least one row", stops=True
        )
    whole = [("", anomalies.dataset_anomaly_info)] if anomalies.HasField("dataset_anomaly_info") else []
    for name, info in (*anomalies.anomaly_info.items(), *whole):
        rule = describe_rules(features[name]) if name in features else "only the features that the schema names"
        for reason in info.reason:
            yield Finding(
                kind="anomaly",
                where=split,
                feature=name,
                seen=reason.description or reason.short_description,
                allowed=rule,
                stops=info.severity == _ERROR,
            )


def _measure(
    kind: Literal["skew", "drift"], train: FeatureCounts, other: FeatureCounts, distances: Distances
) -> Iterator[Distance]:
    for found in measure_distances(train, other, noise=distances.noise, tolerance=distances.tolerance):
        yield Distance(
            kind=kind,
            feature=found.feature,
            measure=MEASURE,
            value=found.value,
            threshold=found.threshold,
            rows=(train.rows, other.rows),
        )


_WHAT = {
    "label": "the shares of the classes",
    "num_words": "the lengths in words",
    "num_characters": "the lengths in characters",
    "has_markup": "the share of texts with markup",
    "character_pairs": "the letters and their neighbours: another language, encoding or source",
}


def _judge(distance: Distance, *, may_stop: bool) -> Finding:
    enough = min(distance.rows) >= MIN_ROWS_TO_COMPARE
    of_rows = f"between {distance.rows[0]:,} and {distance.rows[1]:,} rows"
    too_few = "" if enough else f"; below {MIN_ROWS_TO_COMPARE} rows this stops nothing"
    return Finding(
        kind=distance.kind,
        where=_SAMPLES[distance.kind],
        feature=distance.feature,
        seen=f"{distance.measure.replace('_', ' ')} {distance.value:.3g} {of_rows}{too_few}",
        allowed=f"at most {distance.threshold:.3g} ({_WHAT[distance.feature]})",
        stops=may_stop and enough,
    )


_FIXES = {
    "anomaly": "look at the rows (`agnews corpus check`), or, if they are right, mend the limits in the description of "
    "the corpus",
    "skew": "train and test must come from the same source: check that both files are of one corpus and whole; where "
    "they differ on purpose, say how much in corpus.yaml, distances.tolerance",
    "drift": "see whether the texts changed or their source did; set data.fail_on_drift to false to train all the same",
}


def require_clean(check: DataCheck) -> None:
    """Does nothing if the rows may be learnt from.

    Args:
        check: What the gate found.

    Raises:
        AgnewsError: Something stops the run. Names each feature, what was seen, and what is allowed.
    """
    stopping = [finding for finding in check.findings if finding.stops]
    if not stopping:
        return
    kinds = dict.fromkeys(finding.kind for finding in stopping)
    raise AgnewsError(
        f"The rows break {len(stopping)} rule{'s' if len(stopping) > 1 else ''} of the schema. Nothing was trained.",
        found="".join(f"\n    {_tell(finding)}" for finding in stopping),
        fix="; ".join(_FIXES[kind] for kind in kinds).capitalize() + ".",
    )


def _tell(finding: Finding) -> str:
    feature = f"feature `{finding.feature}`" if finding.feature else "the rows"
    return f"{feature} ({finding.where}): {finding.seen}\n      allowed: {finding.allowed}"
