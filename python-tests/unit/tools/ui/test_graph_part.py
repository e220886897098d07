"""The list of tasks that a script draws as a graph."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from cloaca_core.values.option_names import TaskStatus
from cloaca_tools.ui.paths import Paths
from cloaca_tools.ui.templating import templates
from cloaca_tools.views.run.graph import Graph, GraphEdge, GraphNode

_PAGE = """{% import "parts/graph.html" as drawn with context %}
{{ drawn.graph(graph, selected, links, plan=plan, notes=notes) }}{{ drawn.scripts() }}"""


def drawn(
    *nodes: GraphNode,
    edges: tuple[tuple[str, str], ...] = (),
    selected: str = "",
    links: Callable[[str], str] | None = None,
    plan: Mapping[str, str] | None = None,
    notes: Mapping[str, str] | None = None,
) -> str:
    """What the macro writes."""
    graph = Graph("flow", "public::flow", "v", "0123", nodes, tuple([GraphEdge(*e) for e in edges]))
    given: dict[str, Any] = {"at": Paths("/x", "1"), "nonce": "once", "graph": graph, "plan": plan}
    more = {"selected": selected, "links": links, "notes": notes or {}}
    return templates().from_string(_PAGE).render(given | more)


def node(task: str, status: TaskStatus | None = None, **fields: Any) -> GraphNode:
    known: dict[str, Any] = {
        "kind": "task",
        "attempts": 1,
        "seconds": 3.0,
        "rule": None,
        "layer": 0,
    }
    return GraphNode(task=task, status=status, **(known | fields))


def notes_of(page: str) -> list[str]:
    return re.findall(r'<span class="n2">([^<]*)</span>', page)


def test_edges_are_the_places_of_the_tasks_that_each_comes_after() -> None:
    page = drawn(node("c"), node("a"), node("b"), edges=(("a", "c"), ("b", "c")))
    assert re.findall(r'data-after="([^"]*)"', page) == ["1 2"]
    assert "after a, b" in page


def test_many_tasks_before_one_are_counted() -> None:
    names = [f"t{number}" for number in range(9)]
    page = drawn(*map(node, [*names, "z"]), edges=tuple([(name, "z") for name in names]))
    assert "after t0, t1, t2, t3, t4, t5 and 3 others" in page


def test_a_task_of_a_run_tells_how_long_and_how_often() -> None:
    page = drawn(
        node("a", "Completed", seconds=64, attempts=2),
        node("b", "Failed", seconds=None, attempts=3),
        node("c", "Skipped"),
        node("d", "NotStarted", seconds=None, attempts=0),
    )
    assert notes_of(page) == ["1 m 04 s · 2 attempts", "3 attempts", "skipped", "not begun"]
    assert re.findall(r'data-status="([^"]*)"', page) == [
        "completed",
        "failed",
        "skipped",
        "pending",
    ]
    assert page.count('role="img" aria-label="Completed"') == 1


def test_a_task_without_a_state_has_the_note_that_was_given() -> None:
    assert notes_of(drawn(node("a"), node("b"), notes={"b": "p50 3 s"})) == ["p50 3 s"]


def test_tasks_are_links_and_one_is_selected() -> None:
    page = drawn(node("a"), node("b"), selected="b", links=lambda task: f"/t?task={task}&x=1")
    assert '<a href="/t?task=a&amp;x=1" data-task="a">' in page
    assert '<a href="/t?task=b&amp;x=1" data-task="b" aria-current="true">' in page
    assert "<a" not in drawn(node("a"))


def test_a_plan_is_small_and_tells_what_becomes_of_each_task() -> None:
    page = drawn(node("a"), node("b"), plan={"a": "keep", "b": "again"})
    assert " data-small" in page
    assert re.findall(r'data-plan="([^"]*)"', page) == ["keep", "again"]
    assert " data-small" not in drawn(node("a"))


def test_what_users_named_is_text() -> None:
    hostile = '"><script>alert(1)</script>'
    page = drawn(node(hostile, rule=hostile), selected=hostile, links=lambda task: f"/{task}")
    assert "<script>alert" not in page


def test_scripts_have_the_nonce_and_come_in_order() -> None:
    page = drawn(node("a"))
    assert re.findall(r'<script src="/x/static/1/([^"]*)" nonce="once">', page) == [
        *("vendor/dagre.js", "pan_zoom.js", "graph_layout.js", "graph_save.js", "graph.js")
    ]
    assert 'hx-morph-skip-children hx-nonce="once"' in page
