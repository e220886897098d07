"""The one database of a story as one of its runners sees it: over a network that is slow, and that
loses answers.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, cast

from cloaca_core.errors import StoreUnavailableError
from cloaca_testing.store_view import StoreView

if TYPE_CHECKING:
    import random

    from cloaca_core.assembly.store import Store
    from cloaca_core.store.runner_rows import RunnerRow
    from cloaca_testing.simulation.surroundings import Sender

WRITES: Final = frozenset(
    {
        "commit", "insert_when_free", "claim", "release", "register", "beat", "unregister",
        "fence", "take_over", "ask_places", "adopt_places", "free_places", "set_limit",
        "record_limits",
        "make_due_claimable", "cancel", "expire", "pause", "resume", "end_pauses", "retry",
        "end_pause_of_workflow", "pause_workflow", "resume_workflow", "bring_into_step",
        "send", "number_messages", "fork", "forget_children", "put_schedule", "change_schedule",
        "add_trigger", "change_trigger",
    }
)  # fmt: skip
"""Operations that change rows that other runners care about."""
QUIET: Final = frozenset({"beat"})
"""Writes of which other runners are not notified."""
SLOW: Final = 0.05
"""The part of all requests and answers that are slow."""


class MemberStore(StoreView):
    """All operations of the database, after the way there, and before the way back. The engine's
    wall clock may be wrong; times of the rows are those of the database's.
    """

    def __init__(self, store: Store, member: Sender, chance: random.Random) -> None:
        world = member.world
        super().__init__(store, world.place, member.loop, world.clock)
        self._member = member
        self._chance = chance
        self._world = world

    def set_contended(self, *, contended: bool) -> None:
        """Do nothing: no other process writes."""

    def notice_in(self, seconds: float) -> None:
        """Hear of a change after so many seconds."""
        self._loop.call_at(self._world.now + seconds, self._changed.set)

    def _by_loop(
        self, name: str, operation: Callable[..., Coroutine[Any, Any, Any]]
    ) -> Callable[..., Any]:
        writes = name in WRITES

        async def call(*given: Any, **options: Any) -> Any:
            args, on_commit = given, options.pop("on_commit", None)
            if name == "commit" and len(given) > 1:
                args, on_commit = given[:1], given[1]
            await self._travel()
            lost = self._member.take_lost(name) if writes else None
            if lost == "request lost":
                self._tell(f"{name} did not land")
                raise StoreUnavailableError("the connection was lost")
            answer = self._world.operate(self._member, name, operation, args, options)
            if writes and answer is not False and answer not in (0, [], {}) and name not in QUIET:
                self._world.announce(self._member)
            await self._travel()
            if lost is not None:
                self._tell(f"{name} landed, but its answer is lost")
                raise StoreUnavailableError("the connection was lost")
            if on_commit is not None:
                on_commit(answer)
            return answer

        return call if inspect.iscoroutinefunction(operation) else operation

    async def _travel(self) -> None:
        chance = self._chance
        slow = chance.random() < SLOW
        arrived = self._loop.create_future()
        timer = self._loop.call_later(chance.uniform(0.0, 2.0 if slow else 0.01), _arrive, arrived)
        try:  # not ``sleep``, which asks the system for the process each time
            await arrived
        finally:
            timer.cancel()

    def _tell(self, what: str) -> None:
        self._world.story.tell(self._member.name, what)


def _arrive(arrived: asyncio.Future[None]) -> None:
    if not arrived.done():
        arrived.set_result(None)


def told(name: str, args: tuple[Any, ...], answer: Any, run: Callable[[str], str]) -> list[str]:
    """Words for what an operation has done; none if a reader of the story need not know."""
    if name == "commit":
        batch = args[0]
        lines = [f"recorded: {run(row.id)} was submitted" for row in batch.new_runs]
        for row in batch.attempts:
            if row.run_id in answer.current:
                lines.append(f"recorded: {row.task_id} of {run(row.run_id)} is {row.status}")
            else:
                lines.append(f"refused: {row.task_id} of {run(row.run_id)}, it lost the run")
        lines += [
            f"recorded: {run(end.id)} is {end.status}"
            for end in batch.ends
            if end.id in answer.current
        ]
        return lines
    if name == "claim":
        return [f"claims {run(row.id)}, epoch {row.epoch}" for row in answer]
    if name == "take_over" and answer:
        return [f"takes over {answer} runs"]
    return []


def row_of_runner(args: tuple[Any, ...]) -> RunnerRow:
    """The row that ``register`` writes."""
    return cast("RunnerRow", args[0])
