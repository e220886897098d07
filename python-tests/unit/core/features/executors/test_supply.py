"""An executor that was given stays the user's; one that a function makes is made anew and ended."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, NoReturn

import pytest
from model.executor_by_hand import ExecutorByHand
from tables import each_row
from unit.core.features.executors.foreign_classes import foreign
from unit.core.features.executors.hand_dask import HandDask

from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.features.executors.by_value import ByValue
from cloaca_core.features.executors.dask_starts import Start
from cloaca_core.features.executors.kinds import OnStart
from cloaca_core.features.executors.process import ProcessExecutor, process
from cloaca_core.features.executors.supply import Supply

ENDED = {"wait": False, "cancel_futures": True}


class Maker:
    """Makes executors, and knows them."""

    def __init__(self, *sizes: int) -> None:
        self.made: list[ExecutorByHand] = []
        self._sizes = list(sizes)

    def __call__(self) -> Executor:
        self.made.append(ExecutorByHand(self._sizes.pop(0) if self._sizes else 1))
        return self.made[-1]


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Executors are shut down by ``close``, on the thread of the test."""

    class Thread:
        def __init__(self, target: Any, *, daemon: bool) -> None:
            assert daemon
            self._target = target

        def start(self) -> None:
            self._target()

    importlib.import_module("cloaca_core.features.executors._process.member")  # it has the real one
    monkeypatch.setattr("threading.Thread", Thread)


def opened(given: Any, slots: int | None = None) -> Supply:
    supply = Supply("cpu", given, slots)
    supply.open()
    return supply


class TestOpening:
    def test_nothing_is_made_before(self) -> None:
        maker = Maker()
        Supply("cpu", maker)
        assert maker.made == []

    @each_row(("slots", "expected"), [(None, 3), (7, 7)])
    def test_it_runs_as_many_as_it_was_given_or_has_workers(
        self, slots: int | None, expected: int
    ) -> None:
        assert opened(ExecutorByHand(3), slots).slots == expected
        assert opened(Maker(3), slots).slots == expected

    def test_a_size_that_is_not_known_must_be_given(self) -> None:
        unknown = foreign("elsewhere", "Unknown", Executor)()
        with pytest.raises(ConfigError) as caught:
            opened(unknown)

        assert str(caught.value) == (
            "executors: how many calls 'cpu' runs at once is not known; "
            'give executor_slots={"cpu": n}'
        )
        assert caught.value.field == "executor_slots"
        assert opened(unknown, 2).slots == 2

    def test_a_function_must_make_an_executor(self) -> None:
        with pytest.raises(ConfigTypeError, match="the function of 'cpu' must return a concurrent"):
            opened(lambda: "no executor")

    def test_an_error_of_the_function_says_which_executor_it_makes(self) -> None:
        def refuses() -> Executor:
            raise OSError("no cluster there")

        with pytest.raises(OSError, match="no cluster there") as caught:
            opened(refuses)

        assert caught.value.__notes__ == ["raised by the function that makes the executor 'cpu'"]

    def test_by_value_is_of_either(self) -> None:
        executor, maker = ExecutorByHand(2), Maker(3)

        assert [opened(ByValue(each)).slots for each in (executor, maker)] == [2, 3]
        assert [opened(each).by_value for each in (executor, ByValue(executor))] == [False, True]


class TestSubmitting:
    def test_a_call_goes_to_the_executor(self) -> None:
        executor = ExecutorByHand()
        future = opened(executor).submit(pow, 2, 3)
        executor.next().run()

        assert future.result() == 8

    def test_one_that_was_made_is_made_anew_when_it_refuses(self) -> None:
        maker = Maker(1, 5)
        supply = opened(maker)
        first = maker.made[0]
        first.refusals.append(BrokenProcessPool("broken"))
        supply.submit(pow, 2, 3)
        second = maker.made[1]

        assert second.next().run() == 8
        assert (first.shutdowns, second.shutdowns) == ([ENDED], [])
        assert supply.slots == 1  # the threads for it are counted already
        supply.submit(pow, 2, 3)
        assert len(maker.made) == 2

    def test_of_several_that_are_refused_at_once_one_makes_it(self) -> None:
        """The second submits to the one that the first has made."""
        maker = Maker()
        supply = opened(maker)
        first = maker.made[0]

        def refuse(*_: Any) -> NoReturn:
            supply._renewed(first)  # another thread is faster
            raise BrokenProcessPool("broken")

        first.submit = refuse  # type: ignore[method-assign]  # as above
        supply.submit(pow, 2, 3)

        assert len(maker.made) == 2
        assert maker.made[1].next().run() == 8

    def test_one_that_was_given_is_never_made_anew(self) -> None:
        executor = ExecutorByHand()
        supply = opened(executor)
        executor.refusals.append(RuntimeError("shut down"))

        with pytest.raises(RuntimeError, match="shut down"):
            supply.submit(pow, 2, 3)
        assert executor.shutdowns == []

    def test_one_that_was_given_stays_broken(self) -> None:
        given, made = opened(ExecutorByHand()), opened(Maker())

        assert given.stays_broken(BrokenProcessPool("terminated"))
        assert given.stays_broken(RuntimeError("cannot schedule new futures after shutdown"))
        assert not given.stays_broken(RuntimeError("busy"))
        assert not made.stays_broken(BrokenProcessPool("terminated"))

    def test_an_error_of_the_new_one_is_told(self) -> None:
        maker = Maker()
        supply = opened(maker)
        maker.made[0].refusals.append(BrokenProcessPool("broken"))
        supply._given = _cannot  # type: ignore[assignment]  # it fails from now on

        with pytest.raises(OSError, match="no more processes"):
            supply.submit(pow, 2, 3)

    def test_one_that_cannot_be_shut_down_is_replaced_all_the_same(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        maker = Maker()
        supply = opened(maker)
        maker.made[0].refusals.append(BrokenProcessPool("broken"))
        maker.made[0].shutdown = _cannot  # type: ignore[method-assign]  # user code
        supply.submit(pow, 2, 3)

        assert maker.made[1].next().run() == 8
        assert "an executor could not be shut down" in caplog.text


def _cannot(**_: Any) -> None:
    raise OSError("no more processes")


class TestCancelling:
    def test_a_call_is_cancelled(self) -> None:
        future: Future[int] = Future()
        opened(ExecutorByHand()).cancel(future)
        assert future.cancelled()

    def test_an_executor_that_only_pretends_is_not_asked(self) -> None:
        dask = foreign("distributed.cfexecutor", "ClientExecutor", Executor)()
        future: Future[int] = Future()
        opened(dask, 2).cancel(future)
        assert not future.cancelled()


class TestDask:
    """A cluster may be handed calls beyond those that it runs, and says when those begin."""

    def test_its_size_is_that_of_all_its_threads(self) -> None:
        supply = opened(HandDask({"tcp://one": 2, "tcp://two": 1}))
        assert (supply.slots, supply.at_once) == (3, 3)

    @each_row(
        ("threads", "expected"),
        [
            ({"tcp://one": 2}, 2),
            ({}, 0),  # its workers come later
            (OSError("no scheduler"), 0),
        ],
    )
    def test_slots_that_are_given_stay_so(
        self, threads: dict[str, int] | OSError, expected: int
    ) -> None:
        supply = opened(HandDask(threads), 5)
        assert (supply.slots, supply.at_once) == (5, expected)

    def test_without_given_slots_it_must_tell(self) -> None:
        with pytest.raises(OSError, match="no scheduler"):
            opened(HandDask(OSError("no scheduler")))

    def test_other_executors_run_all_their_calls(self) -> None:
        supply = opened(ExecutorByHand(3))
        assert (supply.slots, supply.at_once, supply.tells_starts) == (3, None, False)

    def test_a_call_has_its_beginning_told(self) -> None:
        dask, told = HandDask({"tcp://one": 1}), list[float]()
        supply = opened(dask)
        supply.submit(pow, 2, 3, on_start=OnStart(told.append, 0.1))
        function, (*args, start) = dask.calls[0]
        assert isinstance(start, Start)
        dask.client.topics[start.topic]((0.0, (start.name, 0.5)))

        assert supply.tells_starts
        assert (function, args, start.after, told) == (pow, [2, 3], 0.1, [0.5])
        supply.close()
        assert dask.client.topics == {}

    def test_one_that_was_made_anew_has_reports_of_its_own(self) -> None:
        made = [HandDask({"tcp://one": 1}) for _ in range(2)]
        first, second = made
        supply = opened(lambda: made.pop(0))
        first.is_away = True
        supply.submit(pow, 2, 3, on_start=OnStart(lambda _: None, 0.1))

        assert [len(each.calls) for each in (first, second)] == [0, 1]
        assert list(second.client.topics) == [second.calls[0][1][-1].topic]


def test_a_process_executor_tells_when_a_worker_has_a_call() -> None:
    told: list[float] = []
    supply = Supply("cpu", made := process(1)())
    supply.open()
    call = supply.submit(pow, 2, 3, on_start=OnStart(told.append, 0.1))

    assert (supply.tells_starts, call.result()) == (True, 8)
    assert told == [0.0]
    made.shutdown()


def test_its_calls_are_submitted_without_waiting_for_a_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another worker may have the call before that is up, and the call may be cancelled."""
    supply = Supply("cpu", made := process(1)())
    supply.open()
    monkeypatch.setattr(ProcessExecutor, "submit", pytest.fail)  # that waits

    assert supply.submit(pow, 2, 3, on_start=OnStart(lambda _: None, 0.1)).result() == 8
    made.shutdown()


def test_a_call_of_an_executor_that_is_made_anew_and_tells_nothing_begins_at_once() -> None:
    dask, told = HandDask({"tcp://one": 1}), list[float]()
    dask.is_away = True
    made = [dask, ExecutorByHand()]
    supply = opened(lambda: made.pop(0))
    supply.submit(pow, 2, 3, on_start=OnStart(told.append, 0.1))

    assert told == [0.0]


class TestPlaces:
    """Whether calls are known to run on this host."""

    def test_those_of_an_executor_that_is_not_open_are_not(self) -> None:
        assert not Supply("cpu", ThreadPoolExecutor(1)).is_local

    def test_it_is_known_by_the_kind(self) -> None:
        kinds = [ThreadPoolExecutor(1), ExecutorByHand(), HandDask({"tcp://one": 1})]
        assert [opened(each).is_local for each in kinds] == [True, False, False]


class TestClosing:
    def test_one_that_was_made_is_shut_down_once(self) -> None:
        maker = Maker()
        supply = opened(maker)
        supply.close()
        supply.close()
        assert maker.made[0].shutdowns == [ENDED]

    @each_row("wrap", [lambda executor: executor, ByValue])
    def test_one_that_was_given_is_left_alone(self, wrap: Any) -> None:
        executor = ExecutorByHand()
        opened(wrap(executor)).close()
        assert executor.shutdowns == []

    def test_it_waits_for_no_function_that_makes_it_anew(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What that makes is shut down when it has been made."""
        later: list[Callable[[], None]] = []
        maker = Maker()
        supply = opened(maker)

        def slow() -> Executor:
            supply.close()  # another thread closes meanwhile
            return maker()

        monkeypatch.setattr("threading.Thread.start", lambda thread: later.append(thread._target))
        maker.made[0].refusals.append(BrokenProcessPool("broken"))
        supply._given = slow
        supply.submit(pow, 2, 3)
        assert maker.made[1].shutdowns == []

        (end,) = later
        end()
        assert maker.made[1].shutdowns == [ENDED]

    def test_none_is_made_any_more(self) -> None:
        """A thread learns late that the executor takes no call."""
        maker = Maker()
        supply = opened(maker)

        def refuse(*_: Any) -> NoReturn:
            supply.close()
            raise RuntimeError("shut down")

        maker.made[0].submit = refuse  # type: ignore[method-assign]  # the runner closes meanwhile
        with pytest.raises(RuntimeError, match="the executor 'cpu' has been closed"):
            supply.submit(pow, 2, 3)
        assert len(maker.made) == 1


def test_the_same_anew_has_not_been_opened() -> None:
    maker = Maker(3, 4)
    first = Supply("cpu", maker)
    first.open()
    again = first.anew()
    again.open()

    assert (first.slots, again.slots) == (3, 4)
