"""Decides how a map is opened: for the first time, by a later owner, or in a new round. Pure.

Within a round the items are those of its first opening: a later owner computes them from the same
context, and other ones fail the map. In a new round completed items are kept, unless their data
has changed or a task above the map has run again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.errors import MapError
from cloaca_core.run.restore import Resume, resumption
from cloaca_core.values.states import UNCOUNTED, TaskStatus

if TYPE_CHECKING:
    from cloaca_core.features.maps.items import Items
    from cloaca_core.features.maps.records import ItemRestart, MapRow
    from cloaca_core.run.rows import AttemptRow, RestartRow


class Opening(NamedTuple):
    """How a map is opened. ``again`` has, for items that had begun before and begin anew, the first
    of their attempts that counts. ``is_new`` unless its row says so already.
    """

    decision: int
    again: Mapping[int, int]
    is_new: bool


class ItemPast(NamedTuple):
    """What the rows say of the items in this opening: those that have ended, with the row of the
    end, and those that have begun and go on, with their latest row.
    """

    completed: dict[int, AttemptRow]
    failed: dict[int, AttemptRow]
    begun: dict[int, tuple[AttemptRow, Resume]]


def opening(
    task_id: str,
    items: Items,
    attempt: int,
    version: str,
    earlier: MapRow | None,
    rows: Sequence[AttemptRow],
    *,
    above_ran: bool,
    chosen: Collection[int] | None = None,
) -> Opening:
    """Open a map for this attempt of its task. ``rows`` are the attempts of its items so far;
    ``above_ran`` says that a task above it has run again since it was ``earlier`` opened. Of the
    items that have ended, those that have failed run again, or the ``chosen`` ones.
    """
    if earlier is None:
        return Opening(1, {}, is_new=True)
    is_same = (earlier.items, earlier.digest) == (len(items.values), items.digest)
    if earlier.attempt == attempt:
        if not is_same:
            raise _changed(task_id, items, version, earlier)
        return Opening(earlier.decision, again_of(earlier), is_new=False)
    kept: set[int] = set()
    before = again_of(earlier)
    if is_same and not above_ran:
        kept = {
            row.item
            for row in rows
            if row.attempt >= before.get(row.item, 0) and _is_kept(row, chosen)
        }
    again = {item: first for item, first in before.items() if item not in kept}
    for row in rows:  # also those of items that the map no longer has
        if row.item not in kept:
            again[row.item] = max(again.get(row.item, 0), row.attempt + 1)
    return Opening(earlier.decision + (not is_same), again, is_new=True)


def _is_kept(row: AttemptRow, chosen: Collection[int] | None) -> bool:
    """Whether the end of an item counts in the next round, if its data are the same."""
    if chosen is None:
        return row.status == TaskStatus.COMPLETED
    has_failed = row.status == TaskStatus.FAILED and row.retry_at is None
    return (row.status == TaskStatus.COMPLETED or has_failed) and row.item not in chosen


def chosen_of(
    opened: MapRow, restarts: Iterable[RestartRow], items: Iterable[ItemRestart]
) -> frozenset[int] | None:
    """The items that were chosen for the next opening of a map; None if none were, or if the run
    was begun again since without such a choice.
    """
    ahead = [each for each in restarts if each.first_attempt > opened.attempt]
    chosen = [each for each in items if each.first_attempt > opened.attempt]
    return chosen_last(opened, ahead, chosen)


def chosen_last(
    opened: MapRow, restarts: Iterable[RestartRow], items: Iterable[ItemRestart]
) -> frozenset[int] | None:
    """The items that were chosen when a map was begun again for the last time, whether or not it
    has been opened since; None if none were chosen then.
    """
    rounds = [each.round for each in restarts if each.task_id == opened.task_id]
    chosen = [each for each in items if (each.run_id, each.task_id) == opened.key]
    latest = max([each.round for each in chosen], default=0)
    if not chosen or latest < max(rounds, default=0):
        return None
    return frozenset([each.item for each in chosen if each.round == latest])


def past_of(rows: Iterable[AttemptRow], again: Mapping[int, int]) -> ItemPast:
    """Sort the attempts of the items of a map; those before ``again`` are history."""
    latest: dict[int, AttemptRow] = {}
    uncounted: dict[int, int] = {}
    for row in rows:
        if row.attempt < again.get(row.item, 0):
            continue
        uncounted[row.item] = uncounted.get(row.item, 0) + (row.reason_code in UNCOUNTED)
        if row.item not in latest or latest[row.item].attempt < row.attempt:
            latest[row.item] = row
    past = ItemPast({}, {}, {})
    for item, row in latest.items():
        if row.status == TaskStatus.COMPLETED:
            past.completed[item] = row
        elif row.status == TaskStatus.SKIPPED:
            continue  # it was withdrawn before it began
        elif row.status == TaskStatus.FAILED and row.retry_at is None:
            past.failed[item] = row
        else:
            before = again.get(item, 1) - 1
            past.begun[item] = row, resumption(row, before + uncounted[item])
    return past


def due_items(row: MapRow, rows: Iterable[AttemptRow]) -> list[int]:
    """The instants at which items of a map that was opened are to be tried again."""
    begun = past_of(rows, again_of(row)).begun.values()
    return [resume.retry_at for _, resume in begun if resume.retry_at is not None]


def begins_anew(item: int, again: Mapping[int, int]) -> Resume:
    """How an item begins that has not begun in this opening."""
    first = again.get(item, 1)
    return Resume(first, uncounted=first - 1)


def again_of(row: MapRow) -> dict[int, int]:
    """The items of a recorded opening that begin anew."""
    return {} if row.again is None else {int(k): v for k, v in json.loads(row.again).items()}


def again_text(again: Mapping[int, int]) -> str | None:
    """The stored form of the items that begin anew."""
    return json.dumps(dict(again), separators=(",", ":")) if again else None


def _changed(task_id: str, items: Items, version: str, earlier: MapRow) -> MapError:
    count = len(items.values)
    others = "other data or labels of items" if count == earlier.items else f"{count} other items"
    return MapError(
        f"task {task_id!r} was started with {earlier.items} items by version {earlier.version} of "
        f"its workflow, and version {version} finds {others}; retry the run to map these",
        task_id=task_id,
    )
