"""The items of a map in the pane of a run: a strip of all, a page of them, and one closely."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloaca_core.errors import TaskNotFoundError
from cloaca_core.values.wording import first_line
from cloaca_tools.masking import masked
from cloaca_tools.ui.charts.item_strip import ItemStrip, item_strip
from cloaca_tools.ui.payloads import json_lines, tracebacks
from cloaca_tools.ui.words.texts import plain
from cloaca_tools.views.run.item_states import FIRST

if TYPE_CHECKING:
    from cloaca_core.values.payloads.redaction import Redact
    from cloaca_tools.ui.visit import Visit
    from cloaca_tools.views.run.items import ItemLine, MapItems

AT_ONCE: Final = 50
"""Items of a page."""
_SHOWN: Final = 120
"""Characters of a result or an error in its row."""


@dataclass(frozen=True, slots=True)
class ChosenItem:
    """One item closely; the result of a completed one, the error of one that has failed."""

    line: ItemLine
    result: json_lines.Payload | None
    error: json_lines.Text | None
    traceback: tracebacks.Traceback
    whole: json_lines.Text


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item of the page; ``says`` is its error or its result, in one short line."""

    line: ItemLine
    label: str
    says: str


@dataclass(frozen=True, slots=True)
class ItemPart:
    """A map with a page of its items; ``status`` is the state that all items of the page have."""

    found: MapItems
    rows: tuple[ItemRow, ...]
    strip: ItemStrip
    status: str
    is_first: bool
    chosen: ChosenItem | None


async def item_part(
    visit: Visit, run_id: str, task: str, *, has_failed: bool = False
) -> ItemPart | None:
    """The items of a map, as the address asks for them; by default the failed items if the map
    ``has_failed``. None for a map that has not begun.
    """
    observer = visit.site.observer
    after = visit.number("after") if visit.query("after") else None
    status = visit.query("state", "Failed" if has_failed and after is None else "")
    wanted = status if status in FIRST else None
    try:
        found = await observer.items(
            run_id,
            task,
            status=wanted,
            after=after,
            limit=AT_ONCE,
            item=visit.number("item") if visit.query("item") else None,
            kept=visit.site.item_cells,
        )
    except TaskNotFoundError:
        return None
    return await visit.on_thread(_part, found, wanted or "", after, visit.site.redact)


def _part(found: MapItems, status: str, after: int | None, redact: Redact) -> ItemPart:
    return ItemPart(
        found=found,
        rows=tuple([_row(line, redact) for line in found.items]),
        strip=item_strip(found.cells),
        status=status,
        is_first=after is None,
        chosen=None if found.item is None else _chosen(found.item, redact),
    )


def _row(line: ItemLine, redact: Redact) -> ItemRow:
    if line.error is not None:
        says = plain(first_line(redact(line.error)))
    elif line.status == "Completed" and line.result is not None:
        says = json.dumps(masked(line.result, redact), ensure_ascii=False)
    else:
        says = ""
    return ItemRow(line, redact(str(line.label)), says[:_SHOWN])


def _chosen(line: ItemLine, redact: Redact) -> ChosenItem:
    whole = json_lines.text(line.traceback, redact)
    return ChosenItem(
        line=line,
        result=json_lines.payload(line.result, redact) if line.status == "Completed" else None,
        error=None if line.error is None else json_lines.text(line.error, redact),
        traceback=tracebacks.parsed(whole.text),
        whole=whole,
    )
