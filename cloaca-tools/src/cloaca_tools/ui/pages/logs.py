"""The lines that the bodies of a run have logged: its fourth view, over all tasks and attempts.

The address says which lines; it works without a script. While the run goes on, an element at the
end of the list asks for further ones each time that something has changed, and the answer brings
the next such element. When the run changes its state, or its owner, the answer is the whole page.
A page that does not follow asks for itself anew, as others do.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response, StreamingResponse

from cloaca_core.errors import TaskNotFoundError
from cloaca_core.features.task_logs.log_book import POSITIONS
from cloaca_tools.ui.pages.downloads import file_name
from cloaca_tools.ui.pages.run import schedule_name, seen_run
from cloaca_tools.ui.refusals import RefusedError
from cloaca_tools.ui.runs.allowed_acts import ENDED
from cloaca_tools.ui.visit import Address, Visit
from cloaca_tools.ui.words.texts import in_json, plain
from cloaca_tools.views.run.log_window import (
    LINES,
    LogSearch,
    LogWindow,
    joined,
    window_of_lines,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.features.task_logs.views import LogLine
    from cloaca_core.values.payloads.redaction import Redact

LEVELS: Final = {"": "All levels", "info": "Info", "warning": "Warnings", "error": "Errors"}
READS: Final = 10
"""Reads of one page, where few lines are what is looked for."""
SHOWN: Final = 3_000
"""Lines of a page that follows; then it begins anew with the newest ones."""
_POSITION: Final = re.compile(r"[0-9]{1,18}")
_ASKED_FOR_NEWS: Final = dict.fromkeys(("after", "was", "shown", "zone", "before", "start"), "")
"""What only the address of further lines has, or says where a window is."""
_OFFERED: Final = 300
"""Tasks that are offered to choose from."""
_SHORT: Final = 10
_MIDDLE: Final = 18
"""Letters of a task's name."""
_PAGE: Final = 2_000
"""Lines that a download reads at once."""


@dataclass(frozen=True, slots=True)
class Said:
    """The text of a line as it is shown, and as it is looked through."""

    redact: Redact

    def __call__(self, line: LogLine) -> str:
        """Its message without secrets, and without codes for terminals."""
        return self.redact(plain(line.message))


async def logs(visit: Visit) -> Response:
    """The page of the lines, or those that came since."""
    if visit.wants == "log-next":
        return await _further(visit)
    return await _page(visit)


async def _page(visit: Visit, *, fragment: bool = False) -> Response:
    ref = visit.request.path_params["run_id"]
    shown = await seen_run(visit, ref)
    seen = shown.inspection
    run, search = seen.tree.run, _search(visit)
    found = await _found(visit, run.id, search)
    names = [each.task_id for each in seen.tree.tasks if each.started_at is not None]
    parts = _parts(visit, search, found, run.status, len(found.lines))
    return await visit.page(
        "run/logs.html",
        seen=seen,
        tree=seen.tree,
        run=run,
        by=schedule_name(seen),
        work=None,
        search=search,
        levels=LEVELS,
        names=names[:_OFFERED],
        width=width_of(names),
        still=parts["follows"],
        fragment=fragment or visit.wants == "page",
        **parts,
    )


def width_of(names: Sequence[str]) -> str:
    """How wide the column of the tasks is: their names leave the rest to the lines."""
    longest = max(map(len, names), default=0)
    return "of-s" if longest <= _SHORT else "of-m" if longest <= _MIDDLE else ""


async def _further(visit: Visit) -> Response:
    """The lines after those that the page has; the whole page if the run is in another state or has
    another owner, or the browser has told its time zone since.
    """
    ref, search = visit.request.path_params["run_id"], _search(visit)
    after = _position(visit, "after") or 0
    run, lines = await asyncio.gather(
        visit.site.observer.run(ref),
        visit.site.observer.logs(
            ref, search.task, attempt=search.attempt, after=after, limit=LINES + 1
        ),
    )
    shown = visit.number("shown") + len(lines)
    is_other = run.status != visit.query("was") or visit.clock.zone_name != visit.query("zone")
    if is_other or has_moved(after, lines) or len(lines) > LINES or shown > SHOWN:
        return await _anew(visit)
    found = window_of_lines(lines, search, after, Said(visit.site.redact))
    return await visit.page(
        "run/log_next.html", run=run, **_parts(visit, search, found, run.status, shown)
    )


def has_moved(after: int, lines: Sequence[LogLine]) -> bool:
    """Whether another owner of the run has written lines since the position ``after``. Its process
    may run an attempt again, which is told beside the earlier lines of that attempt alone.
    """
    return bool(after and lines) and lines[-1].position // POSITIONS > after // POSITIONS


async def _anew(visit: Visit) -> Response:
    """The whole page in place of further lines."""
    answer = await _page(visit, fragment=True)
    answer.headers["HX-Retarget"] = "#page"
    answer.headers["HX-Reswap"] = "outerMorph"
    return answer


def _parts(
    visit: Visit, search: LogSearch, found: LogWindow, status: str, shown: int
) -> dict[str, Any]:
    said = Said(visit.site.redact)
    follows = search.before is None and found.newer is None and status not in ENDED
    return {
        "found": found,
        "said": said,
        "searched": search.text,
        "follows": follows,
        "lines_at": lambda **query: visit.here(**{**_ASKED_FOR_NEWS, **query}),
        "next": visit.here(
            start="",
            before="",
            after=found.end,
            was=status,
            shown=shown,
            zone=visit.clock.zone_name,
        ),
    }


def _search(visit: Visit) -> LogSearch:
    level, before = visit.query("level").lower(), _position(visit, "before")
    return LogSearch(
        task=visit.query("task") or None,
        attempt=visit.number("attempt") or None,
        level=level if level in LEVELS else "",
        text=visit.query("q"),
        before=before,
        start=_position(visit, "start") if before is None else None,
    )


def _position(visit: Visit, name: str) -> int | None:
    """The position of a line in the address; None for any other text."""
    text = visit.query(name)
    return int(text) if _POSITION.fullmatch(text) else None


async def _found(visit: Visit, run_id: str, search: LogSearch) -> LogWindow:
    """The window of the address. A task that the run does not know has no lines."""
    observer, said = visit.site.observer, Said(visit.site.redact)
    try:
        found = await observer.log_window(run_id, search, said)
        for _ in range(READS - 1):
            beyond = search.beyond(found)
            if len(found.lines) >= LINES or beyond is None:
                break
            found = joined(found, await observer.log_window(run_id, beyond, said), search)
    except TaskNotFoundError as error:
        raise RefusedError(404, "This run has no such task", str(error)) from error
    return found


async def file(visit: Visit) -> Response:
    """The lines of the address as a text file, from the first one on."""
    run = await visit.site.observer.run(visit.request.path_params["run_id"])
    search = _search(visit)
    name = file_name(run.workflow_name, run.id, search.task or "", "logs", ending="txt")
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    first = await _lines(visit, run.id, search, 0)  # an answer that has begun cannot be refused
    texts = _texts(visit, run.id, search, first)
    return StreamingResponse(texts, media_type="text/plain", headers=headers)


async def _lines(visit: Visit, run_id: str, search: LogSearch, after: int) -> list[LogLine]:
    return await visit.site.observer.logs(
        run_id, search.task, attempt=search.attempt, after=after, limit=_PAGE
    )


async def _texts(
    visit: Visit, run_id: str, search: LogSearch, lines: list[LogLine]
) -> AsyncIterator[str]:
    said = Said(visit.site.redact)
    while lines:
        yield "".join([_text(visit, each, said) for each in lines if search.has(each, said)])
        lines = await _lines(visit, run_id, search, lines[-1].position)


def _text(visit: Visit, line: LogLine, said: Said) -> str:
    missing = f"… {line.dropped:,} lines not kept\n" if line.dropped else ""
    fields = f" {in_json(visit.masked(line.fields))}" if line.fields else ""
    item = "" if line.item is None else f"[{line.item}]"
    message = said(line).replace("\n", "\n  ")
    where = f"{line.task_id}{item} #{line.attempt}"
    return f"{missing}{line.at} {line.level:7} {where} {message}{fields}\n"


ROUTES: Final[tuple[Address, ...]] = (
    ("GET", "/runs/{run_id}/logs", logs),
    ("GET", "/runs/{run_id}/logs.txt", file),
)
