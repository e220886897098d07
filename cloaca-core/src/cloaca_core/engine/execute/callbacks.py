"""User code that follows a body: its callbacks, and retry conditions about a timeout.

It has the time limit of the attempt that it follows. If it takes longer, it is given up like a
body, and the run continues without it. Belongs to the engine's loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

from cloaca_core.definition.callables import is_async_callable
from cloaca_core.engine.execute.attempt import AttemptWork, begin_here
from cloaca_core.engine.execute.forked import OneProcess
from cloaca_core.engine.execute.outcome import outcome_of
from cloaca_core.engine.execute.work import LEAST_CHECK
from cloaca_core.engine.runtime.deadlines import Deadlines
from cloaca_core.logs import SafeLogger
from cloaca_core.values.namespace import SEPARATOR

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.engine.execute.executor import Executor
    from cloaca_core.engine.execute.outcome import Raised

log = SafeLogger("cloaca.engine")


class FollowUp(AttemptWork):
    """Follows the body of ``attempt``. ``name`` is the option of the task with the user's
    function.
    """

    __slots__ = ("_attempt", "_name")

    def __init__(self, attempt: Attempt, name: str, *, is_async: bool = False) -> None:
        super().__init__(attempt.owner, is_async=is_async, clock=attempt.tools.clock)
        self._attempt = attempt
        self._name = name

    @property
    def attempt(self) -> Attempt:
        """The attempt that it follows."""
        return self._attempt

    def __str__(self) -> str:
        """The beginning of log lines about it."""
        return f"{self._attempt}: {self._name}"

    def broke(self, error: BaseException) -> None:
        """Do nothing: the attempt has its outcome, and the code that logs errors is the code that
        failed.
        """

    def child_keys(self) -> list[str]:
        """Keys made of run, task or item, attempt and call: the follow-ups of each attempt submit
        runs of their own.
        """
        attempt = self._attempt
        place = attempt.task.id if attempt.item is None else attempt.key_part
        parts = (attempt.owner.id, place, self._name, attempt.number, self.next_call())
        return [SEPARATOR.join(map(str, parts))]


class Judgement(FollowUp):
    """Asks the user's retry condition about a timeout, on a thread of the bodies."""

    __slots__ = ("_error",)

    def __init__(self, attempt: Attempt, error: BaseException) -> None:
        super().__init__(attempt, "retry_condition")
        self._error = error

    def run(self) -> None:
        """Replace the attempt's outcome by the verdict."""
        outcome = contextvars.copy_context().run(self._judge)
        if not self.abandoned:
            self._attempt.outcome = outcome

    def _judge(self) -> Raised:
        begin_here(self, self._attempt)
        return outcome_of(self._attempt, self._error)

    async def run_async(self) -> None:
        self.run()


class Callback(FollowUp):
    """Calls a callback of the user. Its result is ignored; its error is logged."""

    __slots__ = ("_arguments", "_function")

    def __init__(
        self,
        attempt: Attempt,
        name: str,
        function: Callable[..., object],
        arguments: tuple[object, ...],
    ) -> None:
        super().__init__(attempt, name, is_async=is_async_callable(function))
        self._function = function
        self._arguments = arguments

    def run(self) -> None:
        """Call it on this thread, in a copy of the present context variables."""
        try:
            with OneProcess():
                result = contextvars.copy_context().run(self._call)
        except BaseException:
            log.exception("%s raised", self, extra=self._attempt.log_ids())
        else:
            if inspect.iscoroutine(result):
                result.close()
                reason = "%s made a coroutine; define it with async"
                log.error(reason, self, extra=self._attempt.log_ids())

    async def run_async(self) -> None:
        """Await it on this thread's loop, which gave it a context of its own."""
        try:
            with OneProcess():
                await self._call()  # type: ignore[misc]  # async by is_async
        except BaseException as error:
            if self.abandoned and isinstance(error, asyncio.CancelledError):
                raise
            log.exception("%s raised", self, extra=self._attempt.log_ids())

    def _call(self) -> object:
        begin_here(self, self._attempt)
        return self._function(*self._arguments)


class FollowUps:
    """Runs follow-ups, at most one at a time for each attempt."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._under_way: dict[Attempt, tuple[FollowUp, Callable[[], None]]] = {}
        self._times = Deadlines(self.check_time)

    def run(self, work: FollowUp, then: Callable[[], None]) -> None:
        """Run ``work``, and call ``then`` when it has run, or was given up for its time."""
        self._under_way[work.attempt] = (work, then)
        work.finished = lambda _: self._over(work.attempt)
        self._times.add(work.attempt, work.attempt.timeout)
        self._executor.submit(work)

    def give_up(self, attempt: Attempt) -> None:
        """Abandon the follow-up of an attempt, if it has one."""
        if attempt in self._under_way:
            self._times.discard(attempt)
            work, _ = self._under_way.pop(attempt)
            self._executor.abandon(work)

    def is_away(self, attempt: Attempt) -> bool:
        """Whether the follow-up of this attempt waits for another run."""
        return attempt in self._under_way and not self._under_way[attempt][0].holds_slot

    def check_time(self, attempt: Attempt) -> None:
        """Give the follow-up up if its time is used up; otherwise check again when it may be."""
        if attempt not in self._under_way:
            return
        work, _ = self._under_way[attempt]
        left = attempt.timeout - work.clock.spent()  # the limit is for running, not for queueing
        if left > 0:
            if work.holds_slot:  # else it is checked when it goes on
                self._times.add(attempt, max(left, LEAST_CHECK))
        elif self._executor.abandon(work):
            log.error("%s took too long", work, extra=attempt.log_ids())
            self._over(attempt)

    def _over(self, attempt: Attempt) -> None:
        self._times.discard(attempt)
        if attempt in self._under_way:  # not given up while the report was on the way
            _, then = self._under_way.pop(attempt)
            then()
