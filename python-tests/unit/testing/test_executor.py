"""Bodies of a harness: sync ones are called by the thread that drives the loop, others on it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import pytest
from model.hand_clock import HandClock

from cloaca_core.engine.execute.work import Stage, Work
from cloaca_testing.driver import Driver
from cloaca_testing.executor import DrivenExecutor
from cloaca_testing.stand_ins import StandIns

T = TypeVar("T")


class Noted(Work):
    """Calls a function, or sleeps for so many virtual seconds."""

    def __init__(
        self, call: Callable[[], object] = lambda: None, *, seconds: float | None = None
    ) -> None:
        super().__init__(is_async=seconds is not None, clock=HandClock(), finished=self._finished)
        self.call = call
        self.seconds = seconds
        self.has_ended = False
        self.error: BaseException | None = None

    def run(self) -> None:
        self.call()

    async def run_async(self) -> None:
        await asyncio.sleep(self.seconds or 0)
        self.call()

    def broke(self, error: BaseException) -> None:
        self.error = error

    def _finished(self, _: Work) -> None:
        self.has_ended = True


@pytest.fixture
def driver() -> Iterator[Driver]:
    made = Driver(StandIns(), autoskip=False)
    yield made
    made.close()


@pytest.fixture
def executor(driver: Driver) -> DrivenExecutor:
    """With one slot of each kind."""
    return within(driver, lambda: DrivenExecutor(1, 1, driver.loop))


def within(driver: Driver, function: Callable[[], T]) -> T:
    """Call it on the loop, as an engine does."""

    async def call() -> T:
        return function()

    return driver.run(call(), "a call of the test")


def submit(driver: Driver, executor: DrivenExecutor, *works: Work) -> None:
    """Submit them, and do all that can be done now."""
    for work in works:
        within(driver, partial(executor.submit, work))
    driver.settle()


def test_sync_code_is_called_by_the_driving_thread_and_not_within_its_loop(
    driver: Driver, executor: DrivenExecutor
) -> None:
    seen: list[object] = []

    def look() -> None:
        seen.extend([threading.current_thread(), driver.loop.is_here()])

    submit(driver, executor, work := Noted(look))

    assert seen == [threading.current_thread(), False]
    assert (work.has_ended, work.stage) == (True, Stage.RAN)


def test_a_coroutine_runs_on_the_loop_and_in_its_time(
    driver: Driver, executor: DrivenExecutor
) -> None:
    submit(driver, executor, work := Noted(seconds=5))
    assert (list(executor.running()), work.has_ended) == ([work], False)
    assert driver.has_coroutines()

    driver.go_to(driver.loop.time() + 5)

    assert work.has_ended
    assert not driver.has_coroutines()


def test_work_waits_for_a_slot(driver: Driver, executor: DrivenExecutor) -> None:
    first, second = Noted(seconds=5), Noted(seconds=5)
    submit(driver, executor, first, second)
    assert (list(executor.running()), executor.backlog) == ([first], 1)

    driver.go_to(driver.loop.time() + 5)

    assert (list(executor.running()), executor.backlog) == ([second], 0)
    driver.go_to(driver.loop.time() + 5)


def test_a_body_that_waits_gives_its_slot_to_another(
    driver: Driver, executor: DrivenExecutor
) -> None:
    """That one is called within the call in which the first waits."""
    inner = Noted()

    def wait() -> None:
        within(driver, lambda: executor.release_slot(outer))
        submit(driver, executor, inner)
        order.append(inner.has_ended)

    order: list[bool] = []
    submit(driver, executor, outer := Noted(wait))

    assert order == [True]


def test_an_error_of_the_engine_fails_the_work_alone(
    driver: Driver, executor: DrivenExecutor
) -> None:
    error = LookupError("odd")

    def fail() -> None:
        raise error

    submit(driver, executor, broken := Noted(fail), after := Noted())

    assert (broken.error, broken.has_ended, after.has_ended) == (error, True, True)


def test_work_that_was_given_up_is_not_called(driver: Driver, executor: DrivenExecutor) -> None:
    called: list[str] = []
    work = Noted(lambda: called.append("called"))

    def submit_and_abandon() -> bool:
        executor.submit(work)
        return executor.abandon(work)

    assert within(driver, submit_and_abandon)

    driver.settle()

    assert (called, work.has_ended, executor.backlog) == ([], False, 0)


def test_a_coroutine_that_was_given_up_is_cancelled(
    driver: Driver, executor: DrivenExecutor
) -> None:
    submit(driver, executor, work := Noted(seconds=5))

    within(driver, lambda: executor.abandon(work))
    driver.settle()

    assert (list(executor.running()), executor.abandoned) == ([], 0)
    assert (work.has_ended, isinstance(work.error, asyncio.CancelledError)) == (False, True)


def test_closing_it_cancels_coroutines(driver: Driver, executor: DrivenExecutor) -> None:
    submit(driver, executor, Noted(seconds=5))

    within(driver, executor.close)
    driver.settle()

    assert list(executor.running()) == []
