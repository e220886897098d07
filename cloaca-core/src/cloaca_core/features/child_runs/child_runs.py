"""Begins child runs for which bodies wait, and reads how they have ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias
from weakref import WeakKeyDictionary

from cloaca_core.definition.handles.child_calls import BegunChild
from cloaca_core.errors import RunnerUsageError, StoreError, VersionChangedError, no_run
from cloaca_core.features.waits.mail import persistently
from cloaca_core.features.waits.open_waits import waits_of
from cloaca_core.values.child_kinds import RUN_WORKFLOW, is_with_key
from cloaca_core.values.namespace import SEPARATOR
from cloaca_core.values.payloads.digests import are_equal
from cloaca_core.values.states import RunStatus
from cloaca_core.values.waits import RUN, round_of_end, run_of_end

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.observe.completion import RecentRuns
    from cloaca_core.engine.observe.run_reader import RunReader
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core.engine.submit.request import Request
    from cloaca_core.engine.submit.submitter import Submitter
    from cloaca_core.features.child_runs.part import ChildRunStore
    from cloaca_core.features.steering.records import ChildRow
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import RunRow

Known: TypeAlias = "dict[tuple[str, str | None], ChildRow]"
DEEPEST: Final = 50
"""So many runs may be one above the other."""


class ChildRuns:
    """Belongs to the engine's loop. ``_known`` has the children that runs had when a body of them
    that had begun before first asked for one, by workflow and key.
    """

    def __init__(
        self,
        store: ChildRunStore,
        runs: ActiveRuns,
        submitter: Submitter,
        reader: RunReader,
        recent: RecentRuns,
    ) -> None:
        self._store = store
        self._runs = runs
        self._submitter = submitter
        self._reader = reader
        self._recent = recent
        self._known: WeakKeyDictionary[ActiveRun, asyncio.Task[Known]] = WeakKeyDictionary()

    async def begin(self, request: Request) -> BegunChild:
        """Start a child run of the body that asks, or find the one that this call has started. A
        body that waits at once holds a place, so its child begins here without one.
        """
        parent = request.parent
        if parent is not None and self._runs.owns(parent):
            parent.owner.awaits_children = True
            if (found := await self._found(parent, request)) is not None:
                return found
            await self._refuse_deep(parent)
            request = replace(request, by_right=request.child_kind == RUN_WORKFLOW)
        (run_id,), known = await self._submitter.accept(request)
        if not known:
            return BegunChild(run_id, 1)
        row = await self._reader.get_run(run_id)
        _refuse_other_input(request, row)
        return _begun(parent, row)

    async def _found(self, parent: Attempt, request: Request) -> BegunChild | None:
        """The child that this call started when the body ran before, found without a commit. None
        if there may be none, if it began later, or if a further attempt may begin another one.
        """
        began_before = parent.number > 1 or parent.epoch > 1 or parent.was_suspended
        if not began_before or parent.children_restarted or parent.cancelled:
            return None
        try:
            known = await asyncio.shield(self._children_of(parent.owner))
        except StoreError:
            self._known.pop(parent.owner, None)
            raise
        child = known.get((request.definition.namespace, request.idempotency_key))
        if child is None or (request.further_keys and child.status != RunStatus.COMPLETED):
            return None
        if is_with_key(request.idempotency_key):  # otherwise the key has the digest of the input
            _refuse_other_input(request, await self._reader.get_run(child.id))
        return _begun(parent, child)

    def _children_of(self, run: ActiveRun) -> asyncio.Task[Known]:
        """The children of a run, which all its bodies read once."""
        if (read := self._known.get(run)) is None:
            read = self._known[run] = asyncio.create_task(self._read(run.id))
        return read

    async def _read(self, run_id: str) -> Known:
        children = await persistently(lambda: self._store.children([run_id]))
        return {(each.workflow, each.idempotency_key): each for each in children}

    async def _refuse_deep(self, parent: Attempt) -> None:
        row = parent.owner.row
        if row.parent_id is None:
            return
        if await self._store.runs_above(row.id, DEEPEST) >= DEEPEST - 1:
            raise too_deep(row)

    async def ended(self, run_id: str, number: int) -> RunRow:
        """A run as this round of it has ended."""
        if (recent := self.recent_end(run_id, number)) is not None:
            return recent
        row = await self._reader.get_run(run_id)
        if row.round == number:
            return row
        if (earlier := await self._reader.of_round(row, number)) is None:
            raise no_run(run_id)
        return earlier[0]

    def recent_end(self, run_id: str, number: int) -> RunRow | None:
        """The same of a run that has ended here not long ago; else None."""
        known = self._recent.get(run_id)
        return known.row if known is not None and known.row.round == number else None


class ChildCalls:
    """Answers bodies until the engine shuts down: then ``check_open`` raises ``RunnerClosedError``.
    ``resolve`` puts a workflow in place of a name.
    """

    def __init__(
        self,
        child_runs: ChildRuns,
        resolve: Callable[[Request], Awaitable[Request]],
        check_open: Callable[[], None],
    ) -> None:
        self._child_runs = child_runs
        self._resolve = resolve
        self._check_open = check_open

    async def begin(self, request: Request) -> BegunChild:
        """Start a child run, or find the one that this call has started."""
        self._check_open()
        return await self._child_runs.begin(await self._resolve(request))

    async def ended(self, run_id: str, number: int) -> RunRow:
        """A run as this round of it has ended."""
        self._check_open()
        return await self._child_runs.ended(run_id, number)


def _refuse_other_input(request: Request, row: RunRow) -> None:
    """Refuse a child that was started with another input: its result is not that of this call. Such
    a child has a key that its body gives.
    """
    if are_equal(row.input, request.texts[0]):
        return
    _, _, name = (request.idempotency_key or "").partition(f"{SEPARATOR}k=")
    raise VersionChangedError(
        f"run {row.id}, which this task has started with key={name!r}, has another input: give "
        "each input a key of its own",
        run_id=row.id,
        status=row.status,
    )


def _begun(parent: Attempt | None, child: RunRow | ChildRow) -> BegunChild:
    """A child that was found, in the round for which its parent waits or else in its latest."""
    if parent is not None and (number := _round_waited_for(parent, child.id)) is not None:
        return BegunChild(child.id, number)
    return BegunChild(child.id, child.round, child.status == RunStatus.COMPLETED)


def _round_waited_for(attempt: Attempt, run_id: str) -> int | None:
    """The round of a child for which this attempt waits already, or has waited: the body runs again
    from its top. A person may have begun another round of the child since.
    """
    if (waits := waits_of(attempt.owner)) is None:
        return None
    open_ = [wait.row.name for wait in waits.of(attempt.index) if wait.row.kind == RUN]
    over = [key.name for key in waits.ended if (key.task, key.kind) == (attempt.index, RUN)]
    rounds = [round_of_end(name) for name in open_ + over if run_of_end(name) == run_id]
    return min(rounds, default=None)


def too_deep(row: RunRow) -> RunnerUsageError:
    """Make the error for a run that can have no child, as its tree is too deep."""
    return RunnerUsageError(
        f"run {row.id} has {DEEPEST - 1} runs above it already: a tree of runs is at most "
        f"{DEEPEST} deep; does {row.workflow} run itself without end?"
    )
