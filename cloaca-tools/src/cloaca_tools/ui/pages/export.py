"""A run as one file that needs nothing else: to be kept, or sent to a colleague."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from markupsafe import Markup
from starlette.responses import Response

from cloaca_tools.ui.charts.rows import CHUNK, apart, chunks, hidden_apart
from cloaca_tools.ui.charts.timeline import chart
from cloaca_tools.ui.pages import pane
from cloaca_tools.ui.pages.cause import cause
from cloaca_tools.ui.pages.downloads import attachment, file_name
from cloaca_tools.ui.runs.history_rows import history_part
from cloaca_tools.ui.templating import STATIC, templates
from cloaca_tools.ui.visit import Address, Visit

if TYPE_CHECKING:
    from cloaca_core.features.task_logs.views import LogLine
    from cloaca_tools.views.run.inspection import Inspection
    from cloaca_tools.views.run.task_details import TaskDetails
    from cloaca_tools.views.run.tree import RunTree, TaskNode

DETAILED: Final = 100
"""Tasks whose details are in the file; those that failed are the first of them."""
LINES: Final = 1_000
"""Lines of the log of each."""
ROWS: Final = 2_000
"""Tasks that are in its timeline, about."""
_STYLES: Final = ("tokens.css", "page.css", "run.css")
_FIRST: Final = ("Failed", "Waiting", "Running", "Cancelled")


@dataclass(frozen=True, slots=True)
class InFile:
    """Where the rows of the timeline lead: to the details of their tasks, by place in the file."""

    run_id: str
    places: Mapping[str, int]
    view: str = "timeline"

    @property
    def paths(self) -> InFile:
        """The file has no other pages."""
        return self

    def run(self, _: str) -> str:
        """Another run has no page here."""
        return "#page"

    def of_task(self, run_id: str, task: str) -> str:
        """The details of a task, else the top."""
        place = self.places.get(task) if run_id == self.run_id else None
        return "#page" if place is None else f"#task-{place}"

    def of_own_task(self, task: str) -> str:
        """The address of a task of the run of the file."""
        return self.of_task(self.run_id, task)

    def is_at(self, _: str, __: str) -> bool:
        """No task is selected."""
        return False


async def export(visit: Visit) -> Response:
    """The run as a file."""
    with visit.site.exports.one(visit.visitor.name):
        return await _file(visit)


async def _file(visit: Visit) -> Response:
    observer, ref = visit.site.observer, visit.request.path_params["run_id"]
    # On another thread: a run of 10,000 tasks takes a while to be shaped.
    seen = await visit.on_thread(observer.inspect(ref).wait)
    run, nodes = seen.tree.run, detailed(seen.tree)
    details = await observer.tasks(run.id, [node.task_id for node in nodes])
    lines = await observer.logs(run.id)
    text = await visit.on_thread(_written, visit, seen, nodes, details, lines)
    return attachment(text, file_name(run.workflow_name, run.id, ending="html"), "text/html")


def detailed(tree: RunTree) -> list[TaskNode]:
    """The tasks whose details are in the file, in definition order."""
    begun = [each for each in tree.tasks if each.status not in ("NotStarted", "Skipped")]
    chosen = sorted(begun, key=lambda each: each.status not in _FIRST)[:DETAILED]
    names = {each.task_id for each in chosen}
    return [each for each in begun if each.task_id in names]


@cache
def style() -> tuple[str, str]:
    """The styles of the page as one text, and the source by which a policy names it."""
    text = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in _STYLES)
    return text, f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def _written(
    visit: Visit,
    seen: Inspection,
    nodes: Sequence[TaskNode],
    details: Sequence[TaskDetails],
    lines: Sequence[LogLine],
) -> str:
    """The text of the file; takes its time."""
    (text, source), tree = style(), seen.tree
    begun = sum(each.status not in ("NotStarted", "Skipped") for each in tree.tasks)
    shown = range(min(ROWS, len(tree.tasks)) // CHUNK + 1)
    return (
        templates()
        .get_template("run/export.html")
        .render(
            visit=visit,
            at=visit.paths,
            clock=visit.clock,
            may_act=False,
            export=True,
            nonce="",
            redact=visit.site.redact,
            style=Markup(text),  # noqa: S704 - files of this package, no data
            style_source=source,
            seen=seen,
            tree=tree,
            run=tree.run,
            place=InFile(tree.run.id, {node.task_id: place for place, node in enumerate(nodes, 1)}),
            chunks=[each for each in chunks(tree, seen.timeline, shown) if each.rows is not None],
            apart=apart(tree, seen.timeline),
            hidden=hidden_apart(tree),
            chart=chart(seen, visit.clock, visit.clock.zone, fold=True),
            cause=cause(seen, visit.clock),
            history=history_part(seen.history, visit.site.redact),
            panes=[
                _pane(visit, tree, node, each, lines)
                for node, each in zip(nodes, details, strict=True)
            ],
            left_out=begun - len(nodes),
        )
    )


def _pane(
    visit: Visit, tree: RunTree, node: TaskNode, details: TaskDetails, lines: Sequence[LogLine]
) -> pane.Pane:
    number = 0 if details.change is None else details.change.attempt
    own = [each for each in lines if each.task_id == node.task_id and each.attempt == number]
    log = pane.newest(own, LINES)
    return pane.shaped(tree, node, details, log, "", visit.site.redact)


ROUTES: Final[tuple[Address, ...]] = (("GET", "/runs/{run_id}/export", export),)
