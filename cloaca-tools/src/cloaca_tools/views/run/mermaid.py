"""A graph as the text of a Mermaid flowchart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

_SHAPES: Final = {
    "sleep": ("([", "])"),
    "event": ("([", "])"),
    "approval": ("{{", "}}"),
    "child": ("[[", "]]"),
    "loop": ("[[", "]]"),
}
_COLOURS: Final = {
    "Completed": "fill:#d3f2dc,stroke:#1a7f37,color:#0b3317",
    "Failed": "fill:#ffd8d3,stroke:#b3261e,color:#45100c",
    "Running": "fill:#d6e7ff,stroke:#1f5fbf,color:#0b2a57",
    "Waiting": "fill:#fff0c9,stroke:#946200,color:#3d2800",
    "Skipped": "fill:#eeeeee,stroke:#6e6e6e,color:#333333",
    "Cancelled": "fill:#eadcf5,stroke:#6b3fa0,color:#2c1547",
}


class Box(NamedTuple):
    """A node: its name, its kind, its state and the computation graph that it invokes; None for
    none.
    """

    name: str
    kind: str
    status: str | None
    invokes: str | None = None


def flowchart(boxes: Sequence[Box], edges: Iterable[tuple[str, str]]) -> str:
    """The lines of a flowchart from top to bottom. Names of tasks are labels, as they may hold any
    sign; nodes are numbered.
    """
    names = {box.name: f"n{number}" for number, box in enumerate(boxes)}
    lines = ["flowchart TD", *[f"    {_node(names[box.name], box)}" for box in boxes]]
    lines += [f"    {names[source]} --> {names[target]}" for source, target in edges]
    used = sorted({str(box.status) for box in boxes if box.status in _COLOURS})
    lines += [f"    classDef {status} {_COLOURS[status]}" for status in used]
    return "\n".join(lines)


def _node(number: str, box: Box) -> str:
    opening, closing = _SHAPES.get(box.kind, ("[", "]"))
    coloured = f":::{box.status}" if box.status in _COLOURS else ""
    return f'{number}{opening}"{_label(box)}"{closing}{coloured}'


def _label(box: Box) -> str:
    text = _escaped(box.name)
    if box.invokes is not None:
        text = f"{text}<br/>invokes {_escaped(box.invokes)}"
    return text if box.status is None else f"{text}<br/>{box.status}"


def _escaped(text: str) -> str:
    """Text that Mermaid takes as it is: other signs as numbers."""
    return "".join(
        [sign if sign.isalnum() or sign in " _.-:/" else f"#{ord(sign)};" for sign in text]
    )
