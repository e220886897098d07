"""The table decides about rows of an entry, such as whether the time of a wait is over."""

from __future__ import annotations

import pytest
from model.runs import active_run, graph_of

from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.record.entries import Draft
from cloaca_core.engine.record.run_entry import RunEntry
from cloaca_core.errors import StoreError
from cloaca_core.features.waits.ends import AnsweredEntry
from cloaca_core.features.waits.records import TIMEOUTS, WaitTimeout
from cloaca_core.features.waits.rows import WaitRows
from cloaca_core.run.active_run import ActiveRun
from cloaca_core.store.batch import Committed
from cloaca_core.values.waits import EVENT

RUN = active_run(graph_of(t={}))
TIMEOUT = WaitTimeout("r", "t", EVENT, "go", 1, 7)


class Listener:
    """Takes the next step of entries that are durable."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        rows = [WaitRows(timeouts=[TIMEOUT])]
        self.entry = AnsweredEntry(self, RUN, (), rows, self.heard.append)

    def start_reserved(self, attempts: object) -> None:
        raise AssertionError(attempts)

    def messages_sent(self, run: ActiveRun, messages: int) -> None:
        raise AssertionError(run, messages)

    def decided(self, _: ActiveRun, __: Committed) -> None:
        raise AssertionError("no run has limits")

    def call_off(self, entry: RunEntry) -> None:
        raise AssertionError(entry)

    def recorded(self, entry: RunEntry) -> None:
        assert entry.then is not None
        entry.then()

    def lost(self, _: RunEntry) -> None:
        self.heard.append("lost")

    def refused(self, entry: RunEntry, error: StoreError) -> None:
        raise AssertionError(entry, error)


@pytest.fixture
def listener() -> Listener:
    return Listener()


def test_it_asks_under_the_epoch_of_its_run(listener: Listener) -> None:
    draft = Draft()
    listener.entry.add_to(draft)

    assert draft.fences == {"r": RUN.epoch}
    assert draft.batch("r1").rows == {TIMEOUTS: [TIMEOUT]}
    assert draft.attempts == []


def test_it_is_told_of_the_decision(listener: Listener) -> None:
    decided = {TIMEOUTS: frozenset([TIMEOUT])}
    committed = Committed(frozenset(), {}, frozenset(["r"]), decided=decided)

    listener.entry.settled(committed)

    assert listener.heard == [committed]


def test_for_a_run_that_is_not_ours_any_more_nothing_is_decided(listener: Listener) -> None:
    listener.entry.settled(Committed(frozenset(), {}, frozenset()))

    assert listener.heard == ["lost"]


def test_no_attempt_goes_ahead_of_it(listener: Listener) -> None:
    ahead: list[Attempt] = list(listener.entry.ahead)

    assert ahead == []
    assert listener.entry.on_commit is None
