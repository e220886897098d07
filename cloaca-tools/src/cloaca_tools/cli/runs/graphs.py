"""Writes graphs of tasks: of a run, and of a workflow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloaca_core.engine.calls.call import Call
    from cloaca_tools.cli.output import Output
    from cloaca_tools.cli.where import Where
    from cloaca_tools.observer import Observer
    from cloaca_tools.views import Graph


def write_graph(where: Where, out: Output, ask: Callable[[Observer], Call[Graph]]) -> None:
    """Write the graph that is asked for: as a Mermaid flowchart for people."""
    with where.observing() as observer:
        found = ask(observer).wait()
    out.one("graph", found.to_dict(), lambda: [found.mermaid()])
