"""Each entry puts its own rows into a batch, weighs what they weigh, and tells who waits for it."""

from __future__ import annotations

import pytest

from cloaca_core.engine.record.entries import Draft, SubmissionEntry
from cloaca_core.errors import StoreError, StoreFullError
from cloaca_core.features.schedules.firing_entry import FiringEntry
from cloaca_core.features.schedules.records import FIRINGS
from cloaca_core.features.triggers.event_entry import EventEntry
from cloaca_core.store.batch import ROW_BYTES, Committed
from cloaca_core.store.messages import MESSAGES, NewMessage
from cloaca_core.values.waits import EVENT
from cloaca_testing.conformance.rows import NOW, firing, new_run

NOTHING = Committed(frozenset(), {}, frozenset())


class Desk:
    """Hears of submissions."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def accepted(self, _: SubmissionEntry, committed: Committed) -> None:
        self.heard.append(committed)

    def refused(self, _: SubmissionEntry, error: StoreError) -> None:
        self.heard.append(error)


def test_a_submission_adds_its_runs_and_hands_on_what_became_of_them() -> None:
    desk, error = Desk(), StoreFullError("no space")
    rows = [new_run("a")._replace(input="{}"), new_run("b")._replace(input="x" * 100)]
    entry = SubmissionEntry(rows, desk)
    draft = Draft()

    entry.add_to(draft)
    entry.settled(NOTHING)
    entry.refused(error)

    assert (draft.new_runs, desk.heard) == (rows, [NOTHING, error])
    assert entry.weight == 2 * ROW_BYTES + 102
    assert (entry.is_of_run, entry.landed) == (False, None)


def test_the_messages_of_a_submission_go_with_its_runs_and_weigh_too() -> None:
    message = NewMessage("m", "a", EVENT, "paid", "x" * 50, None, "ann", NOW)
    entry = SubmissionEntry([new_run("a")._replace(input="{}")], Desk(), MESSAGES.rows([message]))
    draft = Draft()

    entry.add_to(draft)

    assert draft.batch("r1").of(MESSAGES) == [message]
    assert entry.weight == 2 * ROW_BYTES + 52


def test_only_keys_that_may_be_held_are_counted() -> None:
    plain, keyed = new_run("a"), new_run("b", key="k")
    child = new_run("c", key="run::task::1")._replace(parent_id="run")

    assert [SubmissionEntry([row], Desk()).keys for row in (plain, keyed, child)] == [0, 1, 0]


async def test_a_firing_adds_what_was_decided_and_tells_before_it_is_done() -> None:
    told: list[bool] = []
    entry = FiringEntry(lambda: told.append(entry.done.done()), [firing()])
    draft = Draft()
    entry.add_to(draft)
    assert draft.batch("r1").rows == {FIRINGS: [firing()]}

    entry.settled(NOTHING)

    assert (told, entry.done.done(), entry.weight) == ([False], True, ROW_BYTES)


async def test_a_decision_that_is_refused_says_so_to_who_waits() -> None:
    entry = EventEntry(lambda: None)
    entry.refused(StoreFullError("no space"))

    with pytest.raises(StoreFullError):
        await entry.done


async def test_one_that_nobody_waits_for_any_more_is_told_all_the_same() -> None:
    told: list[None] = []
    entry = EventEntry(lambda: told.append(None))
    entry.done.cancel()

    entry.settled(NOTHING)

    assert told == [None]
