"""The waits of a body: each is counted, asked for once, and answered by how it has ended."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from model.quiet import quiet
from model.runs import active_run, attempt_of, graph_of

from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.wait_calls import WaitCall
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.work import Stage
from cloaca_core.errors import (
    BodyCancelled,
    BodySuspended,
    EventTimeoutError,
    RunnerUsageError,
    StepInUseError,
)
from cloaca_core.features.steps.asked_wait import AskedWait
from cloaca_core.features.steps.records import MemoRow
from cloaca_core.features.steps.steps import Answer, Tell, Withdraw
from cloaca_core.features.waits.calls import AttemptWaits
from cloaca_core.values.this_process import THIS_PROCESS
from cloaca_core.values.waits import EVENT, SLEEP


async def _is_async(context: Context) -> None:
    pass


GRAPH = graph_of(t={}, u={"body": _is_async})
GO = WaitCall(EVENT, "go", 5.0)
NAP = WaitCall(SLEEP, "", 5.0)


class Keeper:
    """Answers each wait at once with the next of ``ends``, or not at all, and notes what it was
    asked.
    """

    def __init__(self) -> None:
        self.kept: list[MemoRow] = []
        self.loads = 0
        self.ends: list[Answer] = []
        self.asked: list[AskedWait] = []
        self.rests: list[float] = []
        self.tells: list[Tell] = []
        self.withdrawn = 0
        self.asks_to_leave = False

    def load(self, _: Attempt, tell: Tell) -> None:
        self.loads += 1
        tell(list(self.kept))

    def keep(self, attempt: Attempt, memo: MemoRow, tell: Tell) -> None:
        raise AssertionError(attempt, memo, tell)

    def pause(self, attempt: Attempt, seconds: float, tell: Tell) -> None:
        raise AssertionError(attempt, seconds, tell)

    def wait(self, _: Attempt, asked: AskedWait, tell: Tell) -> Withdraw:
        self.asked.append(asked)
        self.tells.append(tell)
        if self.ends:
            tell(self.ends.pop(0))
        return self._withdraw

    def defer(self, _: Attempt, seconds: float, tell: Tell) -> Withdraw:
        self.rests.append(seconds)
        tell(None)
        return self._withdraw

    def _withdraw(self) -> bool:
        self.withdrawn += 1
        return not self.asks_to_leave


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


def body(number: int = 1, *, is_async: bool = False, **fields: Any) -> Attempt:
    attempt = attempt_of(active_run(GRAPH), index=int(is_async), number=number, **fields)
    attempt.stage = Stage.RUNNING
    return attempt


def ended(value: str, number: int = 1, *, kind: str = EVENT, name: str = "go") -> MemoRow:
    return MemoRow("r", "t", kind, name, number, "", 1, value, 0, 0)


class Sync:
    """Calls of a body in a thread."""

    is_async = False

    def call(self, keeper: Keeper, attempt: Attempt, *calls: WaitCall) -> list[object]:
        waits = AttemptWaits(keeper, attempt)
        return [waits.wait(each) for each in calls]

    def defer(self, keeper: Keeper, condition: Callable[[], object]) -> None:
        AttemptWaits(keeper, body()).defer(condition, 2.0)


class Async:
    """Calls of a coroutine."""

    is_async = True

    def call(self, keeper: Keeper, attempt: Attempt, *calls: WaitCall) -> list[object]:
        async def run() -> list[object]:
            waits = AttemptWaits(keeper, attempt)
            return [await waits.wait_async(each) for each in calls]

        return asyncio.run(run())

    def defer(self, keeper: Keeper, condition: Callable[[], object]) -> None:
        async def run() -> None:
            await AttemptWaits(keeper, body(is_async=True)).defer_async(condition, 2.0)

        asyncio.run(run())


@pytest.mark.parametrize("way", [Sync(), Async()], ids=["thread", "coroutine"])
class TestWaits:
    def test_it_returns_the_payload_and_of_a_sleep_nothing(
        self, keeper: Keeper, way: Sync | Async
    ) -> None:
        keeper.ends = [[ended('{"payload":{"a":1}}')], [ended("{}", kind=SLEEP, name="")]]

        assert way.call(keeper, body(is_async=way.is_async), GO, NAP) == [{"a": 1}, None]

    def test_each_is_numbered_among_those_of_its_kind_and_name(
        self, keeper: Keeper, way: Sync | Async
    ) -> None:
        calls = [GO, NAP, GO, WaitCall(EVENT, "stop", None), WaitCall(SLEEP, "", None, until=9)]
        keeper.ends = [[ended('{"payload":1}')]] * len(calls)

        way.call(keeper, body(is_async=way.is_async), *calls)

        assert [each[:5] for each in keeper.asked] == [
            (EVENT, "go", 1, 5.0, None),
            (SLEEP, "", 1, 5.0, None),
            (EVENT, "go", 2, 5.0, None),
            (EVENT, "stop", 1, None, None),
            (SLEEP, "", 2, None, 9),
        ]
        assert all(each.may_suspend for each in keeper.asked)

    def test_after_a_timeout_it_returns_the_default_or_raises(
        self, keeper: Keeper, way: Sync | Async
    ) -> None:
        attempt = body(is_async=way.is_async)
        keeper.ends = [[ended("{}")]]
        assert way.call(keeper, attempt, WaitCall(EVENT, "go", 5.0, None, "late")) == ["late"]

        keeper.ends = [[ended("{}")]]
        with pytest.raises(EventTimeoutError, match="waited 5s for the event 'go'"):
            way.call(keeper, attempt, GO)

    def test_a_payload_of_null_is_no_timeout(self, keeper: Keeper, way: Sync | Async) -> None:
        keeper.ends = [[ended('{"payload":null}')]]

        assert way.call(keeper, body(is_async=way.is_async), GO) == [None]

    @pytest.mark.parametrize("again", [{"number": 2}, {"begun_at": 7}])
    def test_a_body_that_runs_again_finds_those_that_have_ended(
        self, keeper: Keeper, way: Sync | Async, again: dict[str, int]
    ) -> None:
        attempt = body(is_async=way.is_async, **again)
        own = AttemptWaits(keeper, body())._hash()
        other = ended('{"payload":7}', 2)._replace(input_hash="of another input")
        keeper.kept = [ended('{"payload":1}')._replace(input_hash=own), other]
        keeper.ends = [[ended('{"payload":2}', 2)]]

        assert way.call(keeper, attempt, GO, GO) == [1, 2]
        assert [each.number for each in keeper.asked] == [2]
        assert keeper.loads == 1

    def test_the_first_attempt_of_a_run_of_ones_own_reads_nothing(
        self, keeper: Keeper, way: Sync | Async
    ) -> None:
        keeper.ends = [[ended('{"payload":1}')]]

        way.call(keeper, body(is_async=way.is_async), GO)

        assert keeper.loads == 0

    def test_a_body_that_is_asked_to_leave_gets_the_signal(
        self, keeper: Keeper, way: Sync | Async
    ) -> None:
        attempt = body(is_async=way.is_async)
        keeper.ends = [BodySuspended("leave")]
        with pytest.raises(BodySuspended, match="leave"):
            way.call(keeper, attempt, GO)

        attempt.is_suspending = True
        with pytest.raises(BodySuspended, match="takes no further step"):
            way.call(keeper, attempt, GO)

    def test_a_body_that_is_cancelled_gets_its_signal(
        self, keeper: Keeper, way: Sync | Async
    ) -> None:
        keeper.ends = [BodyCancelled("cancelled")]
        with pytest.raises(asyncio.CancelledError if way.is_async else BodyCancelled):
            way.call(keeper, body(is_async=way.is_async), GO)

    def test_one_in_a_fork_of_the_process_is_refused(
        self, keeper: Keeper, way: Sync | Async, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waits = AttemptWaits(keeper, body())
        monkeypatch.setattr(THIS_PROCESS, "forks", -1)

        with pytest.raises(RunnerUsageError, match="not to a fork"):
            waits.wait(GO) if not way.is_async else asyncio.run(_of(waits.wait_async(GO)))

    def test_a_condition_is_asked_until_it_is_true(self, keeper: Keeper, way: Sync | Async) -> None:
        answers = [0, None, "yes", "not asked"]

        way.defer(keeper, lambda: answers.pop(0))

        assert answers == ["not asked"]
        assert keeper.rests == [2.0, 2.0]


async def _of(coming: Any) -> Any:
    return await coming


class TestWhoMayLeave:
    def test_another_thread_of_the_body_may_not(self, keeper: Keeper) -> None:
        keeper.ends = [[ended('{"payload":1}')]]
        waits = AttemptWaits(keeper, body())
        thread = threading.Thread(target=waits.wait, args=[GO])
        thread.start()
        thread.join()

        assert [each.may_suspend for each in keeper.asked] == [False]

    async def test_another_task_of_the_body_may_not(self, keeper: Keeper) -> None:
        keeper.ends = [[ended('{"payload":1}')]]
        waits = AttemptWaits(keeper, body(is_async=True))

        await asyncio.create_task(waits.wait_async(GO))

        assert [each.may_suspend for each in keeper.asked] == [False]


class TestSteps:
    def test_a_wait_within_a_step_is_refused(self, keeper: Keeper) -> None:
        waits = AttemptWaits(keeper, body())

        with pytest.raises(StepInUseError, match="a wait for 'go' is called within another step"):
            waits.step("s", waits.wait, (GO,), {})


class TestCutOff:
    async def test_a_coroutine_that_is_cancelled_waits_no_more(self, keeper: Keeper) -> None:
        waits = AttemptWaits(keeper, body(is_async=True))

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await waits.wait_async(GO)

        assert keeper.withdrawn == 1

    async def test_a_message_that_comes_too_late_is_for_the_next_wait(self, keeper: Keeper) -> None:
        waits = AttemptWaits(keeper, body(is_async=True))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await waits.wait_async(GO)
        keeper.tells[0]([ended('{"payload":7}')])
        await quiet()
        keeper.ends = [[ended('{"payload":8}', 2)]]

        assert await waits.wait_async(GO) == 7
        assert len(keeper.asked) == 1

    @pytest.mark.parametrize("late", [None, "{}"], ids=["withdrawn", "timed out"])
    async def test_only_a_message_is_handed_on(self, keeper: Keeper, late: str | None) -> None:
        waits = AttemptWaits(keeper, body(is_async=True))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await waits.wait_async(GO)
        keeper.tells[0](None if late is None else [ended(late)])
        await quiet()
        keeper.ends = [[ended('{"payload":8}', 2)]]

        assert await waits.wait_async(GO) == 8

    async def test_it_leaves_if_it_was_asked_to_at_that_moment(self, keeper: Keeper) -> None:
        keeper.asks_to_leave = True
        attempt = body(is_async=True)

        with pytest.raises(BodySuspended):
            async with asyncio.timeout(0):
                await AttemptWaits(keeper, attempt).wait_async(GO)

        assert attempt.is_suspending

    async def test_an_async_condition_is_awaited(self, keeper: Keeper) -> None:
        answers = [False, True]

        async def is_true() -> bool:
            return answers.pop(0)

        await AttemptWaits(keeper, body(is_async=True)).defer_async(is_true, 2.0)

        assert (answers, keeper.rests) == ([], [2.0])
