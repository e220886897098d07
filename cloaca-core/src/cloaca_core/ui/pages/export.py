"""A run as one file that needs nothing else: to be kept, or sent to a colleague."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from markupsafe import Markup
from starlette.responses import Response

from cloaca_core.ui.asking import Address, Ask
from cloaca_core.ui.pages import pane
from cloaca_core.ui.pages.downloads import attachment, file_name
from cloaca_core.ui.templating import STATIC, templates

if TYPE_CHECKING:
    from cloaca_core.observe.task_details import TaskDetails
    from cloaca_core.observe.tree import RunTree, TaskNode
    from cloaca_core.runner.explain.explanation import Explanation
    from cloaca_core.runner.task_logs import LogLine

DETAILED: Final = 100
"""Tasks whose details are in the file; those that failed are the first of them."""
LINES: Final = 1_000
"""Lines of the log of each."""
_STYLES: Final = ("tokens.css", "page.css")
_FIRST: Final = ("Failed", "Waiting", "Running", "Cancelled")


async def export(ask: Ask) -> Response:
    """The run as a file."""
    observer = ask.desk.observer
    tree = await observer.tree(ask.request.path_params["run_id"])
    nodes = detailed(tree)
    details = await observer.tasks(tree.run.id, [node.task for node in nodes])
    lines = await observer.logs(tree.run.id)
    explanation = await observer.explain(tree.run.id)
    text = await asyncio.to_thread(_written, ask, tree, nodes, details, lines, explanation)
    name = file_name(tree.run.workflow_name, tree.run.id, ending="html")
    return attachment(text, name, "text/html")


def detailed(tree: RunTree) -> list[TaskNode]:
    """The tasks whose details are in the file, in definition order."""
    begun = [each for each in tree.tasks if each.status not in ("NotStarted", "Skipped")]
    chosen = sorted(begun, key=lambda each: each.status not in _FIRST)[:DETAILED]
    names = {each.task for each in chosen}
    return [each for each in begun if each.task in names]


@cache
def style() -> tuple[str, str]:
    """The styles of the page as one text, and the source by which a policy names it."""
    text = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in _STYLES)
    return text, f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _written(
    ask: Ask,
    tree: RunTree,
    nodes: list[TaskNode],
    details: tuple[TaskDetails, ...],
    lines: list[LogLine],
    explanation: Explanation,
) -> str:
    """The text of the file; takes its time."""
    text, source = style()
    panes = [_pane(ask, tree, node, each, lines) for node, each in zip(nodes, details, strict=True)]
    begun = sum(each.status not in ("NotStarted", "Skipped") for each in tree.tasks)
    return (
        templates()
        .get_template("run/export.html")
        .render(
            ask=ask,
            at=ask.paths,
            clock=ask.clock,
            may_act=False,
            export=True,
            style=Markup(text),  # noqa: S704 - files of this package, no data
            style_source=source,
            tree=tree,
            run=tree.run,
            explanation=explanation,
            panes=panes,
            left_out=begun - len(panes),
        )
    )


def _pane(
    ask: Ask, tree: RunTree, node: TaskNode, details: TaskDetails, lines: list[LogLine]
) -> pane.Pane:
    number = 0 if details.change is None else details.change.attempt
    own = [each for each in lines if each.task_id == node.task and each.attempt == number]
    log = pane.newest(own, LINES)
    return pane.shaped(tree, node, details, log, "", ask.desk.redact)


ROUTES: Final[tuple[Address, ...]] = (("GET", "/runs/{run_id}/export", export),)
