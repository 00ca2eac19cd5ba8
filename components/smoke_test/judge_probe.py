"""Whether what a model answered is what a client may rely on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agnews.schemas import features
from agnews.schemas.class_sets import CHOSEN
from agnews.schemas.smoke_report import Check, SmokeReport

_GOLDEN_SHARE = 0.5
"""Half of the golden texts must be right. Whoever guesses among four classes gets 10 of 20 right in 1.4 % of all cases,
and an export with a wrong vocabulary or shuffled labels does no better than that. A model that passed the floor of the
evaluation on rows of another kind, a generated sample for instance, need not know every name in them."""
_SUM_TOLERANCE, _SAME_TOLERANCE = 1e-3, 1e-4

BATCH = 64
"""Texts in the batch that the probe sends."""

_Answer = Mapping[str, Any]


def judge_probe(
    findings: Mapping[str, Any],
    *,
    class_names: Sequence[str],
    golden_classes: Sequence[int],
    odd_names: Sequence[str],
    one_class: bool = True,
    size_mb: float,
    max_latency_ms: float,
    max_size_mb: float,
) -> SmokeReport:
    """Applies the bounds to what the probe measured.

    Args:
        findings: What `run_probe` returned.
        class_names: Names of the classes.
        golden_classes: The right answers, in the order of the golden texts; empty where the corpus has none.
        odd_names: What is odd about the odd texts, in their order.
        one_class: Whether a text has one class, so that its probabilities sum to one.
        size_mb: Size of the model folder.
        max_latency_ms: Bound of the median time of a request with one text.
        max_size_mb: Bound of the size.

    Returns:
        The report.
    """
    checks = [_check("size", f"{size_mb:.1f} MB", f"at most {max_size_mb:g} MB", size_mb <= max_size_mb)]
    if "error" in findings:
        checks.append(_check("loads", findings["error"], "the model loads and answers in a fresh process", False))
    else:
        checks += [
            _check("loads", f"{findings['load_seconds']:.2f} s", "the model loads in a fresh process", True),
            *_needs_nothing_of_ours(findings),
            *_signatures(findings),
            *_answers(findings, class_names, golden_classes, odd_names, one_class),
            *_other_signatures(findings, class_names),
            *_latency(findings, max_latency_ms),
        ]
    return SmokeReport(
        passed=all(check.passed for check in checks),
        checks=tuple(checks),
        load_seconds=findings.get("load_seconds"),
        latency_ms=findings.get("latency_ms"),
        rows_per_second=findings.get("rows_per_second"),
        size_mb=size_mb,
        peak_rss_mb=findings.get("peak_rss_mb"),
    )


def _check(name: str, found: str, bound: str, passed: bool) -> Check:
    return Check(name=name, passed=passed, found=found, bound=bound)


def _needs_nothing_of_ours(findings: Mapping[str, Any]) -> Iterator[Check]:
    modules = findings["own_modules"]
    yield _check(
        "needs no training code",
        ", ".join(modules[:5]) or "none",
        "no module of the training side is loaded",
        not modules,
    )


def _signatures(findings: Mapping[str, Any]) -> Iterator[Check]:
    wanted = (features.SERVE_TEXT, features.SERVE_EXAMPLES, features.TRANSFORM_FEATURES)
    found = findings["signatures"]
    yield _check("signatures", ", ".join(found) or "none", ", ".join(wanted), set(wanted) <= set(found))


def _answers(
    findings: Mapping[str, Any],
    class_names: Sequence[str],
    golden_classes: Sequence[int],
    odd_names: Sequence[str],
    one_class: bool,
) -> Iterator[Check]:
    if "golden" not in findings:
        return
    well_formed = "int64 class_id, its name as label, and float32 probabilities"
    well_formed += " that sum to one" if one_class else " of each class"
    golden, single = findings["golden"], findings["one_by_one"]
    flaws = [
        flaw
        for flaw in (
            _flaw(golden, class_names, len(single), one_class),
            *(_flaw(one, class_names, 1, one_class) for one in single),
        )
        if flaw
    ]
    yield _check("answers", flaws[0] if flaws else "well-formed", well_formed, not flaws)
    odd = [
        f"{name}: {flaw}"
        for name, answer in zip(odd_names, findings["odd"], strict=True)
        if (flaw := _flaw(answer, class_names, 1, one_class))
    ]
    yield _check("odd texts", "; ".join(odd) or f"{len(odd_names)} answered", well_formed, not odd)
    empty = _flaw(findings["empty"], class_names, 0, one_class)
    yield _check("empty batch", empty or "answered", "a batch without a text gets an answer without a row", not empty)
    if flaws:
        return
    if golden_classes:
        right = int((np.asarray(_values(golden, features.CLASS_ID)) == np.asarray(golden_classes)).sum())
        yield _check(
            "golden texts",
            f"{right} of {len(golden_classes)} right",
            f"at least {_GOLDEN_SHARE:.0%}",
            right >= _GOLDEN_SHARE * len(golden_classes),
        )
    yield _same("deterministic", golden, findings["golden_again"], "the same texts get the same answer twice", 0.0)
    alone = [_values(one, features.PROBABILITIES)[0] for one in single]
    repeated = {features.PROBABILITIES: {"values": (alone * BATCH)[:BATCH]}}
    yield _same(f"batch of {BATCH}", findings["batch"], repeated, "a text gets the same answer alone and in a batch")


def _other_signatures(findings: Mapping[str, Any], class_names: Sequence[str]) -> Iterator[Check]:
    if "examples" in findings and "golden" in findings:
        yield _same(
            features.SERVE_EXAMPLES,
            findings["examples"],
            findings["golden"],
            f"the answers of {features.SERVE_TEXT} for the same texts",
        )
    if "transformed" in findings:
        answer = findings["transformed"]
        flaw = answer.get("error") or _tried(lambda: _token_flaw(answer))
        yield _check(
            features.TRANSFORM_FEATURES,
            flaw or "well-formed",
            "token_ids and padding_mask of one rectangular shape",
            not flaw,
        )


def _latency(findings: Mapping[str, Any], max_latency_ms: float) -> Iterator[Check]:
    if "latency_ms" in findings:
        found = findings["latency_ms"]
        yield _check("latency", f"median {found:.1f} ms", f"at most {max_latency_ms:g} ms", found <= max_latency_ms)


def _values(answer: _Answer, output: str) -> list[Any]:
    values: list[Any] = answer[output]["values"]
    return values


def _flaw(answer: _Answer, class_names: Sequence[str], rows: int, one_class: bool) -> str:
    """What is wrong with an answer for a number of texts, or the empty string."""
    return (
        str(answer["error"])
        if "error" in answer
        else _tried(lambda: _answer_flaw(answer, class_names, rows, one_class))
    )


def _answer_flaw(answer: _Answer, class_names: Sequence[str], rows: int, one_class: bool) -> str:
    wanted = {features.CLASS_ID: "int64", features.CLASS_LABEL: "string", features.PROBABILITIES: "float32"}
    found = {output: answer[output]["dtype"] for output in wanted if output in answer}
    if found != wanted:
        return f"outputs {found}"
    probabilities = np.asarray(_values(answer, features.PROBABILITIES), np.float64).reshape(-1, len(class_names))
    class_ids = np.asarray(_values(answer, features.CLASS_ID), np.int64)
    if not len(probabilities) == len(class_ids) == len(_values(answer, features.CLASS_LABEL)) == rows:
        return f"{len(probabilities)} answers for {rows} texts"
    if not rows:
        return ""
    if not np.isfinite(probabilities).all() or (probabilities < 0.0).any():
        return f"probabilities {probabilities[0].tolist()}"
    if not one_class:
        flaw = _set_flaw(answer, probabilities)
        if flaw:
            return flaw
    off = np.abs(probabilities.sum(axis=1) - 1.0).max()
    if one_class and off > _SUM_TOLERANCE:
        return f"probabilities sum to one only within {off:.2g}"
    if (class_ids != probabilities.argmax(axis=1)).any():
        return f"class_id {class_ids.tolist()} is not the most probable class"
    if [class_names[class_id] for class_id in class_ids] != _values(answer, features.CLASS_LABEL):
        return f"label {_values(answer, features.CLASS_LABEL)} for class_id {class_ids.tolist()}"
    return ""


def _set_flaw(answer: _Answer, probabilities: NDArray[np.float64]) -> str:
    """What is wrong with the classes that a text is given, where it may have several."""
    if CHOSEN not in answer:
        return f"no output {CHOSEN}"
    chosen = np.asarray(_values(answer, CHOSEN), bool)
    if chosen.shape != probabilities.shape:
        return f"{CHOSEN} of shape {chosen.shape}"
    return f"probabilities {probabilities[0].tolist()}" if (probabilities > 1.0 + _SUM_TOLERANCE).any() else ""


def _token_flaw(answer: _Answer) -> str:
    ids = np.asarray(_values(answer, features.TOKEN_IDS))
    mask = np.asarray(_values(answer, features.PADDING_MASK))
    if ids.ndim != 2 or ids.shape != mask.shape:
        return f"token_ids of shape {ids.shape}, padding_mask of shape {mask.shape}"
    return "" if mask.any(axis=1).all() else "a text without a token"


def _same(name: str, one: _Answer, other: _Answer, bound: str, tolerance: float = _SAME_TOLERANCE) -> Check:
    """Compares the probabilities of two answers."""
    error = one.get("error") or other.get("error")
    if error:
        return _check(name, str(error), bound, False)
    first, second = (np.asarray(_values(answer, features.PROBABILITIES)) for answer in (one, other))
    if first.shape != second.shape:
        return _check(name, f"shapes {first.shape} and {second.shape}", bound, False)
    difference = float(np.abs(first - second).max(initial=0.0))
    within = f", within {tolerance:g}" if tolerance else ""
    return _check(name, f"largest difference {difference:.2g}", bound + within, difference <= tolerance)


def _tried(call: Callable[[], str]) -> str:
    """A flaw, also where an answer is so odd that it cannot be looked at."""
    try:
        return call()
    except (LookupError, ValueError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
