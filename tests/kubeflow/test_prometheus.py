"""Alerts and the dashboard: right by promtool's grammar, and about counters that there are."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from agnews.components.model_server.metrics import Metrics
from agnews.schemas.monitor_reference import Estimate, FeatureDrift, MonitorReport

FOLDER = Path(__file__).parents[2] / "kubeflow" / "prometheus"
RULES = sorted(FOLDER.glob("*-rules.yaml"))
DASHBOARD = FOLDER / "grafana-dashboard.json"
_NAME = re.compile(r"\bagnews_[a-z_]+")
_SUFFIXES = ("_total", "_bucket", "_sum", "_count")


@pytest.fixture(scope="module")
def names() -> set[str]:
    """Names of all counters that a server shows."""
    page = Metrics().page().decode()
    found = set(re.findall(r"^# TYPE (agnews_[a-z_]+)", page, re.MULTILINE))
    return found | {f"{name}_bucket" for name in found}


def expressions() -> list[str]:
    rules = [
        rule["expr"]
        for path in RULES
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return rules + [target["expr"] for panel in panels for target in panel["targets"]]


def test_every_expression_is_about_counters_that_there_are(names: set[str]) -> None:
    assert len(RULES) == 2
    for expression in expressions():
        found = set(_NAME.findall(expression))
        assert found, expression
        assert found <= names, expression


def test_promtool_takes_rules_and_expressions(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on this machine: apt-get install prometheus")
    variables = {"$instance": ".*", "$__all": ".*"}
    panels = []
    for number, expression in enumerate(expressions()):
        for name, value in variables.items():
            expression = expression.replace(name, value)
        panels.append({"record": f"panel_{number}", "expr": expression})
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": panels}]}))
    for path in (*RULES, tmp_path / "panels.yaml"):
        checked = subprocess.run([promtool, "check", "rules", str(path)], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_grafana_knows_every_word_of_the_dashboard() -> None:
    """Its own classes, made from its schema, read the file and write it again; what they do not know is gone then."""
    from grafana_foundation_sdk.cog import plugins
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    plugins.register_default_plugins()

    def known(document: object) -> object:
        return json.loads(json.dumps(Dashboard.from_json(copy.deepcopy(document)), cls=JSONEncoder))

    dashboard = json.loads(DASHBOARD.read_text())
    assert lost(dashboard, known(dashboard)) == []
    first = dashboard["panels"][0]
    first["options"]["colourMode"] = "value"
    first["targets"][0]["expression"] = "1"
    assert sorted(lost(dashboard, known(dashboard))) == [
        "/panels/0/options/colourMode",
        "/panels/0/targets/0/expression",
    ]


def lost(document: object, known: object, path: str = "") -> list[str]:
    """What stands in one document and not in the other, by its place."""
    if isinstance(document, dict) and isinstance(known, dict):
        pairs = [(key, value, known.get(key)) for key, value in document.items()]
    elif isinstance(document, list) and isinstance(known, list) and len(document) == len(known):
        pairs = [(str(place), *pair) for place, pair in enumerate(zip(document, known, strict=True))]
    else:
        return [] if document == known else [path]
    return [each for key, value, other in pairs for each in lost(value, other, f"{path}/{key}")]


def test_panels_stand_side_by_side_and_not_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_what_a_look_has_found_is_shown_and_then_forgotten() -> None:
    metrics = Metrics()
    drift = FeatureDrift(
        feature="words", measure="total variation", value=0.25, low=0.2, high=0.3, p=1e-9, tolerance=0.02, alarm=True
    )
    common = {"version": "1", "since": "", "until": "", "rows": 500, "lost": 0}
    estimate = Estimate(value=0.9, low=0.88, high=0.92, rows=500)
    metrics.set_drift(MonitorReport(**common, state="alarm", features=(drift,), estimated_accuracy=estimate))
    page = metrics.page().decode()
    assert 'agnews_drift_distance{feature="words"} 0.25' in page
    assert 'agnews_drift_alarm{feature="words"} 1.0' in page
    assert 'agnews_accuracy{end="low",known="estimated"} 0.88' in page
    assert "agnews_judged_rows 500.0" in page
    metrics.set_drift(MonitorReport(**common, state="too few rows"))
    assert "agnews_drift_alarm{" not in metrics.page().decode()
