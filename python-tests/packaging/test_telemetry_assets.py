"""The dashboard and the alert rules name metrics that there are; the reference has all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from documents import DOCS

from cloaca_core.telemetry.exposition import WHAT

RULES = DOCS / "assets" / "cloaca-alerts.yml"
DASHBOARD = DOCS / "assets" / "grafana-cloaca.json"
REFERENCE = DOCS / "reference" / "telemetry.md"

_NAME = re.compile(r"\bcloaca_\w+")
_RATED = re.compile(r"(?:rate|increase)\((\w+)")
_LABELS = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
_HISTOGRAMS = {name for name in WHAT if name.endswith("_seconds")} - {
    "cloaca_oldest_pending_seconds",
    "cloaca_loop_last_success_seconds",
}


def series() -> set[str]:
    """The names that an expression may use."""
    parts = {f"{name}_{part}" for name in _HISTOGRAMS for part in ("bucket", "count", "sum")}
    return set(WHAT) - _HISTOGRAMS | parts


def labels_of_metrics() -> dict[str, set[str]]:
    """The labels of each metric, as the reference has them."""
    found = {}
    for line in REFERENCE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if (name := cells[0].strip("`")).startswith("cloaca_"):
            found[name] = set(re.findall(r"`(\w+)`", cells[1]))
    return found


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    assert set(group) == {"name", "rules"}
    found: list[dict[str, Any]] = group["rules"]
    return found


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return found


def queries() -> Iterator[tuple[str, str]]:
    """Where each query stands, and its text."""
    for rule in rules():
        yield rule["alert"], rule["expr"]
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


@pytest.mark.parametrize(("where", "query"), list(queries()))
def test_a_query_names_metrics_and_labels_that_there_are(where: str, query: str) -> None:
    names = set(_NAME.findall(query))
    assert names, where
    assert names <= series()
    known = set().union(*(labels_of_metrics()[_family(name)] for name in names))
    assert set(_LABELS.findall(query)) <= known | {"job", "instance"}


@pytest.mark.parametrize(("where", "query"), list(queries()))
def test_a_query_is_well_formed(where: str, query: str) -> None:
    for opening, closing in ("()", "{}", "[]"):
        assert query.count(opening) == query.count(closing), where
    rated = {name for name in _RATED.findall(query) if name.startswith("cloaca_")}
    counters = {name for name in rated if name.endswith(("_total", "_bucket", "_sum", "_count"))}
    assert rated == counters, "only what grows has a rate"


def _family(name: str) -> str:
    for part in ("_bucket", "_count", "_sum"):
        if (family := name.removesuffix(part)) in WHAT:
            return family
    return name


def test_alert_rules_have_the_form_of_prometheus() -> None:
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"Cloaca[A-Za-z]+", rule["alert"])
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)


def test_annotations_use_labels_that_their_query_keeps() -> None:
    for rule in rules():
        used = re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"]))
        kept = {
            label.strip()
            for by in re.findall(r"by \(([^)]*)\)", rule["expr"])
            for label in by.split(",")
        }
        assert set(used) <= kept, rule["alert"]


def test_the_dashboard_shows_every_metric() -> None:
    text = json.dumps([panel["targets"] for panel in dashboard()["panels"]])
    assert {name for name in WHAT if name not in text} == set()


def test_panels_are_beside_each_other() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24


def test_the_reference_has_every_metric_with_its_labels() -> None:
    assert set(labels_of_metrics()) == set(WHAT)
