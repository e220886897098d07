"""The steps that a store makes of an operation. What they do is in the conformance tests."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from importlib.resources import files

import pytest

from cloaca_core.store.changes import Change
from cloaca_core.store.dialect import Step
from cloaca_core.store.queries import Row
from cloaca_core.store.records import Batch, Cancellation
from cloaca_core.store.sql_store import SqlStore
from cloaca_core.testing.rows import (
    NOW,
    attempt,
    firing,
    new_event,
    new_run,
    new_tick,
    run_end,
    trigger_row,
)


class RecordingDialect:
    """Notes each transaction and answers nothing."""

    placeholder = "?"
    overrides = files("cloaca_sqlite").joinpath("overrides.sql").read_text("utf-8")

    def __init__(self) -> None:
        self.transactions: list[list[str]] = []

    def array(self, values: Collection[str | int]) -> object:
        return tuple(values)

    async def write(self, steps: Sequence[Step], *, urgent: bool = False) -> list[list[Row]]:
        assert urgent == (steps[0].statement.name == "beat")
        self.transactions.append([step.statement.name for step in steps])
        return [[] for _ in steps]

    async def read(self, steps: Sequence[Step]) -> list[list[Row]]:
        return await self.write(steps)

    def lease_clock(self) -> int:
        return 7

    @property
    def lease_ends_with_boot(self) -> bool:
        return True

    async def now(self) -> int:
        return 8

    async def wait_changed(self) -> Change:
        return Change.RUNS

    def set_contended(self, *, contended: bool) -> None:
        pass

    async def close(self) -> None:
        pass


_SKIPPED = new_tick("s", "b")._replace(run_id=None)
_SCHEDULED = run_end("a")._replace(schedule_id="s")
_CANCELLED = Cancellation("a", "s", NOW, "b", "made way", NOW)


@pytest.mark.parametrize(
    ("batch", "steps"),
    [
        (Batch("r1", [], [], [], {}), []),  # no transaction at all
        (Batch("r1", [new_run("a", owner=None)], [], [], {}), ["insert_run"]),
        (Batch("r1", [new_run("a")], [], [], {}), ["insert_run", "owned_runs"]),
        (
            Batch("r1", [new_run("a", owner=None, key="k", tags='{"t":"x"}')], [], [], {}),
            ["insert_run", "insert_tag", "find_keys"],
        ),
        (Batch("r1", [], [attempt("a")], [], {"a": 1}), ["fence_runs", "record_attempt"]),
        (Batch("r1", [], [], [run_end("a")], {"a": 1}), ["fence_runs", "end_run"]),
        (
            Batch("r1", [], [], [], {}, [firing("s")], [new_tick("s", "a")]),
            ["lock_schedules", "insert_tick", "insert_tick_run", "advance_schedule"],
        ),
        (
            Batch("r1", [], [], [], {}, [firing("s")], [_SKIPPED]),
            ["lock_schedules", "insert_tick", "advance_schedule"],
        ),
        (
            Batch("r1", [], [], [], {}, [firing("s")], [new_tick("s", "b")._replace(behind="a")]),
            ["lock_schedules", "insert_tick", "insert_tick_run", "advance_schedule", "start_next"],
        ),
        (
            Batch("r1", [], [], [], {}, ticks=[new_tick("s", "a")._replace(generation=None)]),
            [
                *("lock_schedules", "insert_tick", "take_dropped_tick", "insert_tick_run"),
                "outdate_schedule",
            ],
        ),
        (
            Batch("r1", [], [], [_SCHEDULED], {"a": 1}),
            ["lock_schedules", "fence_runs", "end_run", "start_next"],
        ),
        (
            Batch("r1", [], [], [], {"c": 1}, [firing("s")], [new_tick("s", "b")], [_CANCELLED]),
            [
                *("lock_schedules", "lock_runs", "insert_tick", "insert_tick_run"),
                *("advance_schedule", "fence_runs", "cancel_run"),
            ],
        ),
        (
            Batch("r1", [], [], [], {}, [firing("s", lost=3)]),
            ["lock_schedules", "insert_lost", "advance_schedule"],
        ),
        (
            Batch("r1", [], [], [], {}, events=[new_event("a"), new_event("b")]),
            ["lock_triggers", *["insert_event", "insert_event_run"] * 2],
        ),
        (
            Batch("r1", [], [], [], {}, turns=[trigger_row()]),
            ["lock_triggers", "take_poll"],
        ),
        (
            Batch("r1", [new_run("b")], [attempt("a")], [run_end("a")], {"a": 1}),
            ["insert_run", "owned_runs", "fence_runs", "record_attempt", "end_run"],
        ),
    ],
)
def test_a_batch_is_one_transaction_of_the_steps_that_have_rows(
    batch: Batch, steps: list[str]
) -> None:
    dialect = RecordingDialect()
    # The dialect answers nothing, so a key that was sent cannot be found again.
    store = SqlStore(dialect)

    asyncio.run(store.commit(batch))

    assert dialect.transactions == ([steps] if steps else [])


def test_an_attempt_of_a_run_without_a_fence_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        asyncio.run(SqlStore(RecordingDialect()).commit(Batch("r1", [], [attempt("a")], [], {})))


def test_a_dialect_without_a_statement_is_refused_when_the_store_is_made() -> None:
    class Incomplete(RecordingDialect):
        overrides = ""

    with pytest.raises(
        LookupError, match="statements without SQL: claim, due_schedules, ended_runs"
    ):
        SqlStore(Incomplete())


def test_the_lease_clock_is_the_dialect_s() -> None:
    assert SqlStore(RecordingDialect()).lease_clock() == 7
