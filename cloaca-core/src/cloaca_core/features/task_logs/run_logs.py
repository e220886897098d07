"""Reads the lines that bodies of a run have logged, and waits for further ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.errors import StoreError, TaskNotFoundError
from cloaca_core.features.maps.choice import indexes_of
from cloaca_core.features.maps.names import may_be_item, named
from cloaca_core.features.task_logs.records import ChunkFilter, LogChunk
from cloaca_core.values.namespace import short_name

if TYPE_CHECKING:
    from cloaca_core.engine.observe.run_reader import RunReader
    from cloaca_core.engine.observe.watchers import Watchers
    from cloaca_core.features.maps.choice import ItemName
    from cloaca_core.features.task_logs.part import LogStore, TaskLogStore
    from cloaca_core.run.rows import RunRow

CHUNKS_AT_ONCE: Final = 100
"""Chunks that one statement reads: a chunk has up to 64 KiB."""


class Wanted(NamedTuple):
    """Lines of a run after a position, of a task and an attempt or (None) all, up to ``limit``. The
    task may be named as an item of a map, or an ``item`` of it be given: an index or a label.
    """

    run_id: str
    task_id: str | None
    attempt: int | None
    after: int
    limit: int
    item: ItemName | None = None


class News(NamedTuple):
    """Chunks with further lines. With ``is_over`` no more will come: the run has ended."""

    chunks: list[LogChunk]
    is_over: bool


class RunLogs:
    """Belongs to the engine's loop. Followers are woken when anything may have changed, here or
    elsewhere. They look again, and find what concerns them.
    """

    def __init__(self, store: LogStore, reader: RunReader, watchers: Watchers) -> None:
        self._store = store
        self._reader = reader
        self._watchers = watchers

    async def read(self, wanted: Wanted) -> list[LogChunk]:
        """As ``lines_read``."""
        return await lines_read(self._store, self._reader, wanted)

    async def named(self, wanted: Wanted) -> Wanted:
        """As ``by_ids``."""
        return await by_ids(self._store, self._reader, wanted)

    async def follow(self, wanted: Wanted) -> News:
        """Wait for further lines, or for the end of the run. An item is given by its index."""
        with self._watchers.listening() as notices:
            while True:
                try:
                    news = await self._look(wanted)
                except StoreError:
                    notices.refuse_closed()  # it was closed meanwhile
                    raise
                if news is not None:
                    return news
                await notices.next()

    async def _look(self, wanted: Wanted) -> News | None:
        row = await self._reader.get_run(wanted.run_id)  # first: its end has the last lines
        chunks = await chunks_read(self._store, wanted)
        if not chunks:
            await _refuse_unknown_task(self._reader, row, wanted)
        if chunks or row.ended_at is not None:
            return News(chunks, is_over=not chunks)
        return None


async def lines_read(store: LogStore, reader: RunReader, wanted: Wanted) -> list[LogChunk]:
    """The chunks with the lines; ``RunNotFoundError`` when there is no such run,
    ``TaskNotFoundError`` when the run has no such task or item.
    """
    row = await reader.get_run(wanted.run_id)
    wanted = await by_ids(store, reader, wanted)
    chunks = await chunks_read(store, wanted)
    if not chunks:
        await _refuse_unknown_task(reader, row, wanted)
    return chunks


async def by_ids(store: LogStore, reader: RunReader, wanted: Wanted) -> Wanted:
    """The same lines, by the id of the task, and of an item by its index."""
    run_id, task, item = wanted.run_id, wanted.task_id, wanted.item
    if task is None:
        return wanted
    if item is not None:
        (index,) = (await indexes_of(store, run_id, {task: [item]}))[task]
        return wanted._replace(item=index)
    if not may_be_item(task):
        return wanted
    tasks = await reader.task_ids(await reader.get_run(run_id))
    found = await named(store, run_id, task, tasks)
    return wanted._replace(task_id=found.task, item=found.item)


async def _refuse_unknown_task(reader: RunReader, row: RunRow, wanted: Wanted) -> None:
    """Refuse lines of a task that the definition lacks, unless an earlier one had it."""
    task = wanted.task_id
    if task is None or not (known := await reader.task_ids(row)) or task in known:
        return
    if task not in {attempt.task_id for attempt in await reader.attempts(row.id)}:
        raise TaskNotFoundError(
            f"run {row.id} of {short_name(row.workflow)} has no task {task!r}", task_id=task
        )


async def chunks_read(store: TaskLogStore, wanted: Wanted) -> list[LogChunk]:
    """The chunks with the lines; none for a run or a task that is not there."""
    found: list[LogChunk] = []
    lines, after = 0, wanted.after
    while lines < wanted.limit:
        assert not isinstance(wanted.item, str), "its index is known"
        chosen = ChunkFilter(
            wanted.run_id, after, wanted.task_id, wanted.attempt, CHUNKS_AT_ONCE, wanted.item
        )
        page = await store.log_chunks(chosen)
        found += page
        lines += sum([chunk.size for chunk in page])
        if len(page) < CHUNKS_AT_ONCE:
            break
        after = page[-1].position
    return found
