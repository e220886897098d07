"""A graph as text for Mermaid."""

from __future__ import annotations

from cloaca_tools.views.run.mermaid import Box, flowchart


def test_nodes_are_numbered_and_names_are_labels() -> None:
    boxes = [
        Box("load", "task", "Completed"),
        Box('say "hi" [now]', "approval", None),
        Box("rest", "sleep", "Waiting"),
        Box("price", "task", "Waiting", invokes="a [b]"),
    ]

    assert flowchart(boxes, [("load", "rest")]).splitlines() == [
        "flowchart TD",
        '    n0["load<br/>Completed"]:::Completed',
        '    n1{{"say #34;hi#34; #91;now#93;"}}',
        '    n2(["rest<br/>Waiting"]):::Waiting',
        '    n3["price<br/>invokes a #91;b#93;<br/>Waiting"]:::Waiting',
        "    n0 --> n2",
        "    classDef Completed fill:#d3f2dc,stroke:#1a7f37,color:#0b3317",
        "    classDef Waiting fill:#fff0c9,stroke:#946200,color:#3d2800",
    ]


def test_a_graph_without_nodes_is_a_chart_without_any() -> None:
    assert flowchart([], []) == "flowchart TD"
