"""Which call runs where, with members that answer, start and die when the test says so."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from typing import Any

import pytest
from unit import calls_for_workers as calls

from cloaca_core.errors import WorkerLost
from cloaca_core.features.executors._process import crew as crew_module
from cloaca_core.features.executors._process.call import Call
from cloaca_core.features.executors._process.crew import Crew
from cloaca_core.features.executors._process.member import Lost, Then
from cloaca_core.features.executors._process.worker import Returned, run

WAIT = 60


class FakeMember:
    """A member without a process."""

    made: list[FakeMember]
    refuse_start: BaseException | None

    def __init__(self) -> None:
        self.up = threading.Event()
        self.then: Then | None = None
        self.packed: list[bytes] = []
        self.told: list[Then] = []
        self.at_submit: Callable[[], None] = lambda: None
        self.killed = False
        self.dismissed = False
        self.made.append(self)

    def start(self, then: Then) -> None:
        if self.refuse_start is not None:
            raise self.refuse_start
        self.then = then

    def come_up(self) -> None:
        assert self.then is not None
        self.then(Returned(b""))

    def fail_to_start(self) -> None:
        assert self.then is not None
        self.then(Lost(-9))

    def submit(self, packed: bytes, then: Then) -> None:
        self.at_submit()
        self.packed.append(packed)
        self.told.append(then)

    def answer(self) -> None:
        self.told[-1](run(self.packed[-1]))

    def die(self) -> None:
        self.told[-1](Lost(-9))

    def kill(self) -> None:
        self.killed = True

    def end(self, gone: Callable[[], None]) -> None:
        gone()

    def dismiss(self) -> None:
        self.dismissed = True


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> list[FakeMember]:
    """The members that crews of this test have made."""
    FakeMember.made, FakeMember.refuse_start = [], None
    monkeypatch.setattr(crew_module, "Member", FakeMember)
    return FakeMember.made


def submit(crew: Crew, number: int = 1) -> Future[int]:
    return crew.submit(calls.doubled, (number,), {})[0]


def lost(future: Future[Any]) -> bool:
    return isinstance(future.exception(WAIT), WorkerLost)


# -- starts --------------------------------------------------------------------------------------


def test_each_call_starts_a_worker_before_any_is_up_and_no_more_than_the_size(
    made: list[FakeMember],
) -> None:
    crew = Crew(3)
    started = [crew.submit(calls.doubled, (number,), {})[1] for number in range(5)]

    assert [each is not None for each in started] == [True, True, True, False, False]
    assert list(started[:3]) == list[object](made)


def test_a_call_for_which_a_worker_is_idle_starts_none(made: list[FakeMember]) -> None:
    crew = Crew(2)
    future = submit(crew)
    made[0].come_up()
    made[0].answer()

    assert future.result(0) == 2
    assert crew.submit(calls.doubled, (2,), {})[1] is None
    assert len(made) == 1


def test_up_is_set_when_the_call_is_with_a_worker(made: list[FakeMember]) -> None:
    crew = Crew(1)
    future, started = crew.submit(calls.doubled, (1,), {})

    assert started is not None
    assert not started.up.is_set()
    made[0].come_up()
    assert started.up.is_set()
    assert future.running()


def test_calls_run_in_their_order(made: list[FakeMember]) -> None:
    crew = Crew(1)
    futures = [submit(crew, number) for number in range(3)]
    made[0].come_up()
    for number, future in enumerate(futures):
        assert not future.done()
        made[0].answer()
        assert future.result(0) == 2 * number


def test_a_worker_that_cannot_start_fails_one_call_and_the_next_call_tries_again(
    made: list[FakeMember],
) -> None:
    crew = Crew(1)
    first, started = crew.submit(calls.doubled, (1,), {})
    second = submit(crew)
    made[0].fail_to_start()

    assert started is not None
    assert started.up.is_set()
    assert lost(first)
    assert "__main__" in str(first.exception(0))
    assert not second.done()
    made[1].come_up()
    made[1].answer()
    assert second.result(0) == 2


def test_calls_beyond_counting_fail_where_the_system_refuses_processes(
    made: list[FakeMember],
) -> None:
    crew = Crew(1)
    futures = [submit(crew) for _ in range(2_000)]
    FakeMember.refuse_start = OSError("no more processes")
    made[0].fail_to_start()

    assert all(map(lost, futures))
    assert "no more processes" in str(futures[1].exception(0))
    assert len(made) == 2_000


# -- losses --------------------------------------------------------------------------------------


def test_a_lost_worker_is_replaced_for_a_call_that_waits_and_not_before(
    made: list[FakeMember],
) -> None:
    crew = Crew(1)
    first, second = submit(crew), submit(crew)
    made[0].come_up()
    made[0].die()

    assert lost(first)
    assert len(made) == 2
    made[1].come_up()
    made[1].die()
    assert lost(second)
    assert len(made) == 2


def test_a_call_that_meets_a_dead_worker_waits_for_another_in_its_turn(
    made: list[FakeMember],
) -> None:
    def dead() -> None:
        raise BrokenExecutor

    crew = Crew(1)
    submit(crew)
    made[0].come_up()
    made[0].answer()
    made[0].at_submit = dead
    future = submit(crew, 4)
    made[1].come_up()
    made[1].answer()

    assert future.result(0) == 8


# -- beginnings ----------------------------------------------------------------------------------


def begun_of(future: Future[int]) -> list[float]:
    """What is told of the beginning of a call."""
    told: list[float] = []
    assert isinstance(future, Call)
    future.when_begun(told.append)
    return told


def test_a_call_begins_when_a_worker_gets_it(made: list[FakeMember]) -> None:
    crew = Crew(1)
    first, second = begun_of(submit(crew)), begun_of(submit(crew))
    assert (first, second) == ([], [])
    made[0].come_up()
    assert (first, second) == ([0.0], [])
    made[0].answer()
    assert (first, second) == ([0.0], [0.0])


def test_that_of_one_that_runs_is_told_at_once(made: list[FakeMember]) -> None:
    future = submit(Crew(1))
    made[0].come_up()
    assert begun_of(future) == [0.0]


def test_that_of_one_that_is_over_is_not(made: list[FakeMember]) -> None:
    future = submit(Crew(1))
    made[0].come_up()
    made[0].answer()
    assert begun_of(future) == []


def test_a_call_whose_worker_was_dead_begins_on_the_next(made: list[FakeMember]) -> None:
    """The next one may take longer to start than the call has time."""

    def dead() -> None:
        raise BrokenExecutor

    crew = Crew(1)
    told = begun_of(submit(crew))
    made[0].at_submit = dead
    made[0].come_up()
    assert told == []
    made[1].come_up()
    assert told == [0.0]


def test_one_of_a_forked_process_waits_for_no_lock(
    made: list[FakeMember], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be held for ever there."""
    future = submit(crew := Crew(1))
    made[0].come_up()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with crew._lock:
        assert begun_of(future) == []


# -- cancels -------------------------------------------------------------------------------------


def test_an_answer_after_the_cancel_is_dropped_and_the_worker_gets_no_other_call(
    made: list[FakeMember],
) -> None:
    crew = Crew(1)
    future = submit(crew)
    made[0].come_up()

    assert future.cancel()
    assert made[0].killed
    other = submit(crew)
    made[0].answer()
    assert future.cancelled()
    assert not other.done()
    assert len(made[0].told) == 1
    assert len(made) == 2


def test_a_cancel_after_the_answer_kills_nothing(made: list[FakeMember]) -> None:
    crew = Crew(1)
    future = submit(crew)
    made[0].come_up()
    made[0].answer()

    assert not future.cancel()
    assert not made[0].killed


def test_a_cancel_while_the_answer_comes_leaves_the_next_call_of_the_worker(
    made: list[FakeMember],
) -> None:
    """The worker has its next call before the answer of the one before is told."""
    crew = Crew(1)
    first, second = submit(crew), submit(crew, 5)
    cancelled: list[bool] = []
    made[0].come_up()
    made[0].at_submit = lambda: cancelled.append(first.cancel())
    made[0].answer()
    made[0].answer()

    assert cancelled == [False]
    assert not made[0].killed
    assert (first.result(0), second.result(0)) == (2, 10)


def test_a_cancel_before_the_worker_has_the_call_ends_that_worker(made: list[FakeMember]) -> None:
    cancelled: list[bool] = []
    crew = Crew(1)
    future = submit(crew)
    made[0].at_submit = lambda: cancelled.append(future.cancel())
    made[0].come_up()

    assert cancelled == [True]
    assert future.cancelled()
    assert made[0].killed
    made[0].die()
    assert future.cancel()
    assert future.cancelled()


# -- the end -------------------------------------------------------------------------------------


def test_a_closed_crew_runs_what_waits_and_starts_workers_for_it(made: list[FakeMember]) -> None:
    crew = Crew(1)
    first, second = submit(crew), submit(crew)
    crew.close(cancel_queued=False)
    made[0].come_up()
    made[0].die()
    made[1].come_up()
    made[1].answer()
    crew.wait()

    assert lost(first)
    assert second.result(0) == 2


def test_an_idle_worker_ends_with_its_crew_but_in_a_forked_process(
    made: list[FakeMember], monkeypatch: pytest.MonkeyPatch
) -> None:
    crew, parents = Crew(1), Crew(1)
    for each in (crew, parents):
        submit(each)
        made[-1].come_up()
        made[-1].answer()
        made[-1].told.clear()
        made[-1].then = None
    del each, crew
    gc.collect()
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    del parents
    gc.collect()

    assert [member.dismissed for member in made] == [True, False]


def test_a_closed_crew_lets_idle_workers_end(made: list[FakeMember]) -> None:
    crew = Crew(2)
    submit(crew)
    submit(crew)
    made[0].come_up()
    made[0].answer()
    crew.close(cancel_queued=True)
    made[0].answer()
    made[1].come_up()
    crew.wait()

    with pytest.raises(RuntimeError, match="shut down"):
        submit(crew)
