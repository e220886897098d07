"""Reads the waits of claimed runs, and the messages that were sent to them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from cloaca_core.features.waits.open_waits import restored
from cloaca_core.values.states import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloaca_core.engine.orchestrate.adoption import PastRows
    from cloaca_core.features.waits.part import WaitStore
    from cloaca_core.features.waits.records import WaitRow
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.store.messages import MessageRow

_OPEN: Final = (TaskStatus.WAITING, TaskStatus.RUNNING)


async def read_waits(store: WaitStore, past: Mapping[str, PastRows]) -> None:
    """Add the open waits and the unread messages of runs that may have some. See ``ReadPast``."""
    waits: dict[str, list[WaitRow]] = {}
    messages: dict[str, list[MessageRow]] = {}
    if waiting := [run_id for run_id, rows in past.items() if _may_wait(rows)]:
        for wait in await store.waits(waiting):
            waits.setdefault(wait.run_id, []).append(wait)
        for message in await store.messages(waiting):
            messages.setdefault(message.run_id, []).append(message)
    for run_id, rows in waits.items():
        past[run_id].due.extend(
            [row.due_at for row in rows if row.due_at is not None and not row.timed_out]
        )
        past[run_id].adopt.append(partial(go_on_waiting, rows, messages.get(run_id, [])))


def _may_wait(past: PastRows) -> bool:
    """Whether a task of the run may have open waits. A task whose body was started again may have
    some.
    """
    return any(attempt.status in _OPEN for attempt in past.attempts)


def go_on_waiting(
    rows: Sequence[WaitRow], unread: Sequence[MessageRow], run: ActiveRun, came: int | None
) -> None:
    """Let a run wait as its last owner did. If the run was claimable because its time had come, the
    waits of that instant are due, by the clock of any machine.
    """
    row = run.row
    waits = run.waits = restored(run.graph.position, rows, unread, row.messages, run.resume)
    if came is not None:
        waits.due_now = came
