"""The dashboard and the alert rules name metrics that there are; the reference has all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import yaml
from documents import DOCS
from promql_parser import AggregateExpr, Call, Expr, VectorSelector
from tables import each_row

from cloaca_core.features.telemetry.exposition import WHAT

RULES = DOCS / "assets" / "cloaca-alerts.yml"
DASHBOARD = DOCS / "assets" / "grafana-cloaca.json"
REFERENCE = DOCS / "reference" / "telemetry.md"

_OF_ALL = {"job", "instance"}
"""Labels that Prometheus gives to all that it collects."""
_HISTOGRAMS = {name for name in WHAT if name.endswith("_seconds")} - {
    "cloaca_oldest_pending_seconds",
    "cloaca_limit_oldest_seconds",
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


@each_row(("where", "query"), list(queries()))
def test_a_query_is_one_of_prometheus_and_names_what_there_is(where: str, query: str) -> None:
    """The parser refuses what Prometheus does, wrong types of arguments as well."""
    parts = nodes(promql_parser.parse(query))
    found = [part for part in parts if isinstance(part, VectorSelector)]
    assert found, where
    for each in found:
        assert each.name in series()
        wanted = {matcher.name for matcher in each.matchers.matchers}
        assert wanted <= labels_of(each.name) | _OF_ALL
    kept = {label for part in parts for label in grouped_by(part)}
    assert kept <= _OF_ALL | {"le"} | set().union(*[labels_of(each.name) for each in found])


@each_row(("where", "query"), list(queries()))
def test_only_what_grows_has_a_rate(where: str, query: str) -> None:
    for part in nodes(promql_parser.parse(query)):
        if isinstance(part, Call) and part.func.name in ("rate", "increase"):
            (of,) = part.args
            name = of.vector_selector.name
            assert name.endswith(("_total", "_bucket", "_sum", "_count")), where


def nodes(expression: Expr) -> list[Expr]:
    """The parts of a query, itself first."""
    found: list[Expr] = []

    def visit(part: Expr) -> bool:
        found.append(part)
        return True

    promql_parser.walk(expression, visit)
    return found


def grouped_by(part: Expr) -> list[str]:
    """The labels that a sum, a maximum … keeps."""
    if isinstance(part, AggregateExpr) and part.modifier is not None:
        return part.modifier.labels
    return []


def labels_of(name: str | None) -> set[str]:
    """The labels of a metric, as the reference has them."""
    return labels_of_metrics()[_family(name or "")]


def _family(name: str) -> str:
    for part in ("_bucket", "_count", "_sum"):
        if (family := name.removesuffix(part)) in WHAT:
            return family
    return name


def test_alert_rules_have_the_form_of_prometheus() -> None:
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"Cloaca[A-Za-z]+", rule["alert"])
        if "for" in rule:
            promql_parser.parse_duration(rule["for"])
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)


def test_annotations_use_labels_that_their_query_keeps() -> None:
    for rule in rules():
        used = re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"]))
        parts = nodes(promql_parser.parse(rule["expr"]))
        assert set(used) <= {label for part in parts for label in grouped_by(part)}, rule["alert"]


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
