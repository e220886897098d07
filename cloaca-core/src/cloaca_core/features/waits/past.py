"""Reads with claimed runs what their tasks wait for, and the messages that have come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.values.states import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloaca_core.engine.orchestrate.adoption import PastRows
    from cloaca_core.features.waits.part import WaitStore
    from cloaca_core.run.rows import RunRow

_OPEN: Final = (TaskStatus.WAITING, TaskStatus.RUNNING)


async def read_waits(store: WaitStore, _: Sequence[RunRow], past: Mapping[str, PastRows]) -> None:
    """Add the open waits and the unread messages of runs that may have some. See ``ReadPast``."""
    if waiting := [run_id for run_id, rows in past.items() if _may_wait(rows)]:
        for wait in await store.waits(waiting):
            past[wait.run_id].waits.append(wait)
        for message in await store.messages(waiting):
            past[message.run_id].messages.append(message)


def _may_wait(past: PastRows) -> bool:
    """Whether a task of the run may have open waits; so may one whose body was begun again."""
    return any(attempt.status in _OPEN for attempt in past.attempts)
