"""Calls are told of that take their time, each once."""

from __future__ import annotations

import os
import threading
import weakref
from queue import SimpleQueue
from typing import NoReturn

import pytest

from cloaca_core.features.executors.watch import Watch, this_watch

WAIT = 60
SHORT = 0.3
"""Seconds that no call takes which does nothing."""
LONG = 1_000.0
"""Seconds that no test waits."""


@pytest.fixture
def watch() -> Watch:
    return Watch()


def threads() -> int:
    """Those of all watches: they never end."""
    return sum(each.name == "cloaca-watch" for each in threading.enumerate())


def test_one_that_takes_its_time_is_told_of(watch: Watch) -> None:
    told: SimpleQueue[float] = SimpleQueue()
    with watch.over(0.01, told.put):
        seconds = told.get(timeout=WAIT)

    assert 0.01 <= seconds < WAIT
    assert told.empty()


def test_a_short_one_is_not(watch: Watch) -> None:
    told: SimpleQueue[str] = SimpleQueue()
    with watch.over(SHORT, lambda _: told.put("short")):
        pass
    with watch.over(SHORT, lambda _: told.put("long")):  # it is due after the first
        assert told.get(timeout=WAIT) == "long"
    with watch.over(0.0, lambda _: told.put("last")):
        assert told.get(timeout=WAIT) == "last"

    assert told.empty()


def test_nor_is_one_that_raised(watch: Watch) -> None:
    told: SimpleQueue[str] = SimpleQueue()
    with pytest.raises(KeyError), watch.over(SHORT, lambda _: told.put("raised")):
        raise KeyError
    with watch.over(SHORT, lambda _: told.put("other")):
        assert told.get(timeout=WAIT) == "other"


def test_one_that_is_due_before_those_that_run_is_told_of_in_time(watch: Watch) -> None:
    told: SimpleQueue[float] = SimpleQueue()
    with watch.over(LONG, told.put), watch.over(0.0, told.put):
        told.get(timeout=WAIT)


def test_all_have_one_thread(watch: Watch) -> None:
    before, told = threads(), SimpleQueue[float]()
    for _ in range(3):
        with watch.over(LONG, told.put), watch.over(0.0, told.put):
            told.get(timeout=WAIT)

    assert threads() == before + 1


def test_one_that_cannot_be_told_of_does_not_hinder_others(watch: Watch) -> None:
    told: SimpleQueue[str] = SimpleQueue()

    def tell(_: float) -> NoReturn:
        told.put("tried")
        raise OSError("it is closing")

    with watch.over(0.0, tell):
        assert told.get(timeout=WAIT) == "tried"
        with watch.over(0.0, lambda _: told.put("other")):
            assert told.get(timeout=WAIT) == "other"


def test_one_that_is_over_is_not_kept(watch: Watch) -> None:
    """It knows its worker, which a cluster in this process may have closed."""
    told: SimpleQueue[str] = SimpleQueue()

    class Teller:
        def tell(self, _: float) -> None:
            told.put("told")

    teller = Teller()
    weakref.finalize(teller, told.put, "gone")
    with watch.over(0.0, teller.tell):
        assert told.get(timeout=WAIT) == "told"
    del teller

    assert told.get(timeout=WAIT) == "gone"


def test_a_process_that_was_forked_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads stay with the parent."""
    parent = this_watch()
    assert this_watch() is parent
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert this_watch() is not parent
