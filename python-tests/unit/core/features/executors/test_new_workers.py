"""The thread of a standard pool is woken after each call for which a worker was started."""

from __future__ import annotations

import threading

import pytest
from model.executor_by_hand import ExecutorByHand
from unit.core.features.executors.foreign_classes import foreign

from cloaca_core.features.executors.supply import Supply


class Wakeup:
    """Counts the looks of the pool's thread, which need the pool's lock."""

    def __init__(self, lock: threading.Lock) -> None:
        self.woken = 0
        self._lock = lock

    def wakeup(self) -> None:
        assert self._lock.locked()
        self.woken += 1


class Pool(foreign("concurrent.futures.process", "ProcessPoolExecutor", ExecutorByHand)):  # type: ignore[misc]  # made there
    """By its class, the standard library's; ``grows`` says whether a call starts a worker."""

    def __init__(self) -> None:
        super().__init__(2)
        self.grows = True
        self._processes: dict[int, object] = {}
        self._shutdown_lock = threading.Lock()
        self._executor_manager_thread_wakeup: Wakeup | None = Wakeup(self._shutdown_lock)

    def submit(self, *args: object, **kwargs: object) -> object:
        if self.grows:
            self._processes[len(self._processes)] = object()
        return super().submit(*args, **kwargs)

    @property
    def woken(self) -> int:
        assert self._executor_manager_thread_wakeup is not None
        return self._executor_manager_thread_wakeup.woken


@pytest.fixture
def pool() -> Pool:
    return Pool()


def supply(pool: Pool) -> Supply:
    made = Supply("cpu", pool)
    made.open()
    return made


def test_it_is_woken_for_each_worker_that_a_call_starts(pool: Pool) -> None:
    given = supply(pool)
    for grows in (True, True, False, False):
        pool.grows = grows
        given.submit(print)

    assert pool.woken == 2


def test_the_pool_that_takes_the_place_of_one_is_woken_as_well() -> None:
    pools = [Pool(), Pool()]
    given = Supply("cpu", iter(pools).__next__)
    given.open()
    given.submit(print)
    pools[0].refusals.append(RuntimeError("broken"))
    given.submit(print)

    assert [each.woken for each in pools] == [1, 1]


def test_one_that_is_shut_down_meanwhile_is_not(pool: Pool) -> None:
    pool._executor_manager_thread_wakeup = None
    supply(pool).submit(print)
