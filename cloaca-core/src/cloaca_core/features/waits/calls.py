"""Makes the waits of a body: waits for the end of each, or returns it if it is known.

Runs on the body's own thread or loop, as its steps do.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from cloaca_core.definition.handles.wait_calls import WaitCall
from cloaca_core.engine.execute.children import NO_CHILDREN, Children
from cloaca_core.errors import no_decision, no_event
from cloaca_core.features.steps.asked_wait import AskedWait
from cloaca_core.features.steps.children import AttemptChildren
from cloaca_core.features.steps.steps import (
    Answer,
    MemoKeeper,
    Tell,
    Withdraw,
    answer_on_loop,
    answer_to,
    suspended_early,
)
from cloaca_core.features.waits.node_waits import decision
from cloaca_core.values.missing import Missing
from cloaca_core.values.payloads.json_values import decode
from cloaca_core.values.times.instants import read_instant
from cloaca_core.values.waits import APPROVAL, SLEEP

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.features.steps.records import MemoRow


class AttemptWaits(AttemptChildren):
    """The steps, waits and children of one attempt. It is made on the body's own thread or in its
    own task, the only ones that the signal to suspend can unwind.
    """

    def __init__(
        self, keeper: MemoKeeper, attempt: Attempt, children: Children = NO_CHILDREN
    ) -> None:
        super().__init__(keeper, attempt)
        self._children = children
        self._wait_numbers: dict[tuple[str, str], int] = {}
        self._missed: dict[tuple[str, str], str] = {}
        self._thread = threading.get_ident()
        self._task = asyncio.current_task() if attempt.is_async else None

    def wait(self, call: WaitCall) -> object:
        """The result of a wait, on a thread that may block."""
        self._refuse_ended(is_async=False)
        number = self._number_of_wait(call)
        self._read_memos()
        if (text := self._kept(call.kind, call.name, number)) is None:
            may_suspend = threading.get_ident() == self._thread
            asked = self._asked(call, number, may_suspend=may_suspend)
            text = _text_of(answer_to(partial(self._keeper.wait, self._attempt, asked)))
        return self._outcome(call, text)

    async def wait_async(self, call: WaitCall) -> object:
        """The result of a wait, on a loop."""
        self._refuse_ended(is_async=True)
        number = self._number_of_wait(call)
        await self._read_memos_async()
        if (text := self._kept(call.kind, call.name, number)) is None:
            text = self._missed.pop((call.kind, call.name), None)
        if text is None:
            may_suspend = asyncio.current_task() is self._task
            asked = self._asked(call, number, may_suspend=may_suspend)
            ask = partial(self._keeper.wait, self._attempt, asked)
            text = _text_of(await self._away(ask, partial(self._miss, call)))
        return self._outcome(call, text)

    def _miss(self, call: WaitCall, answer: Answer) -> None:
        """The coroutine has cut its wait off just before the end came: a message in it goes to the
        next wait.
        """
        if answer and not isinstance(answer, BaseException) and "payload" in _read(answer[0].value):
            self._missed[call.kind, call.name] = answer[0].value

    def defer(self, condition: Callable[[], object], seconds: float) -> None:
        """Return once ``condition()`` is true. It is called again every ``seconds``."""
        self._refuse_ended(is_async=False)
        while not condition():
            answer_to(partial(self._keeper.defer, self._attempt, seconds))

    async def defer_async(self, condition: Callable[[], object], seconds: float) -> None:
        """As ``defer``; the condition may be a coroutine function."""
        self._refuse_ended(is_async=True)
        while True:
            found = condition()
            if await found if inspect.isawaitable(found) else found:
                return
            await self._away(partial(self._keeper.defer, self._attempt, seconds))

    async def _away(
        self, ask: Callable[[Tell], Withdraw], missed: Tell = lambda _: None
    ) -> Sequence[MemoRow] | None:
        """The answer, on a loop. A coroutine that is cancelled, as ``asyncio.timeout`` does, no
        longer waits. If it was asked to suspend at that moment it does, as the engine counts on
        that.
        """
        withdraw: list[Withdraw] = []
        try:
            return await answer_on_loop(lambda tell: withdraw.append(ask(tell)), missed)
        except asyncio.CancelledError:
            if withdraw[0]():
                raise
            self._attempt.is_suspending = True
            raise suspended_early(self._attempt) from None

    def _number_of_wait(self, call: WaitCall) -> int:
        """The number of this wait among the attempt's waits of this kind and name, from 1."""
        self._refuse_within(f"a wait for {call.name or call.kind!r}", call.name or call.kind)
        with self._lock:
            key = (call.kind, call.name)
            number = self._wait_numbers[key] = self._wait_numbers.get(key, 0) + 1
            return number

    def _asked(self, call: WaitCall, number: int, *, may_suspend: bool) -> AskedWait:
        return AskedWait(
            call.kind,
            call.name,
            number,
            call.seconds,
            call.until,
            self._hash(),
            may_suspend,
            call.detail,
        )

    def _outcome(self, call: WaitCall, text: str) -> object:
        """The value of the call: a payload, the default after a time-out, or nothing for a
        sleep.
        """
        value = _read(text)
        if "payload" in value or call.kind == SLEEP:
            return value.get("payload")
        if isinstance(call.default, Missing):
            made = no_decision if call.kind == APPROVAL else no_event
            raise made(self._attempt.task_id, call.name, call.seconds or 0.0)
        if call.kind == APPROVAL:
            return decision(call.default, at=read_instant("at", value["over_at"]))
        return call.default


def _read(text: str) -> dict[str, Any]:
    """The end of a wait: with a payload, or without one by time."""
    return cast("dict[str, Any]", decode(text) or {})


def _text_of(found: Sequence[MemoRow] | None) -> str:
    assert found, "a wait is answered with the memo of its end"
    return found[0].value
