"""The page: what it says, and that a browser, a screen reader and an archive can use it."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from lxml import etree, html

from agnews.components.report.assemble_report import assemble_report, read_documents
from agnews.components.report.render_report import render_report
from agnews.components.report.wilson_interval import wilson_interval
from agnews.schemas.linear_check import DoubtfulLabel, LabelDoubts
from agnews.schemas.run_report import NodeSummary, RunDocuments, RunReport

AFTER_EVALUATION = {"decision", "classes", "calibration", "slices", "mistakes", "labels"}
ALL = AFTER_EVALUATION | {"training", "serving", "data", "drift", "tokens", "steps", "settings", "versions"}


def report_of(documents: RunDocuments, *nodes: str, **facts: Any) -> RunReport:
    summaries = {name: NodeSummary(state="done", seconds=1.5) for name in nodes}
    if error := facts.get("error"):
        summaries["Transform"] = NodeSummary(state="failed", seconds=0.5)
        facts["error"] = error
    return assemble_report(
        documents,
        run_id="20261122T140000-abcd",
        model={"kind": "transformer", "hidden_dim": 64},
        settings={"training": {"epochs": 4}},
        nodes=summaries,
        **facts,
    )


@pytest.fixture
def whole(make_run: Any) -> Callable[..., RunReport]:
    """The report of a run that came to its end."""

    def make(**how: Any) -> RunReport:
        documents = read_documents(make_run(**how).uris)
        return report_of(documents, "NewsExampleGen", "Trainer", "Pusher", seconds=61.5, peak_rss_mb=1500.0)

    return make


def parsed(page: str) -> Any:
    """Parses strictly: only elements that are younger than the parser are forgiven."""
    parser = etree.HTMLParser(huge_tree=True)
    tree = html.document_fromstring(page, parser=html.HTMLParser())
    etree.fromstring(page, parser=parser)
    errors = [error for error in parser.error_log if error.type_name != "HTML_UNKNOWN_TAG"]
    assert errors == []
    return tree


def sections(tree: Any) -> set[str]:
    anchors = {each.get("id") for each in tree.iter("section")}
    assert {link.get("href").removeprefix("#") for link in tree.xpath("//nav//a")} == anchors
    return anchors


@pytest.mark.parametrize("blessed", [True, False])
@pytest.mark.parametrize("baseline", [True, False])
def test_a_whole_run_has_all_sections(whole: Any, blessed: bool, baseline: bool) -> None:
    page = render_report(whole(blessed=blessed, baseline=baseline))
    tree = parsed(page)
    assert sections(tree) == ALL
    assert tree.findtext(".//h1") == ("Blessed and pushed" if blessed else "Not blessed")
    assert ("1763820000" in page) == baseline
    assert (tree.find(".//svg[@role='img']/title").text == "Difference in accuracy to the baseline") == baseline


def test_the_figures_are_those_of_the_evaluation(whole: Any) -> None:
    report = whole()
    tree = parsed(render_report(report))
    metrics = report.metrics
    assert metrics is not None
    figures = [each.text_content().replace("\xa0", " ") for each in tree.xpath("//dd[@class='value']")]
    assert figures[0] == f"{100 * metrics.accuracy:.2f} %"
    low, high = wilson_interval(round(metrics.accuracy * metrics.count), metrics.count)
    assert f"{100 * low:.1f} % to {100 * high:.1f} %" in tree.text_content().replace("\xa0", " ")
    matrix = [
        [int(cell.text_content().replace(",", "")) for cell in row.iter("td")]
        for row in tree.xpath("//table[contains(@class, 'matrix')]/tbody/tr")
    ]
    assert matrix == [list(row) for row in metrics.confusion_matrix]
    shares = tree.xpath("//section[@id='classes']//table[1]/tbody/tr[1]/td")
    scores = metrics.per_class[0]
    assert [each.text_content().replace("\xa0", " ") for each in shares[:3]] == [
        f"{100 * share:.1f} %" for share in (scores.precision, scores.recall, scores.f1)
    ]


def test_drift_over_its_threshold_catches_the_eye(whole: Any) -> None:
    tree = parsed(render_report(whole()))
    (over,) = tree.xpath("//section[@id='drift']//span[contains(@class, 'over')]")
    assert "0.0810" in over.getparent().text_content()
    assert "a divergence of 0.081" in tree.xpath("//section[@id='drift']")[0].text_content()


def test_the_error_of_a_failed_run_comes_first_and_what_is_known_is_shown(make_run: Any) -> None:
    known = read_documents({k: v for k, v in make_run().uris.items() if k[0] in {"NewsExampleGen"}})
    report = report_of(known, "NewsExampleGen", error="The vocabulary does not fit.\n  found: 9 %\n  fix:   another")
    tree = parsed(render_report(report))
    assert sections(tree) == {"error", "data", "steps", "settings", "versions"}
    assert tree.findtext(".//h1") == "Failed in Transform"
    assert next(tree.iter("section")).get("id") == "error"
    assert "fix:   another" in tree.findtext(".//pre")


def test_an_interrupted_run_says_so() -> None:
    tree = parsed(render_report(report_of(RunDocuments(), error="interrupted")))
    assert tree.findtext(".//h1") == "Interrupted"


def test_a_run_that_ended_early_says_why() -> None:
    tree = parsed(render_report(report_of(RunDocuments(), ended_early="Nothing is new since version 17 was pushed.")))
    assert tree.findtext(".//h1") == "Nothing new"
    assert "since version 17" in tree.findtext(".//header/p[2]")
    assert sections(tree) == {"settings", "versions"}


def test_a_record_without_facts_about_the_model_is_shown_all_the_same(whole: Any) -> None:
    report = whole()
    training = report.documents.training.model_copy(update={"model": {}})
    tree = parsed(render_report(report_of(report.documents.model_copy(update={"training": training}))))
    assert "training" in sections(tree)
    assert "parameters learnt" not in tree.text_content()


def test_an_ensemble_says_what_its_members_get_alone(whole: Any) -> None:
    report = whole()
    assert "Members" not in parsed(render_report(report)).text_content()
    training = report.documents.training
    members = [
        {"name": "bert_frozen", "share": 0.431, "eval_accuracy": 0.9058},
        {"name": "linear", "share": 0.569, "eval_accuracy": 0.9123},
    ]
    training = training.model_copy(update={"model": {**training.model, "members": members}})
    tree = parsed(render_report(report_of(report.documents.model_copy(update={"training": training}))))
    (table,) = tree.xpath("//section[@id='training']//table[contains(caption, 'Members')]")
    cells = [[cell.text_content().replace("\xa0", " ") for cell in row] for row in table.xpath("tbody/tr")]
    assert cells == [["bert_frozen", "43.1 %", "90.58 %"], ["linear", "56.9 %", "91.23 %"]]


def test_a_part_of_a_run_is_told_as_such() -> None:
    tree = parsed(render_report(report_of(RunDocuments(), "NewsExampleGen", "Transform")))
    assert tree.findtext(".//h1") == "Not judged: a part of a run"
    assert "It ended with Transform" in tree.findtext(".//header/p[2]")


def test_a_forced_promotion_is_never_told_as_a_blessing(whole: Any) -> None:
    report = whole()
    verdict = report.documents.evaluation.verdict.model_copy(
        update={
            "forced": True,
            "failed_rules": ("not_worse",),
            "reasons": ("promotion was forced, against not_worse", "lost too many rows", "enough rows"),
        }
    )
    evaluation = report.documents.evaluation.model_copy(update={"verdict": verdict})
    documents = report.documents.model_copy(update={"evaluation": evaluation})
    tree = parsed(render_report(report_of(documents)))
    assert tree.findtext(".//h1") == "Promotion forced"
    reasons = [each.get("class") for each in tree.xpath("//ul[@class='reasons']/li")]
    assert reasons == ["forced", "failed", "passed"]


EVIL = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\x00\x1b & \"quoted\" 'quoted' \ud83d\ude00".encode(
    "utf-16", "surrogatepass"
).decode("utf-16")


def test_texts_of_the_data_stay_texts(whole: Any) -> None:
    report = whole(text=EVIL).model_copy(update={"command": f"agnews run --data '{EVIL}'"})
    tree = parsed(render_report(report))
    assert not list(tree.iter("script", "img"))
    assert not tree.xpath("//@onerror")
    shown = tree.xpath("//td[@class='text']")[0].text_content()
    assert shown == EVIL.replace("\x00", "\ufffd").replace("\x1b", "\ufffd")


def test_the_page_lets_nothing_run_and_says_what_it_holds(whole: Any) -> None:
    report = whole()
    tree = parsed(render_report(report))
    (policy,) = tree.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert "script-src" not in rules
    assert rules["form-action"] == rules["base-uri"] == "'none'"
    assert "holds rows of the test split" in tree.xpath("string(//header)")
    without = report.model_copy(update={"documents": report.documents.model_copy(update={"review": None})})
    assert "holds rows" not in parsed(render_report(without)).xpath("string(//header)")


def test_the_page_needs_nothing_from_elsewhere(whole: Any) -> None:
    page = render_report(whole())
    tree = parsed(page)
    assert not list(tree.iter("script", "link", "img", "iframe", "object", "embed", "image"))
    assert not re.search(r"url\((?!#)|@import|@font-face", page)
    assert not [each for each in tree.xpath("//@src | //@xlink:href", namespaces={"xlink": "x"}) if "#" not in each]
    assert len(page.encode()) < 400_000


def test_a_screen_reader_is_told_what_others_see(whole: Any) -> None:
    tree = parsed(render_report(whole()))
    assert tree.get("lang") == "en"
    assert all(table.find("caption").text.strip() for table in tree.iter("table"))
    assert all(cell.get("scope") for cell in tree.iter("th") if cell.text_content().strip())
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
    pictures = tree.xpath("//svg[@role='img']")
    assert len(pictures) == 5
    for picture in pictures:
        named = [tree.get_element_by_id(each).text for each in picture.get("aria-labelledby").split()]
        assert all(named)
        assert picture.find("title") is not None
        assert picture.find("desc") is not None
    assert all(each.get("aria-hidden") == "true" for each in tree.xpath("//svg[not(@role)]"))
    levels = [int(each.tag[1]) for each in tree.xpath("//h1 | //h2 | //h3")]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_colours_follow_the_page_and_the_same_report_gives_the_same_bytes(whole: Any) -> None:
    report = whole()
    page = render_report(report)
    assert page == render_report(RunReport.model_validate_json(report.model_dump_json()))
    body = page[page.index("<body>") :]
    assert not re.search(r"(fill|stroke): #", body), "a fixed colour would not follow dark mode"
    assert "var(--accent)" in body
    style = page[: page.index("<body>")]
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style


def test_the_curve_of_coverage_says_where_the_model_abstains(whole: Any) -> None:
    page = html.document_fromstring(render_report(whole()))
    (section,) = page.xpath("//section[@id='calibration']")
    words = " ".join(section.text_content().split())
    assert "below a probability of 0.8, fitted on 400 eval rows, its answers are marked abstained" in words
    assert section.xpath(".//svg[contains(@aria-labelledby, 'coverage')]")


def test_of_a_model_that_answers_always_the_curve_says_what_abstaining_would_bring(whole: Any) -> None:
    page = html.document_fromstring(render_report(whole(blessed=False)))
    assert "evaluation.abstain_precision asks a model for it" in " ".join(page.text_content().split())
    assert page.xpath("//svg[contains(@aria-labelledby, 'coverage')]")


def test_doubtful_labels_of_training_rows_stand_apart_from_those_of_the_test(whole: Callable[..., RunReport]) -> None:
    report = whole()
    evaluation = report.documents.evaluation
    assert evaluation is not None
    worst = DoubtfulLabel(
        text="<b>Oil</b> soars", label="World", answer="Business", label_probability=0.03, answer_probability=0.91
    )
    doubts = LabelDoubts(rows=2000, in_all=6, worst=(worst,))
    documents = report.documents.model_copy(
        update={"evaluation": evaluation.model_copy(update={"train_labels": doubts})}
    )
    tree = parsed(render_report(report.model_copy(update={"documents": documents})))
    assert sections(tree) == ALL | {"train-labels"}
    (section,) = tree.xpath("//section[@id='train-labels']")
    words = " ".join(section.text_content().split())
    assert "2,000 rows that the model learns from" in words
    assert "The 1 most doubtful of 6 such rows (0.3\N{NO-BREAK SPACE}%)" in section.text_content()
    assert "<b>Oil</b> soars" in words
    assert f"agnews feedback queue --log LOG --doubtful {report.run_id} sends them" in words
