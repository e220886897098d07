"""Makes the steps of a body: returns a kept value, or calls the function and keeps its value.

Runs on the body's own thread or loop, and knows no store: a ``MemoKeeper`` reads and writes.
"""

from __future__ import annotations

import asyncio
import inspect
import random
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from cloaca_core.definition.handles.steps import (
    NO_OPTIONS,
    StepCall,
    StepOptions,
    step_call,
    steps_with_options,
)
from cloaca_core.engine.execute.outcome import judged
from cloaca_core.engine.execute.work import Stage
from cloaca_core.errors import (
    BodyCancelled,
    BodySuspended,
    ContextError,
    ContextValueError,
    DefinitionTypeError,
    RunnerUsageError,
    StepInUseError,
)
from cloaca_core.features.steps.records import MemoRow
from cloaca_core.logs import SafeLogger
from cloaca_core.run.items.units import BITS
from cloaca_core.values.payloads.digests import digest_of
from cloaca_core.values.payloads.json_values import decode, encode, normalise
from cloaca_core.values.this_process import THIS_PROCESS

if TYPE_CHECKING:
    from cloaca_core.engine.execute.attempt import Attempt
    from cloaca_core.features.steps.asked_wait import AskedWait

log = SafeLogger("cloaca.engine")

KIND: Final = "step"

Answer: TypeAlias = "Sequence[MemoRow] | BaseException | None"
"""Memos that were read, an error to raise, or None."""
Tell: TypeAlias = Callable[[Answer], None]
"""Called once, on any thread."""
Withdraw: TypeAlias = Callable[[], bool]
"""Called, on any thread, when a body has stopped waiting before it was answered. Returns False if
it was asked to suspend first.
"""


class MemoKeeper(Protocol):
    """Reads and writes memos. Any thread may call it."""

    def load(self, attempt: Attempt, tell: Tell) -> None:
        """Read the memos of the attempt's task."""

    def keep(self, attempt: Attempt, memo: MemoRow, tell: Tell) -> None:
        """Write a memo. ``tell`` is called when it is durable."""

    def pause(self, attempt: Attempt, seconds: float, tell: Tell) -> None:
        """Call ``tell`` after these seconds, or with ``BodyCancelled`` once the body is asked to
        end.
        """

    def wait(self, attempt: Attempt, asked: AskedWait, tell: Tell) -> Withdraw:
        """Wait without the slot. ``tell`` is called with the memo of how the wait ended."""

    def defer(self, attempt: Attempt, seconds: float, tell: Tell) -> Withdraw:
        """As ``pause``, without the slot: afterwards a body checks its condition again."""


_WITHIN: Final[ContextVar[Attempt | None]] = ContextVar("cloaca_step", default=None)
"""The attempt whose step is running in this context."""


class AttemptSteps:
    """The steps of one attempt. A body may have threads or tasks of its own, which run steps at the
    same time: each step takes its number when it begins.

    Memos are read once, at the first step, and only if there may be some: not in the first attempt
    of a run that has always been ours.
    """

    def __init__(self, keeper: MemoKeeper, attempt: Attempt) -> None:
        self._keeper = keeper
        self._attempt = attempt
        self._forks = THIS_PROCESS.forks
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._known: dict[tuple[str, str, int], MemoRow] | None = None
        if attempt.number == 1 and attempt.epoch == 1 and not attempt.was_suspended:
            self._known = {}
        self._input_hash: str | None = None

    # -- plain functions ---------------------------------------------------------------------

    def step(
        self,
        name: object,
        function: object,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: StepOptions = NO_OPTIONS,
    ) -> object:
        """The value of a step, on a thread that may block."""
        call = step_call(name, function, args, kwargs, options, is_async=False)
        self._refuse_ended(is_async=False)
        number = self._number_of(call.name)
        self._read_memos()
        if (text := self._kept(KIND, call.name, number)) is None:
            text = self._text_of(call, self._called(call))
            memo = self._memo(call.name, number, text)
            answer_to(partial(self._keeper.keep, self._attempt, memo))
        return _loaded(call, text)

    def _read_memos(self) -> None:
        with self._reading:
            if self._known is None:
                self._take(answer_to(partial(self._keeper.load, self._attempt)))

    def _called(self, call: StepCall) -> object:
        tries = _Tries(call, self._attempt)
        while True:
            try:
                with self._within(call.name):
                    return call.function(*call.args, **call.kwargs)
            except Exception as error:
                if (seconds := tries.pause_after(error)) is None:
                    raise
            answer_to(partial(self._keeper.pause, self._attempt, seconds))

    # -- coroutines --------------------------------------------------------------------------

    async def step_async(
        self,
        name: object,
        function: object,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: StepOptions = NO_OPTIONS,
    ) -> object:
        """The value of a step, on a loop."""
        call = step_call(name, function, args, kwargs, options, is_async=True)
        self._refuse_ended(is_async=True)
        number = self._number_of(call.name)
        await self._read_memos_async()
        if (text := self._kept(KIND, call.name, number)) is None:
            text = self._text_of(call, await self._called_async(call))
            memo = self._memo(call.name, number, text)
            await answer_on_loop(partial(self._keeper.keep, self._attempt, memo))
        return _loaded(call, text)

    async def _read_memos_async(self) -> None:
        if self._known is None:
            self._take(await answer_on_loop(partial(self._keeper.load, self._attempt)))

    async def _called_async(self, call: StepCall) -> object:
        tries = _Tries(call, self._attempt)
        while True:
            try:
                with self._within(call.name):
                    return await _coming(call)
            except Exception as error:
                if (seconds := tries.pause_after(error)) is None:
                    raise
            await answer_on_loop(partial(self._keeper.pause, self._attempt, seconds))

    # -- both --------------------------------------------------------------------------------

    def with_options(self, retry: object, returns: object, *, is_async: bool) -> Any:
        """Steps with options: an object with a method ``step``."""
        return steps_with_options(self, retry, returns, is_async=is_async)

    def _refuse_ended(self, *, is_async: bool) -> None:
        """Refuse a step of a body that is asked to end, or has ended."""
        attempt = self._attempt
        if THIS_PROCESS.forks != self._forks:
            raise RunnerUsageError("a step belongs to the process of its runner, not to a fork")
        if attempt.is_suspending:
            raise suspended_early(attempt)
        if attempt.cancelled or attempt.abandoned:
            signal = ended_early(attempt)
            raise asyncio.CancelledError(str(signal)) if is_async else signal
        if attempt.stage is Stage.RAN:
            raise RunnerUsageError(f"{attempt}: its body has ended, and takes no further step")

    def _number_of(self, name: str) -> int:
        """The number of this step among the attempt's steps of this name, from 1. Steps of one name
        that begin in a fixed order find their values again, also if they overlap.
        """
        self._refuse_within(f"step {name!r}", name)
        with self._lock:
            number = self._numbers[name] = self._numbers.get(name, 0) + 1
            return number

    def _refuse_within(self, what: str, name: str) -> None:
        """Refuse a step or a wait within the function of a step."""
        if _WITHIN.get() is self._attempt:
            raise StepInUseError(f"{what} is called within another step", name=name)

    @contextmanager
    def _within(self, name: str) -> Iterator[None]:
        """A block for the function of a step."""
        token, spans = _WITHIN.set(self._attempt), self._attempt.owner.spans
        try:
            if spans is None:
                yield
            else:
                with spans.step(name):
                    yield
        finally:
            _WITHIN.reset(token)

    def _take(self, found: Sequence[MemoRow] | None) -> None:
        self._known = {(memo.kind, memo.name, memo.number): memo for memo in found or ()}

    def _kept(self, kind: str, name: str, number: int) -> str | None:
        """The text of a value that was kept for the same input. The runs that the step submitted
        count as submitted.
        """
        memo = None if self._known is None else self._known.pop((kind, name, number), None)
        if memo is None or memo.input_hash != self._hash():
            return None
        self._attempt.count_calls(memo.calls)
        return memo.value

    def _hash(self) -> str:
        if self._input_hash is None:
            item = self._attempt.item
            given = self._attempt.given if item is None else item.with_input()
            self._input_hash = digest_of(given)
        return self._input_hash

    def _text_of(self, call: StepCall, value: object) -> str:
        """The value as it is stored. Raises if it has no JSON form, or is too large."""
        try:
            text = encode(normalise(call.form.dump(value)))
        except ContextError as error:
            message = f"the value of step {call.name!r} cannot be kept: {error}"
            raise type(error)(message, path=error.path) from None
        most = self._attempt.tools.max_bytes
        if (size := len(text.encode())) > most:
            raise ContextValueError(
                f"the value of step {call.name!r} is {size} bytes long; max_context_bytes is {most}"
            )
        return text

    def _memo(self, name: str, number: int, text: str) -> MemoRow:
        attempt = self._attempt
        return MemoRow(
            run_id=attempt.run_id,
            task_id=attempt.task_id,
            kind=KIND,
            name=name,
            number=number,
            input_hash=self._hash(),
            attempt=attempt.number,
            value=text,
            calls=attempt.calls,
            created_at=attempt.tools.clock.wall(),
            item=(attempt.index >> BITS) - 1,
        )


class _Tries:
    """Counts the tries of a step's function by its retry policy."""

    def __init__(self, call: StepCall, attempt: Attempt) -> None:
        self._call = call
        self._attempt = attempt
        self._counted = 0

    def pause_after(self, error: Exception) -> float | None:
        """Seconds until the function is called again; None if it is not."""
        if (policy := self._call.retry) is None:
            return None
        who, ids = f"{self._attempt} step {self._call.name!r}", self._attempt.log_ids()
        redact = self._attempt.redact
        outcome = judged(policy, self._counted + 1, error, who=who, ids=ids, redact=redact)
        if not outcome.again:
            return None
        self._counted += outcome.counts
        seconds = outcome.after
        if seconds is None:
            seconds = policy.delay_ms(self._counted, random.uniform) / 1000
        log.warning("%s: failed, again in %.10g s: %.500s", who, seconds, outcome, extra=ids)
        return seconds


def _coming(call: StepCall) -> Awaitable[object]:
    """The call of an async function."""
    coming = call.function(*call.args, **call.kwargs)
    if not inspect.isawaitable(coming):
        raise DefinitionTypeError(
            f"step {call.name!r} in an async body takes an async function, whose call can be "
            f"awaited; this one returned {type(coming).__name__}"
        )
    return coming


def ended_early(attempt: Attempt) -> BodyCancelled:
    """The signal that unwinds a body that is asked to end, or that the engine has given up."""
    if attempt.cancelled:
        return BodyCancelled(f"run {attempt.run_id} is being cancelled")
    return BodyCancelled(f"{attempt} was given up: it is not recorded any more")


def suspended_early(attempt: Attempt) -> BodySuspended:
    """The signal for a body that was asked to suspend and still makes calls."""
    return BodySuspended(f"{attempt} was asked to leave, and takes no further step")


def _loaded(call: StepCall, text: str) -> object:
    """The value as this call and every later one returns it."""
    try:
        return call.form.load(decode(text))
    except Exception as error:
        raise ContextValueError(
            f"the kept value of step {call.name!r} is no {call.form.name}: {error}"
        ) from error


def answer_to(ask: Callable[[Tell], object]) -> Sequence[MemoRow] | None:
    """The answer, on a thread that may block."""
    answers: SimpleQueue[Answer] = SimpleQueue()
    ask(answers.put)
    answer = answers.get()
    if isinstance(answer, BaseException):
        raise answer
    return answer


async def answer_on_loop(
    ask: Callable[[Tell], object], missed: Tell = lambda _: None
) -> Sequence[MemoRow] | None:
    """The answer, on a loop. ``missed`` is called with an answer that comes after the caller has
    stopped waiting.
    """
    loop = asyncio.get_running_loop()
    coming: asyncio.Future[Answer] = loop.create_future()
    ask(partial(_answer_on, loop, coming, missed))
    answer = await coming
    if isinstance(answer, BodyCancelled):
        raise asyncio.CancelledError(str(answer))
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _answer_on(
    loop: asyncio.AbstractEventLoop, coming: asyncio.Future[Answer], missed: Tell, answer: Answer
) -> None:
    with suppress(RuntimeError):  # the loop has been closed
        loop.call_soon_threadsafe(_set, coming, missed, answer)


def _set(coming: asyncio.Future[Answer], missed: Tell, answer: Answer) -> None:
    if coming.done():
        missed(answer)
    else:
        coming.set_result(answer)
