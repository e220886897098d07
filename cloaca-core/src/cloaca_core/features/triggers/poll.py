"""One poll of a trigger: its function, run off the engine's loop, and the outcome."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from cloaca_core.engine.execute.coroutines import BodyLoop
from cloaca_core.engine.execute.forked import OneProcess
from cloaca_core.engine.execute.threads import BodyThreads
from cloaca_core.engine.execute.work import Stage, Work

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Collection

    from cloaca_core.definition.triggers.definition import Trigger
    from cloaca_core.features.triggers.records import TriggerRow
    from cloaca_core.values.times.clock import Clock

MANY: Final = 1 << 20
"""Polls at a time, in effect unlimited: a poll never waits for another trigger's."""


@dataclass(frozen=True, slots=True)
class Returned:
    """The function returned this; it is not checked yet."""

    value: object


@dataclass(frozen=True, slots=True)
class Broke:
    """The function raised."""

    error: BaseException


PollOutcome: TypeAlias = Returned | Broke


class Poll(Work):
    """A poll that this runner has taken. ``outcome`` is None until it has run."""

    __slots__ = ("outcome", "row", "trigger")

    def __init__(
        self, trigger: Trigger, row: TriggerRow, clock: Clock, finished: Callable[[Work], None]
    ) -> None:
        super().__init__(is_async=trigger.is_async, clock=clock, finished=finished)
        self.trigger: Trigger = trigger
        self.row: TriggerRow = row
        self.outcome: PollOutcome | None = None

    def run(self) -> None:
        try:
            with OneProcess():
                returned = self.trigger.function()
            _close_coroutine(returned)
            self.outcome = Returned(returned)
        except BaseException as error:  # noqa: BLE001 - no error may end the thread
            self.outcome = Broke(error)

    async def run_async(self) -> None:
        try:
            with OneProcess():
                returned = await cast("Awaitable[object]", self.trigger.function())
            self.outcome = Returned(returned)
        except BaseException as error:  # noqa: BLE001 - no error may end the loop
            self.outcome = Broke(error)

    def broke(self, error: BaseException) -> None:
        self.outcome = Broke(error)


class PollPlaces:
    """Runs polls apart from tasks and from one another: a poll that hangs delays no other.

    Sync functions share threads that are made as they are needed; each async function has a loop
    of its own, so that its objects (a client, a lock) stay usable from poll to poll. Belongs to
    the engine's loop. ``broken`` is called with the reason when a loop runs nothing any more.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, broken: Callable[[str], None] = lambda _: None
    ) -> None:
        self._loop = loop
        self._broken = broken
        self._threads = BodyThreads(MANY, loop)
        self._loops: dict[Trigger, BodyLoop] = {}

    def start(self, poll: Poll) -> None:
        """Run it; its ``finished`` is called on the engine's loop."""
        poll.stage = Stage.QUEUED
        if not poll.is_async:
            self._threads.submit(poll)
            return
        if (place := self._loops.get(poll.trigger)) is None:
            place = self._loops[poll.trigger] = BodyLoop(1, self._loop, self._broken)
        place.submit(poll)

    def rests(self, _: Trigger) -> bool:
        """Whether a trigger needs no poll, as its last one would be the same again. A program never
        knows that; a simulation does.
        """
        return False

    def keep(self, triggers: Collection[Trigger]) -> None:
        """End the loops of all other triggers."""
        for gone in self._loops.keys() - set(triggers):
            self._loops.pop(gone).close()

    def close(self) -> None:
        """Let threads and loops end, without waiting for polls that still run."""
        self._threads.close()
        self.keep(())


def _close_coroutine(returned: object) -> None:
    """Close the coroutine that a plain function returned: the poll is refused, and Python must not
    warn as well.
    """
    if inspect.iscoroutine(returned):
        returned.close()
