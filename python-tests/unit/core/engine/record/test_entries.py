"""Each entry puts its own rows into a batch, weighs what they weigh, and tells who waits for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import pytest
from tables import each_row

from cloaca_core.engine.record import entries
from cloaca_core.engine.record.entries import (
    MAX_BATCH_BYTES,
    Draft,
    Entry,
    SubmissionEntry,
    adds_work,
    batch_of,
    commit_callback,
    fitting,
    halves,
    lasts,
)
from cloaca_core.errors import (
    StoreDataError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from cloaca_core.features.schedules.records import FIRINGS, TICKS
from cloaca_core.features.schedules.schedule_loop import FiringEntry
from cloaca_core.features.steps.records import MEMOS
from cloaca_core.features.task_logs.log_book import AttemptLines
from cloaca_core.features.task_logs.records import LINES, OLD_LINES, PROGRESS, OldChunk
from cloaca_core.features.triggers.event_writer import EventEntry
from cloaca_core.features.triggers.records import EVENTS, TURNS
from cloaca_core.run.rows import ROW_BYTES, AttemptRow, Park
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.messages import MESSAGES, NewMessage
from cloaca_core.values.states import TaskStatus
from cloaca_core.values.waits import EVENT
from cloaca_testing.conformance.rows import (
    NOW,
    attempt,
    chunk,
    firing,
    memo,
    new_event,
    new_run,
    new_tick,
    run_end,
    told,
    trigger_row,
)

NOTHING = Committed(frozenset(), {}, frozenset())


class Submission(SubmissionEntry):
    """Nothing follows its outcome."""

    def settled(self, committed: Committed) -> None: ...

    def refused(self, error: StoreError) -> None: ...


def test_a_submission_adds_its_runs() -> None:
    rows = [new_run("a")._replace(input="{}"), new_run("b")._replace(input="x" * 100)]
    entry = Submission(rows)
    draft = Draft()

    entry.add_to(draft)

    assert draft.new_runs == rows
    assert entry.weight == 2 * ROW_BYTES + 102
    assert (entry.is_of_run, entry.on_commit) == (False, None)


def test_the_messages_of_a_submission_go_with_its_runs_and_weigh_too() -> None:
    message = NewMessage("m", "a", EVENT, "paid", "x" * 50, None, "ann", NOW)
    entry = Submission([new_run("a")._replace(input="{}")], MESSAGES.rows([message]))
    draft = Draft()

    entry.add_to(draft)

    assert draft.batch("r1").of(MESSAGES) == [message]
    assert entry.weight == 2 * ROW_BYTES + 52


def test_only_keys_that_may_be_held_are_counted() -> None:
    plain, keyed = new_run("a"), new_run("b", key="k")
    child = new_run("c", key="run::task::1")._replace(parent_id="run")

    assert [Submission([row]).keys for row in (plain, keyed, child)] == [0, 1, 0]


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


AWAY = StoreUnavailableError("away")


class Row(Entry):
    """An entry that nobody tells anything."""

    def __init__(
        self,
        name: str = "row",
        *,
        weight: int = 1,
        keys: int = 0,
        is_of_run: bool = False,
        attempts: Sequence[AttemptRow] = (),
        on_commit: Callable[[Committed], None] | None = None,
    ) -> None:
        self.name, self.weight, self.keys, self.is_of_run = name, weight, keys, is_of_run
        self.attempts, self.on_commit = attempts, on_commit

    def add_to(self, draft: Draft) -> None:
        draft.attempts.extend(self.attempts)
        draft.fences.update({row.run_id: row.epoch for row in self.attempts})

    def settled(self, committed: Committed) -> None:
        raise NotImplementedError

    def refused(self, error: StoreError) -> None:
        raise NotImplementedError


# -- what fits -----------------------------------------------------------------------------------


@each_row(
    ("weights", "taken"),
    [
        ([], 0),
        ([1, 1], 2),
        ([MAX_BATCH_BYTES - 1, 1, 1], 2),
        ([3 * MAX_BATCH_BYTES, 1], 1),  # one that is too heavy for any batch goes alone
    ],
)
def test_a_batch_takes_the_oldest_up_to_its_bytes(weights: list[int], taken: int) -> None:
    entries = [Row(weight=weight) for weight in weights]

    assert fitting(entries, inf) == (entries[:taken], sum(weights[:taken]))


def test_a_batch_takes_so_many_entries_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MAX_BATCH_ENTRIES", 3)

    assert len(fitting([Row() for _ in range(4)], inf)[0]) == 3


@each_row(("most", "taken"), [(1, 2), (2, 4), (9, 5), (inf, 5)])
def test_a_batch_takes_so_many_keys_that_may_be_held_at_most(most: float, taken: int) -> None:
    inbox = [Row(keys=keys) for keys in (0, 1, 0, 1, 1)]

    assert len(fitting(inbox, most)[0]) == taken


@each_row("many", [[1], [1, 2], [1, 2, 3]])
def test_halves_have_all_of_it_in_order(many: list[int]) -> None:
    first, second = halves(many)

    assert [*first, *second] == many
    assert len(second) - len(first) in (0, 1)


# -- the batch -----------------------------------------------------------------------------------


def test_start_marks_are_fenced_and_come_after_the_records_of_entries() -> None:
    ended = attempt("r", "a")
    marks = [
        attempt("r", "b", status=TaskStatus.RUNNING),
        attempt("s", "a", status=TaskStatus.RUNNING, epoch=4),
    ]

    batch = batch_of("me", [Row(attempts=[ended])], marks)

    assert (batch.runner_id, batch.attempts) == ("me", [ended, *marks])
    assert batch.fences == {"r": 1, "s": 4}


def test_lines_are_fenced_by_the_epoch_in_which_they_were_logged() -> None:
    lines = AttemptLines("r", 1, [chunk("r")], [OldChunk("r", 1)], told("r"))
    alone = AttemptLines("s", 4, [chunk("s")], [], None)

    batch = batch_of("me", [Row(attempts=[attempt("r", "a")])], riders=[lines, alone])

    assert batch.fences == {"r": 1, "s": 4}
    assert (batch.of(LINES), batch.of(OLD_LINES)) == ([chunk("r"), chunk("s")], [OldChunk("r", 1)])
    assert batch.of(PROGRESS) == [told("r")]


def test_lines_of_an_earlier_epoch_are_left_out() -> None:
    """The run was lost and claimed again meanwhile; its owner then may not write them."""
    late = AttemptLines("r", 1, [chunk("r")], [OldChunk("r", 1)], told("r"))
    mark = attempt("r", "a", status=TaskStatus.RUNNING, epoch=3)

    batch = batch_of("me", [], [mark], [late])

    assert batch.fences == {"r": 3}
    assert batch.rows == {}


def test_the_committing_thread_tells_only_entries_that_await_it() -> None:
    told: list[Committed] = []
    awaited = [Row(on_commit=told.append) for _ in range(2)]

    tell = commit_callback([awaited[0], Row(), awaited[1]])
    assert tell is not None
    tell(NOTHING)

    assert told == [NOTHING, NOTHING]
    assert commit_callback([Row()]) is None


# -- refusals ------------------------------------------------------------------------------------


@each_row(
    ("error", "expected"),
    [
        (StoreUnavailableError("away"), False),
        (StoreFullError("no space"), True),  # unavailable, and no try of ours frees space
        (StoreReadOnlyError("a standby"), True),
        (StoreDataError("a bad value"), True),
    ],
)
def test_only_an_outage_goes_away_soon(error: StoreError, expected: bool) -> None:
    assert lasts(error) is expected


@each_row(
    ("rows", "expected"),
    [
        ({"new_runs": [new_run("r")]}, True),
        ({"rows": FIRINGS.rows([firing()])}, True),
        ({"rows": TICKS.rows([new_tick("s", "r")])}, True),
        ({"rows": EVENTS.rows([new_event("r")])}, True),
        ({"rows": TURNS.rows([trigger_row()])}, True),
        ({"attempts": [attempt("r")], "fences": {"r": 1}}, False),
        ({"ends": [run_end("r")], "fences": {"r": 1}}, False),
        ({"parks": [Park("r", None, NOW)], "fences": {"r": 1}}, False),
        ({"rows": MEMOS.rows([memo("r")]), "fences": {"r": 1}}, False),
    ],
)
def test_records_about_existing_runs_add_no_work(rows: dict[str, Any], expected: bool) -> None:
    assert adds_work(Batch("me", [], [], [], {})._replace(**rows)) is expected
