"""Makes durable runs from a checked request, and begins those for which this runner has a place.

The others wait in the table, not in memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Container, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

from cloaca_core.definition.workflow import Workflow
from cloaca_core.engine.record.entries import SubmissionEntry
from cloaca_core.engine.record.journal import FIRST_PAUSE, LONGEST_PAUSE
from cloaca_core.engine.runtime import failpoints
from cloaca_core.engine.submit.held_keys import HeldKeys
from cloaca_core.engine.submit.request import owned_row
from cloaca_core.errors import (
    BodyCancelled,
    StoreError,
    StoreFullError,
    StoreUnavailableError,
    lost_parent,
)
from cloaca_core.logs import SafeLogger
from cloaca_core.values.events import RUN_CREATED
from cloaca_core.values.states import RunStatus
from cloaca_core.values.times.backoff import Backoff

if TYPE_CHECKING:
    from cloaca_core.engine.orchestrate.active_runs import Capacity
    from cloaca_core.engine.orchestrate.adoption import Adoption
    from cloaca_core.engine.orchestrate.served import Served
    from cloaca_core.engine.record.journal import Journal
    from cloaca_core.engine.recover.lease import Lease
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.engine.submit.request import Request, RunRows, Singleton
    from cloaca_core.run.rows import NewRun, RunRow
    from cloaca_core.store.batch import Committed, Rows
    from cloaca_core.store.protocol import KernelStore

log = SafeLogger("cloaca.engine")

Accepted: TypeAlias = tuple[list[str], bool]
"""The ids of the runs of a request, and whether any of them existed before, by its key."""


class Answer(Protocol):
    """A future, or an object with its methods."""

    def done(self) -> bool:
        """Whether the caller no longer waits."""

    def set_result(self, found: Accepted | None, /) -> None:
        """The runs are durable, and those of this runner have begun; None when a key was held
        back.
        """

    def set_exception(self, error: BaseException, /) -> None:
        """The runs were not accepted."""


class Submitter:
    """Belongs to the engine's loop. ``act_now`` carries out requests to steer our runs;
    ``child_keys`` finds the idempotency keys of a run's children, ``begin_again`` begins a failed
    child of a run again, unless it has another input; ``join`` inserts a run with a singleton key,
    or finds the run that has it: its id, and whether it was inserted. An engine that owns no
    runs has no ``lease``.
    """

    def __init__(
        self,
        store: KernelStore,
        journal: Journal,
        lease: Lease | None,
        capacity: Capacity,
        served: Served,
        rows: RunRows,
        adoption: Adoption,
        act_now: Callable[[], Awaitable[None]],
        child_keys: Callable[[str], Awaitable[Container[str | None]]],
        begin_again: Callable[[RunRow, str, str], Awaitable[bool]],
        join: Callable[[NewRun, Singleton, Rows], Coroutine[None, None, tuple[str, bool]]],
        subjects: Subjects,
        alone: bool = False,
    ) -> None:
        self._alone = alone
        self.held_keys: HeldKeys = HeldKeys(store)
        self._store = store
        self._journal = journal
        self._lease = lease
        self._capacity = capacity
        self._served = served
        self._rows = rows
        self._adoption = adoption
        self._act_now = act_now
        self._child_keys = child_keys
        self._begin_again = begin_again
        self._join = join
        self._subjects = subjects

    async def submit(self, request: Request) -> list[str]:
        """Make the runs durable. Returns their ids, or the ids of earlier runs with their keys."""
        run_ids, _ = await self.accept(request)
        return run_ids

    def accept(self, request: Request) -> Coroutine[None, None, Accepted]:
        """Make the runs durable. For a body that is tried again, returns the first run that has not
        failed; for a body whose children were restarted before it, the latest run, also if that
        fails. Raises ``BodyCancelled`` if the run of the body is being cancelled, or was.
        """
        return self._accept(request) if request.parent is None else self._accept_of_body(request)

    async def _accept_of_body(self, request: Request) -> Accepted:
        try:
            return await self._accept(request)
        except BodyCancelled:
            # First, as the body that gets this is then cut off, and does not fail.
            with suppress(StoreError):
                await self._act_now()
            raise

    async def _accept(self, request: Request) -> Accepted:
        if (
            request.further_keys
            and request.parent is not None
            and request.parent.children_restarted
        ):
            found = await self._latest(request, request.parent.run_id)
            if found is not request:
                parent, accepted = request.parent, await self._accepted(found)
                (run_id,), known = accepted
                if not (known and parent.restarts_children) or await self._begin_again(
                    parent.owner.row, run_id, request.texts[0]
                ):
                    return accepted
        run_ids, known = await self._accepted(request)
        for key in request.further_keys:
            if not (known and await self._has_failed(run_ids[0])):
                break
            run_ids, known = await self._accepted(replace(request, idempotency_key=key))
        return run_ids, known

    async def _latest(self, request: Request, parent_id: str) -> Request:
        """The request for the latest run that this call of a body has submitted."""
        taken = await self._child_keys(parent_id)
        keys = [key for key in (request.idempotency_key, *request.further_keys) if key in taken]
        return replace(request, idempotency_key=keys[-1], further_keys=()) if keys else request

    async def _has_failed(self, run_id: str) -> bool:
        row = await self._store.get_run(run_id)
        return row is not None and row.ended_at is not None and row.status != RunStatus.COMPLETED

    async def _accepted(self, request: Request) -> Accepted:
        if request.singleton is not None:
            return await self._joined(request, request.singleton)
        if not self._journal.has_room():
            await self._journal.room()
        if (lease := self._lease) is not None:
            lease.need()
            if not lease.is_fresh():  # asked last: it must be so when the rows go to the journal
                await _hold(lease)
        rows = self._rows.of(request, self._own_id(), places=self._places(request))
        accepted: asyncio.Future[Accepted | None] = asyncio.get_running_loop().create_future()
        self._hand_in(request, rows, accepted)
        if (found := await accepted) is not None:
            return found
        return await self._accepted_later(request, rows)

    def submit_now(self, request: Request, answer: Answer) -> bool:
        """Submit one plain run. False if that must wait for the journal or the lease."""
        if (lease := self._lease) is None or not self._journal.has_room():
            return False
        lease.need()
        if not lease.is_fresh():
            return False
        rows = self._rows.of(request, self._own_id(), places=self._places(request))
        self._hand_in(request, rows, answer)
        return True

    async def _accepted_later(self, request: Request, rows: Sequence[NewRun]) -> Accepted:
        """Insert the run (a request with a key has one) when no other transaction writes its key.
        That may take hours, so no place is kept for it: the run is inserted without an owner. A
        child for which a body of ours waits does not come here (see ``NewRun.may_be_held``).
        """
        (row,) = rows
        holder = await self.held_keys.insert(row, request.beside(row.id))
        self._tell_of_unowned(row)
        new, known = ([row.id], []) if holder == row.id else ([], [holder])
        _tell_of_submission(row.workflow, new, known)
        return [holder], bool(known)

    async def _joined(self, request: Request, singleton: Singleton) -> Accepted:
        """Insert the run without an owner, outside of the journal, or find the run that has its
        key.
        """
        (row,) = self._rows.of(request, None, places=0)
        if failpoints.watches:
            failpoints.hit("submit.before_commit")
        run_id, made = await self.held_keys.until_written(
            lambda: self._join(row, singleton, request.beside(row.id))
        )
        if failpoints.watches:
            failpoints.hit("submit.after_commit")
        if made:
            self._tell_of_unowned(row)
        new, known = ([run_id], []) if made else ([], [run_id])
        _tell_of_submission(row.workflow, new, known)
        return [run_id], not made

    def _own_id(self) -> str | None:
        """The owner of runs that begin here; None if none may."""
        return None if self._lease is None else self._lease.runner_id.current

    def _hand_in(self, request: Request, rows: list[NewRun], answer: Answer) -> None:
        """Have the rows committed, and begin runs of ours even if their caller has given up. The
        answer is None when a key was held back.
        """
        ours = sum(row.owner is not None for row in rows)
        self._capacity.reserve(ours)
        if failpoints.watches:
            failpoints.hit("submit.before_commit")
        self._journal.add(
            PendingSubmission(request, rows, ours, answer, self._capacity, self._begin)
        )

    def _begin(self, request: Request, rows: Sequence[NewRun], committed: Committed) -> None:
        """Begin the runs that this runner owns; other runners may claim the rest. Runs accepted
        under an id that has since been declared dead belong to another runner.
        """
        ours, current, made = [], self._own_id(), set(_made(rows, committed))
        messages = 0 if request.message is None else 1
        for position, row in enumerate(rows):
            if row.id in committed.owned and row.owner == current:
                ours.append((owned_row(row, messages), request.data[position]))
            elif row.id in made:
                self._tell_of_unowned(row)
        if ours:
            assert isinstance(request.workflow, Workflow)  # recorded ones are for other runners
            self._adoption.begin(request.workflow, ours, request.depth)

    def _tell_of_unowned(self, row: NewRun) -> None:
        """The table has a run that any runner may claim, now or at its time."""
        if row.due_at is None:
            self._subjects.claimable_here.publish()
        if row.is_timed:
            self._subjects.steered.publish()

    def _places(self, request: Request) -> int:
        """The number of these runs that may be ours at once; at most as many as are decoded."""
        if self._lease is None:
            return 0
        most = len(request.data)
        if self._served.given is not None:
            most = self._served_of(request, most)
        if request.by_right or (self._alone and _is_child(request)):
            return most
        return 0 if self._capacity.paused else min(self._capacity.free(), most)

    def _served_of(self, request: Request, most: int) -> int:
        """How many of ``most`` runs may begin here, as to their queue. One for which a body of ours
        waits needs no room.
        """
        if request.by_right:
            return most if self._served.serves(request.queue) else 0
        return self._served.free(request.queue, most)


def _is_child(request: Request) -> bool:
    """Whether the runs are paused and cancelled with the run whose body submits them."""
    return request.parent is not None and not request.start.detached


class PendingSubmission(SubmissionEntry):
    """A submission that is being written. When it is durable, it begins the runs of this runner and
    answers the caller. Until then it keeps places for ``ours``, the number of runs that may begin
    here; ``begin`` is called with the durable rows.
    """

    __slots__ = ("answer", "begin", "capacity", "ours", "request")

    def __init__(
        self,
        request: Request,
        rows: Sequence[NewRun],
        ours: int,
        answer: Answer,
        capacity: Capacity,
        begin: Callable[[Request, Sequence[NewRun], Committed], None],
    ) -> None:
        super().__init__(rows, request.beside(rows[0].id))
        self.request: Request = request
        self.ours: int = ours
        self.answer: Answer = answer
        self.capacity: Capacity = capacity
        self.begin: Callable[[Request, Sequence[NewRun], Committed], None] = begin

    def settled(self, committed: Committed) -> None:
        """Begin the runs that this runner owns, and answer."""
        if failpoints.watches:
            failpoints.hit("submit.after_commit")
        rows = self.rows
        self.capacity.unreserve(self.ours)
        if log.answers.get(logging.INFO, True):
            _tell_of_submission(self.request.definition.namespace, *_became(rows, committed))
        self.begin(self.request, rows, committed)
        if not self.answer.done():  # after the begin: it may look for the run
            self._answer(rows, committed)
        self.capacity.changed()  # runs whose key was taken need no place

    def _answer(self, rows: Sequence[NewRun], committed: Committed) -> None:
        parent_id = rows[0].parent_id  # all of them have one parent
        if rows[0].id in committed.orphans:
            self.answer.set_exception(lost_parent(parent_id))
        elif committed.refused and not committed.refused.isdisjoint([row.id for row in rows]):
            message = f"run {parent_id} is being cancelled, or was: its body submits no more runs"
            self.answer.set_exception(BodyCancelled(message))
        elif rows[0].id in committed.held:  # a request with a key is one run
            self.answer.set_result(None)
        else:
            sent = [row.id for row in rows]
            run_ids = [committed.existing.get(run_id, run_id) for run_id in sent]
            self.answer.set_result((run_ids, run_ids != sent))

    def refused(self, error: StoreError) -> None:
        """Answer with the error, and free the places."""
        self.capacity.unreserve(self.ours)
        self.capacity.changed()
        if not self.answer.done():
            self.answer.set_exception(error)


async def _hold(lease: Lease) -> None:
    """Hold a fresh lease. Tries again while the database is busy, as the journal does, and while
    this runner is declared dead and has no new id yet.
    """
    backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
    while not await _is_held(lease):
        await backoff.wait()


async def _is_held(lease: Lease) -> bool:
    lease.need()
    if not lease.is_fresh():
        try:
            await lease.refresh()
        except StoreFullError:
            raise
        except StoreUnavailableError:
            return False
    return lease.is_fresh()


def _became(rows: Sequence[NewRun], committed: Committed) -> tuple[list[str], list[str]]:
    """The ids of the new runs, and the ids of earlier runs that have the same keys."""
    existing = committed.existing
    return _made(rows, committed), [existing[row.id] for row in rows if row.id in existing]


def _made(rows: Sequence[NewRun], committed: Committed) -> list[str]:
    """The ids of the runs that were inserted."""
    not_made = committed.existing.keys() | committed.held | committed.orphans | committed.refused
    return [row.id for row in rows if row.id not in not_made]


def _tell_of_submission(workflow: str, new: Sequence[str], known: Sequence[str]) -> None:
    """Log new runs in one line. ``known`` are earlier runs that have the same keys."""
    if len(new) > 1:
        of_many = "runs %s to %s of %s: submitted, %d in all"
        ids = {"event": RUN_CREATED, "workflow": workflow}
        log.info(of_many, new[0], new[-1], workflow, len(new), extra=ids)
    for run_id in new if len(new) == 1 else ():
        ids = {"event": RUN_CREATED, "run_id": run_id, "workflow": workflow}
        log.info("run %s of %s: submitted", run_id, workflow, extra=ids)
    for run_id in known:
        ids = {"run_id": run_id, "workflow": workflow}
        log.info("run %s of %s: asked for again, by its key", run_id, workflow, extra=ids)
