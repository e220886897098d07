"""The steps that a store makes of an operation. The conformance tests cover their effects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence

import pytest

from cloaca_core.assembly.sql_store import SqlStore
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.features.steering.records import NewFork
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.changes import Change
from cloaca_core.store.sql.base import load_queries
from cloaca_core.store.sql.dialect import Answers, Step, Then
from cloaca_core.store.sql.queries import Row
from cloaca_sqlite.driver import WORDING
from cloaca_testing.conformance.rows import NOW, act, attempt, new_run


class RecordingDialect:
    """Notes each transaction and answers nothing."""

    wording = WORDING
    writable = True
    most_keys: int | None = 7
    sql_package = "cloaca_sqlite"

    def __init__(self) -> None:
        self.transactions: list[list[str]] = []
        self.holders: list[Row] = []

    def array(self, values: Collection[str | int]) -> object:
        return tuple(values)

    async def write(
        self,
        steps: Sequence[Step],
        *,
        urgent: bool = False,
        on_commit: Callable[[Answers], None] | None = None,
        then: Then | None = None,
    ) -> Answers:
        assert then is None
        assert urgent == (steps[0].statement.name == "beat")
        self.transactions.append([step.statement.name for step in steps])
        answers: Answers = [[] for _ in steps]
        if on_commit is not None:
            on_commit(answers)
        return answers

    async def write_apart(self, steps: Sequence[Step], key: str) -> Answers:
        self.transactions.append([key, *[step.statement.name for step in steps]])
        return [self.holders for _ in steps]

    async def read(self, steps: Sequence[Step]) -> Answers:
        return await self.write(steps)

    def lease_clock(self) -> int:
        return 7

    @property
    def lease_ends_with_boot(self) -> bool:
        return True

    async def identity(self) -> str | None:
        return None

    async def give_back(self, limit: int) -> int | None:
        return limit

    async def now(self) -> int:
        return 8

    def wall(self) -> int:
        return 9

    async def wait_changed(self) -> Change:
        return Change.RUNS

    def set_watched(self, *, watched: bool) -> None:
        pass

    def set_contended(self, *, contended: bool) -> None:
        pass

    def on_connected(self, connected: Callable[[], None]) -> None:
        pass

    async def close(self) -> None:
        pass


def test_a_batch_is_one_transaction() -> None:
    dialect = RecordingDialect()

    asyncio.run(SqlStore(dialect).commit(Batch("r1", [], [attempt("a")], [], {"a": 1})))

    assert dialect.transactions == [["fence_runs", "record_attempt"]]


def test_a_batch_of_nothing_is_no_transaction() -> None:
    dialect = RecordingDialect()

    committed = asyncio.run(SqlStore(dialect).commit(Batch("r1", [], [], [], {})))

    assert dialect.transactions == []
    assert committed == Committed(frozenset(), {}, frozenset())


def test_a_run_that_may_have_to_wait_is_one_transaction_of_its_own() -> None:
    dialect = RecordingDialect()
    dialect.holders = [("w", "k", "earlier")]

    holder = asyncio.run(SqlStore(dialect).insert_when_free(new_run("a", workflow="w", key="k")))

    assert holder == "earlier"
    assert dialect.transactions == [['["w", "k"]', "insert_unowned_run", "find_keys"]]


def test_a_fork_waits_for_the_key_of_its_workflow() -> None:
    dialect = RecordingDialect()
    dialect.holders = [("f",)]
    new = NewFork("f", "a", "w", "v", "{}", "k", "t", None, [], NOW)

    assert asyncio.run(SqlStore(dialect).fork(new, act("x"))) == "f"
    ((key, *_),) = dialect.transactions
    assert key == '["w", "k"]'


def test_a_run_whose_key_was_taken_by_one_that_is_gone_is_to_be_sent_again() -> None:
    with pytest.raises(StoreUnavailableError, match="has this key is being deleted"):
        asyncio.run(SqlStore(RecordingDialect()).insert_when_free(new_run("a", key="k")))


def test_a_dialect_without_a_statement_is_refused_when_the_store_is_made() -> None:
    class Incomplete(RecordingDialect):
        sql_package = "cloaca_core.store"  # which has no .sql files

    with pytest.raises(LookupError, match="statements without SQL: claim, "):
        SqlStore(Incomplete())


def test_stores_of_one_dialect_share_their_statements() -> None:
    mine = load_queries("cloaca_sqlite", WORDING)

    assert load_queries("cloaca_sqlite", WORDING) is mine
    assert load_queries("cloaca_postgres", WORDING) is not mine


def test_the_lease_clock_is_the_dialect_s() -> None:
    assert SqlStore(RecordingDialect()).lease_clock() == 7
