"""The workflows that runners have recorded here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloaca_core.values.times.instants import SECOND
from cloaca_tools.ui.charts.strip import Strip, strip
from cloaca_tools.ui.visit import Address, Visit
from cloaca_tools.views import Filter, Term
from cloaca_tools.views.workflows.statistics import percentile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from cloaca_tools.views import RunLine, WorkflowLine

PAGE: Final = 50
LAST: Final = 25


@dataclass(frozen=True, slots=True)
class Line:
    """A workflow of the list: with its last runs, and the middle duration of those that completed,
    in seconds.
    """

    of: WorkflowLine
    strip: Strip
    p50: float | None


async def workflows(visit: Visit) -> Response:
    """A page of workflows whose names have a text in them: by trouble, or by name."""
    q, start = visit.query("q").strip(), visit.number("from")
    known = await visit.site.observer.workflows()
    found = [each for each in known if q.casefold() in each.workflow.casefold()]
    by_name = visit.query("sort") == "name"
    if not by_name:
        found.sort(key=trouble)
    shown = found[start : start + PAGE]
    runs = await visit.site.observer.strips([each.workflow for each in shown], last=LAST)
    return await visit.page(
        "workflows.html",
        q=q,
        sort="name" if by_name else "",
        known=len(known),
        found=len(found),
        lines=[line(each, runs[each.workflow]) for each in shown],
        start=start,
        next=start + PAGE if start + PAGE < len(found) else None,
        runs_of=runs_of,
    )


def trouble(of: WorkflowLine) -> tuple[bool, int]:
    """The place of a workflow among those of the list: first where the last run failed, and then
    where more of the newest runs did. Others stay by name.
    """
    is_failing = of.last_run is not None and of.last_run.status == "Failed"
    return not is_failing, -of.counts.get("Failed", 0)


def line(workflow: WorkflowLine, runs: Sequence[RunLine]) -> Line:
    """A workflow and its last runs, newest first."""
    done = [
        round(run.seconds * SECOND)
        for run in runs
        if run.status == "Completed" and run.seconds is not None
    ]
    return Line(workflow, strip([run.status for run in reversed(runs)], LAST), percentile(done, 50))


def runs_of(workflow: str, **terms: str) -> str:
    """The filter for runs of a workflow that meet these terms as well."""
    all_of_them = {"workflow": workflow, **terms}
    return str(Filter(tuple([Term(key, (value,)) for key, value in all_of_them.items()])))


ROUTES: Final[tuple[Address, ...]] = (("GET", "/workflows", workflows),)
