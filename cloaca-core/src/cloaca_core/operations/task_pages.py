"""Lists the tasks of a run with the items of its maps, by pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.engine.calls.arguments import checked_limit
from cloaca_core.engine.calls.call import unchanged
from cloaca_core.errors import ConfigError, TaskNotFoundError
from cloaca_core.features.maps.item_reader import ItemReader, begun_status, unbegun_status
from cloaca_core.features.maps.names import named
from cloaca_core.operations.runs import read_tasks, task_results_of
from cloaca_core.values.arguments import flag, text
from cloaca_core.views.task_results import TaskResult, item_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.assembly.caller import Caller
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.engine.calls.call import Call
    from cloaca_core.features.maps.item_reader import OpenedMap
    from cloaca_core.features.waits.records import WaitRow


class TaskPage(NamedTuple):
    """Tasks of a run in their order, each map followed by its items: those after the task or the
    item of the name ``after``, the ``limit`` first of them.
    """

    run_id: str
    items: bool
    after: str | None = None
    limit: int = 1000

    def call(self, caller: Caller) -> Call[dict[str, TaskResult]]:
        """See ``Operation``."""
        if not flag("items", self.items):
            raise ConfigError("after is for items=True: all tasks come at once", field="after")
        after = None if self.after is None else text("after", self.after)
        most = checked_limit(self.limit)
        return caller.look(lambda engine: _page(engine, self.run_id, after, most), unchanged)


async def _page(engine: Looks, run_id: str, after: str | None, limit: int) -> dict[str, TaskResult]:
    tasks = task_results_of(await read_tasks(engine, run_id))
    maps = {each.task_id for each in await engine.store.maps([run_id])}
    waits = await engine.store.waits([run_id]) if maps else []
    rest, first = list(tasks), -1
    if after is not None:
        last = await named(engine.store, run_id, after, tasks)
        if last.task not in tasks:
            message = f"run {run_id} has no task and no item {after!r:.80}"
            raise TaskNotFoundError(message, task_id=after)
        rest = rest[rest.index(last.task) :]
        first = 0 if last.item is None else last.item + 1
    found: dict[str, TaskResult] = {}
    for task in rest:
        if len(found) >= limit:
            break
        if first < 0:
            found[task] = tasks[task]
        if task in maps:
            opened = await ItemReader(engine.store).opened(run_id, task)
            most = limit - len(found)
            found |= await _items(engine, opened, max(first, 0), most, waits)
        first = -1
    return found


async def _items(
    engine: Looks, opened: OpenedMap, first: int, most: int, waits: Sequence[WaitRow]
) -> dict[str, TaskResult]:
    """Up to ``most`` items of a map from the index ``first`` on, by their names."""
    indexes = range(first, min(first + most, opened.row.items))
    if not indexes:
        return {}
    rows = await engine.store.items(*opened.row.key, first, indexes.stop, results=False)
    latest = {row.item: row for row in rows if row.attempt >= opened.again.get(row.item, 0)}
    found = {}
    for index in indexes:
        name, row = f"{opened.row.task_id}[{opened.label(index)}]", latest.get(index)
        if row is None:
            status = unbegun_status(opened.run, is_open=opened.is_open)
            found[name] = TaskResult(name, status)
        else:
            status = begun_status(row, opened.run, is_open=opened.is_open)
            found[name] = item_result(name, row, status, opened.run, waits)
    return found
