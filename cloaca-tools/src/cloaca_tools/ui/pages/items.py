"""The items of a map in the pane of a run: a strip of all, a page of them, and one closely."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from cloaca_core.errors import TaskNotFoundError
from cloaca_core.values.wording import first_line
from cloaca_tools.masking import masked
from cloaca_tools.ui.charts.item_strip import ItemStrip, item_strip
from cloaca_tools.ui.payloads import json_lines, tracebacks
from cloaca_tools.ui.words.texts import first_error, plain
from cloaca_tools.views.run.item_states import FIRST

if TYPE_CHECKING:
    from cloaca_core.features.task_logs.views import LogLine
    from cloaca_core.values.payloads.json_values import JsonValue
    from cloaca_core.values.payloads.redaction import Redact
    from cloaca_tools.ui.visit import Visit
    from cloaca_tools.views.run.items import ItemLine, ItemTry, MapItems
    from cloaca_tools.views.run.tree import RunTree

AT_ONCE: Final = 50
"""Items of a page."""
LINES: Final = 20
"""Newest lines of the log of an item that show."""
_READ: Final = 10_000
_SHOWN: Final = 240
"""Characters of a result or an error in its row."""
_CHILD: Final = re.compile(r"ChildFailedError: run ([0-9a-f-]{36}) of ")
_INPUT: Final = 16_384
"""Characters of an item that the page shows."""


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of a map: a page of its items, and of the one that was asked for its value
    (empty where it is not known) and the newest lines of its latest attempt.
    """

    found: MapItems
    value: tuple[JsonValue] | tuple[()] = ()
    log: Sequence[LogLine] = ()


@dataclass(frozen=True, slots=True)
class ItemTried:
    """An attempt of an item, and its error in one line: "same error" where the next one has it."""

    info: ItemTry
    says: str


@dataclass(frozen=True, slots=True)
class ChosenItem:
    """One item closely; the result of a completed one, the error of one that has failed. ``value``
    is its data, ``child`` the run of an item that is a child run; None where they are not known.
    ``tries`` are all attempts but the latest, newest first; ``hidden`` counts lines before ``log``.
    """

    line: ItemLine
    value: json_lines.Payload | None
    result: json_lines.Payload | None
    error: json_lines.Text | None
    traceback: tracebacks.Traceback
    whole: json_lines.Text
    tries: tuple[ItemTried, ...]
    child: str | None
    log: tuple[LogLine, ...]
    hidden: int


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item of the page; ``says`` is its error or its result, in one short line."""

    line: ItemLine
    label: str
    says: str


@dataclass(frozen=True, slots=True)
class ItemPart:
    """A map with a page of its items; ``status`` is the state that all items of the page have.
    ``named`` is what was looked for, which no item may have as its name.
    """

    found: MapItems
    rows: tuple[ItemRow, ...]
    strip: ItemStrip
    status: str
    is_first: bool
    named: str
    chosen: ChosenItem | None
    at_once: int = AT_ONCE

    @property
    def place(self) -> str:
        """Which items the page has, of all or of those in its state: ``51 to 100 of 300``; "" where
        that is not known.
        """
        number = self.found.counts.get(self.status, 0) if self.status else self.found.total
        if not self.rows or not (self.is_first or not self.status) or number <= len(self.rows):
            return ""
        first = 1 if self.is_first else self.rows[0].line.index + 1
        return f"{first:,} to {first + len(self.rows) - 1:,} of {number:,}"

    @property
    def before(self) -> int | None:
        """After which index the page before this one begins, -1 for the first one; None where that
        is not known, or this is the first one.
        """
        if self.is_first or self.status or not self.rows:
            return None
        return max(-1, self.rows[0].line.index - AT_ONCE - 1)

    @property
    def last(self) -> int | None:
        """After which index the last page begins; None where that is not known, or this is it."""
        if self.status or self.found.next is None:
            return None
        return (self.found.total - 1) // AT_ONCE * AT_ONCE - 1


async def read_items(
    visit: Visit, run_id: str, task: str, *, has_failed: bool = False
) -> Read | None:
    """The items of a map, as the address asks for them; by default the failed items if the map
    ``has_failed``. None for a map that has not begun.
    """
    observer, after = visit.site.observer, _after(visit)
    try:
        found = await observer.items(
            run_id,
            task,
            status=_wanted(visit, has_failed=has_failed) or None,
            after=after,
            limit=AT_ONCE,
            item=_asked(visit),
            kept=visit.site.item_cells,
        )
    except TaskNotFoundError:
        return None
    if found.item is None or not found.item.attempts:
        return Read(found)
    one = found.item
    lines = await observer.logs(run_id, task, attempt=one.attempts, item=one.index, limit=_READ)
    return Read(found, log=lines)


def _after(visit: Visit) -> int | None:
    return visit.number("after") if visit.query("after") else None


def _asked(visit: Visit) -> int | str | None:
    """The item of the address: by its index, or by the name that was looked for."""
    return visit.number("item") if visit.query("item") else visit.query("find").strip() or None


def _wanted(visit: Visit, *, has_failed: bool) -> str:
    by_default = "Failed" if has_failed and not visit.query("after") else ""
    status = visit.query("state", by_default)
    return status if status in FIRST else ""


async def item_part(
    visit: Visit, read: Read, children: Sequence[RunTree], *, has_failed: bool
) -> ItemPart:
    """What was read, as the page shows it."""
    status = _wanted(visit, has_failed=has_failed)
    is_first, named = _after(visit) is None, visit.query("find").strip()
    return await visit.on_thread(_part, read, status, is_first, named, children, visit.site.redact)


def _part(
    read: Read,
    status: str,
    is_first: bool,
    named: str,
    children: Sequence[RunTree],
    redact: Redact,
) -> ItemPart:
    found = read.found
    return ItemPart(
        found=found,
        rows=tuple([_row(line, redact) for line in found.items]),
        strip=item_strip(found.cells),
        status=status,
        is_first=is_first,
        named=named,
        chosen=None if found.item is None else _chosen(found.item, read, children, redact),
    )


def _row(line: ItemLine, redact: Redact) -> ItemRow:
    if line.error is not None:
        says = _in_short(line.error, redact)
    elif line.status == "Completed" and line.result not in (None, {}):
        says = json.dumps(masked(line.result, redact), ensure_ascii=False)
    else:
        says = ""
    return ItemRow(line, redact(str(line.label)), says[:_SHOWN])


def _in_short(error: str, redact: Redact) -> str:
    """An error in one line; of a child run its own, without the counts of its tasks."""
    line = plain(first_line(redact(error)))
    return first_error(line.partition(" is Failed: ")[2]) if _CHILD.match(line) else line


def _chosen(line: ItemLine, read: Read, children: Sequence[RunTree], redact: Redact) -> ChosenItem:
    whole = json_lines.text(line.traceback, redact)
    value = json_lines.payload(read.value[0], redact, most=_INPUT) if read.value else None
    return ChosenItem(
        line=line,
        value=value,
        result=json_lines.payload(line.result, redact) if line.status == "Completed" else None,
        error=None if line.error is None else json_lines.text(line.error, redact),
        traceback=tracebacks.parsed(whole.text),
        whole=whole,
        tries=tuple(_tried(line.tries, redact)),
        child=_child(line, children),
        log=tuple(read.log[-LINES:]),
        hidden=max(0, len(read.log) - LINES),
    )


def _tried(tries: Sequence[ItemTry], redact: Redact) -> list[ItemTried]:
    found = []
    for later, each in pairwise(tries):
        same = each.error is not None and each.error == later.error
        says = "same error" if same else _in_short(each.error, redact) if each.error else ""
        found.append(ItemTried(each, says))
    return found


def _child(line: ItemLine, children: Sequence[RunTree]) -> str | None:
    """The run of an item of a map of child runs, where it is known: among those below the task, by
    the error of the item, or by its wait.
    """
    for each in children:
        if each.index == line.index:
            return each.run.id
    if (named := _CHILD.match(line.error or "")) is not None:
        return named[1]
    wait = line.waits_for
    return wait.name if wait is not None and wait.kind == "run" else None
