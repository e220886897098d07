"""What goes into one batch, who hears of it, and which errors of the database last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import pytest
from tables import each_row

from cloaca_core.engine.record import batching
from cloaca_core.engine.record.batching import (
    MAX_BATCH_BYTES,
    adds_work,
    batch_of,
    fitting,
    halves,
    landing,
    lasts,
)
from cloaca_core.engine.record.entries import Draft, Entry
from cloaca_core.errors import (
    StoreDataError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from cloaca_core.features.schedules.records import FIRINGS, TICKS
from cloaca_core.features.steps.records import MEMOS
from cloaca_core.features.task_logs.log_book import AttemptLines
from cloaca_core.features.task_logs.records import LINES, OLD_LINES, PROGRESS, OldChunk
from cloaca_core.features.triggers.records import EVENTS, TURNS
from cloaca_core.run.rows import AttemptRow, Park
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.values.states import TaskStatus
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
        landed: Callable[[Committed], None] | None = None,
    ) -> None:
        self.name, self.weight, self.keys, self.is_of_run = name, weight, keys, is_of_run
        self.attempts, self.landed = attempts, landed

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
    monkeypatch.setattr(batching, "MAX_BATCH_ENTRIES", 3)

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
    awaited = [Row(landed=told.append) for _ in range(2)]

    tell = landing([awaited[0], Row(), awaited[1]])
    assert tell is not None
    tell(NOTHING)

    assert told == [NOTHING, NOTHING]
    assert landing([Row()]) is None


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
