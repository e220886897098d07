"""Steps find what was kept for the same input, and have kept what they call for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from model.runs import active_run, attempt_of, cancel, graph_of

from cloaca_core.definition.retries.policy import RetryPolicy
from cloaca_core.definition.retries.retry_after import RetryAfter
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.work import Stage
from cloaca_core.errors import (
    BodyCancelled,
    ContextValueError,
    RunnerUsageError,
    StepInUseError,
    StoreDataError,
)
from cloaca_core.features.steps.asked_wait import AskedWait
from cloaca_core.features.steps.records import MemoRow
from cloaca_core.features.steps.steps import AttemptSteps, Tell, Withdraw
from cloaca_core.values.this_process import THIS_PROCESS

GRAPH = graph_of(t={})


class Keeper:
    """Answers at once, and notes what it was asked."""

    def __init__(self) -> None:
        self.rows: list[MemoRow] = []
        self.loads = 0
        self.pauses: list[float] = []
        self.error: Exception | BodyCancelled | None = None

    def load(self, _: Attempt, tell: Tell) -> None:
        self.loads += 1
        tell(list(self.rows))

    def keep(self, _: Attempt, memo: MemoRow, tell: Tell) -> None:
        if self.error is None:
            self.rows.append(memo)
        tell(self.error)

    def pause(self, _: Attempt, seconds: float, tell: Tell) -> None:
        self.pauses.append(seconds)
        tell(self.error)

    def wait(self, attempt: Attempt, asked: AskedWait, tell: Tell) -> Withdraw:
        raise AssertionError(attempt, asked, tell)

    def defer(self, attempt: Attempt, seconds: float, tell: Tell) -> Withdraw:
        raise AssertionError(attempt, seconds, tell)


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


def steps_of(
    keeper: Keeper, number: int = 1, epoch: int = 1, **fields: Any
) -> tuple[AttemptSteps, Attempt]:
    attempt = attempt_of(active_run(GRAPH, epoch=epoch), number=number, **fields)
    attempt.stage = Stage.RUNNING
    return AttemptSteps(keeper, attempt), attempt


def call(steps: AttemptSteps, name: str, value: object, *, is_async: bool = False) -> object:
    """A step that returns this value."""
    if not is_async:
        return steps.step(name, lambda: value, (), {})

    async def later() -> object:
        return value

    return asyncio.run(steps.step_async(name, later, (), {}))


@pytest.mark.parametrize("is_async", [False, True])
class TestMemos:
    def test_the_first_attempt_of_a_run_of_ones_own_reads_nothing(
        self, keeper: Keeper, is_async: bool
    ) -> None:
        steps, _ = steps_of(keeper, given={"b": 1, "a": 2})

        assert call(steps, "s", [1], is_async=is_async) == [1]

        assert keeper.loads == 0
        (row,) = keeper.rows
        assert row[:5] == ("r", "t", "step", "s", 1)
        assert (row.value, row.attempt, row.calls) == ("[1]", 1, 0)

    @pytest.mark.parametrize("later", [{"number": 2}, {"epoch": 2}])
    def test_another_attempt_or_owner_reads_once_and_calls_for_nothing_that_is_kept(
        self, keeper: Keeper, is_async: bool, later: dict[str, int]
    ) -> None:
        first, _ = steps_of(keeper)
        for value in (1, 2):
            call(first, "s", value)
        again, _ = steps_of(keeper, **later)

        got = [call(again, "s", value, is_async=is_async) for value in (7, 8, 9)]

        assert got == [1, 2, 9]
        assert keeper.loads == 1
        assert [(row.number, row.value) for row in keeper.rows] == [(1, "1"), (2, "2"), (3, "9")]

    def test_what_was_kept_for_another_input_does_not_count(
        self, keeper: Keeper, is_async: bool
    ) -> None:
        call(steps_of(keeper, given={"a": 1})[0], "s", 1)
        same, _ = steps_of(keeper, number=2, given={"a": 1})
        other, _ = steps_of(keeper, number=2, given={"a": 1.0})

        assert call(same, "s", 7, is_async=is_async) == 1
        assert call(other, "s", 7, is_async=is_async) == 7

    def test_the_order_of_keys_is_not_part_of_the_input(
        self, keeper: Keeper, is_async: bool
    ) -> None:
        call(steps_of(keeper, given={"a": 1, "b": {"x": 1, "y": 2}})[0], "s", 1)
        again, _ = steps_of(keeper, number=2, given={"b": {"y": 2, "x": 1}, "a": 1})

        assert call(again, "s", 7, is_async=is_async) == 1

    def test_an_error_of_the_database_is_raised_at_the_call(
        self, keeper: Keeper, is_async: bool
    ) -> None:
        steps, _ = steps_of(keeper)
        keeper.error = StoreDataError("not this")

        with pytest.raises(StoreDataError):
            call(steps, "s", 1, is_async=is_async)

    def test_a_signal_unwinds_the_body(self, keeper: Keeper, is_async: bool) -> None:
        steps, _ = steps_of(keeper)
        keeper.error = BodyCancelled("given up")

        with pytest.raises(asyncio.CancelledError if is_async else BodyCancelled):
            call(steps, "s", 1, is_async=is_async)

    @pytest.mark.parametrize("state", ["cancelled", "abandoned"])
    def test_a_body_that_is_to_end_makes_no_step(
        self, keeper: Keeper, is_async: bool, state: str
    ) -> None:
        steps, attempt = steps_of(keeper)
        attempt.abandoned = state == "abandoned"
        if state == "cancelled":
            cancel(attempt.owner)

        with pytest.raises(asyncio.CancelledError if is_async else BodyCancelled):
            call(steps, "s", 1, is_async=is_async)
        assert keeper.rows == []


def test_runs_that_were_submitted_by_then_count_as_submitted(keeper: Keeper) -> None:
    steps, attempt = steps_of(keeper)
    attempt.count_calls(2)
    call(steps, "s", 1)
    again, later = steps_of(keeper, number=2)

    call(again, "s", 7)

    assert later.calls == 2
    assert later.child_keys()[0] == "r::t::3"
    later.count_calls(1)
    assert later.calls == 3


def test_threads_of_one_body_read_once(keeper: Keeper) -> None:
    call(steps_of(keeper)[0], "s", 1)
    steps, _ = steps_of(keeper, number=2)
    threads = [threading.Thread(target=call, args=(steps, f"t{n}", n)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert keeper.loads == 1
    assert len(keeper.rows) == 9


async def test_steps_of_one_name_that_overlap_find_their_values_again(keeper: Keeper) -> None:
    """The second one ends first; each has the number of its begin."""
    leave = asyncio.Event()

    async def slow(value: str) -> str:
        await leave.wait()
        return value

    async def quick(value: str) -> str:
        leave.set()
        return value

    async def lost(value: str) -> str:
        raise AssertionError(value)

    steps, _ = steps_of(keeper)
    first = [steps.step_async("s", slow, ("a",), {}), steps.step_async("s", quick, ("b",), {})]
    assert await asyncio.gather(*first) == ["a", "b"]
    assert [(row.number, row.value) for row in keeper.rows] == [(2, '"b"'), (1, '"a"')]

    again, _ = steps_of(keeper, number=2)
    second = [again.step_async("s", lost, (name,), {}) for name in "ab"]
    assert await asyncio.gather(*second) == ["a", "b"]


async def test_a_step_beside_is_none_within_and_one_within_a_step_is_refused(
    keeper: Keeper,
) -> None:
    steps, _ = steps_of(keeper)
    begun = asyncio.Event()

    async def one() -> int:
        await begun.wait()
        return 1

    async def inner() -> object:
        return await steps.step_async("s", one, (), {})

    async def other() -> int:
        begun.set()
        with pytest.raises(StepInUseError, match="'s' is called within another step"):
            await inner()
        return 2

    found = await asyncio.gather(inner(), steps.step_async("s", other, (), {}))
    assert list(found) == [1, 2]


def test_an_error_takes_its_number_along(keeper: Keeper) -> None:
    steps, _ = steps_of(keeper)

    with pytest.raises(ZeroDivisionError):
        steps.step("s", lambda: 1 / 0, (), {})

    assert call(steps, "s", 1) == 1
    assert [row.number for row in keeper.rows] == [2]


def test_a_value_that_fits_its_type_no_more_is_an_error(keeper: Keeper) -> None:
    call(steps_of(keeper)[0], "s", "text")
    steps, _ = steps_of(keeper, number=2)

    def listed() -> tuple[int, ...]:
        return (1,)

    with pytest.raises(ContextValueError, match="kept value of step 's' is no a list"):
        steps.step("s", listed, (), {})


def test_a_body_that_has_ended_makes_no_step(keeper: Keeper) -> None:
    steps, attempt = steps_of(keeper)
    attempt.stage = Stage.RAN

    with pytest.raises(RunnerUsageError, match="its body has ended"):
        call(steps, "s", 1)


def test_a_forked_process_makes_no_step(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    steps, _ = steps_of(keeper)
    monkeypatch.setattr(THIS_PROCESS, "forks", -1)

    with pytest.raises(RunnerUsageError, match="fork"):
        call(steps, "s", 1)


# -- calls that are tried again ------------------------------------------------------------------


def failing(*errors: Exception) -> Callable[[], int]:
    left = list(errors)

    def function() -> int:
        if left:
            raise left.pop(0)
        return 7

    return function


POLICY = RetryPolicy(max_attempts=3, initial_delay=2, with_jitter=False, condition=(OSError,))


def test_pauses_are_those_of_the_policy(keeper: Keeper) -> None:
    steps, _ = steps_of(keeper)
    made = steps.with_options(POLICY, None, is_async=False)

    assert made.step("s", failing(OSError(), OSError())) == 7

    assert keeper.pauses == [2, 4]
    assert len(keeper.rows) == 1


def test_the_last_error_is_the_bodys(keeper: Keeper) -> None:
    steps, _ = steps_of(keeper)
    made = steps.with_options(POLICY, None, is_async=False)

    with pytest.raises(OSError, match="third"):
        made.step("s", failing(OSError("first"), OSError("second"), OSError("third")))

    assert keeper.pauses == [2, 4]
    assert keeper.rows == []


def test_a_call_says_when_it_is_to_be_tried_again(keeper: Keeper) -> None:
    steps, _ = steps_of(keeper)
    made = steps.with_options(POLICY, None, is_async=False)

    assert made.step("s", failing(RetryAfter(11))) == 7

    assert keeper.pauses == [11]


def test_a_try_that_does_not_count_uses_up_none(
    keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    steps, _ = steps_of(keeper)
    made = steps.with_options(POLICY, None, is_async=False)
    asks = [RetryAfter(1, count=False) for _ in range(5)]

    assert made.step("s", failing(*asks, OSError("busy"), OSError("busy"))) == 7

    assert keeper.pauses == [1] * 5 + [2, 4]
    assert "run r task t attempt 1 step 's': failed, again in 4 s: OSError: busy" in caplog.text


def test_a_body_that_is_to_end_is_tried_no_more(keeper: Keeper) -> None:
    steps, _ = steps_of(keeper)
    keeper.error = BodyCancelled("cancelled")
    made = steps.with_options(POLICY, None, is_async=False)

    with pytest.raises(BodyCancelled):
        made.step("s", failing(OSError()))
