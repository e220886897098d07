"""Contract: the rows of a body and the record of its success commit together or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.store.transactions import BodyTransaction, Transactions
from cloaca_core.values.states import TaskStatus
from cloaca_testing.conformance.commits import record, stored, submit
from cloaca_testing.conformance.rows import attempt, new_run, runner


class TransactionConformance:
    """Define fixtures ``store``, an open, empty store, ``write``, which writes a text by the
    connection of a body, and ``written``, which reads the texts that are committed.
    """

    pytestmark: pytest.MarkDecorator = pytest.mark.asyncio

    @pytest.fixture
    def transactions(self, store: Store) -> Transactions:
        """The store's transactions."""
        assert store.transactions is not None
        return store.transactions

    async def test_a_success_counts_with_the_rows_of_its_body(
        self,
        store: Store,
        transactions: Transactions,
        write: Callable[[object, str], None],
        written: Callable[[], list[str]],
    ) -> None:
        await _owned(store)
        row = attempt("a")
        transaction = await begun(transactions)
        write(transaction.connection, "mine")
        assert written() == []

        counts = await asyncio.to_thread(transaction.commit, store.recording("r1", row))

        assert (counts, written()) == (True, ["mine"])
        assert await store.is_recorded("r1", row)
        assert not await store.is_recorded("r1", row._replace(attempt=2))
        (found,) = await store.load_attempts(["a"])
        assert (found.status, found.change) == (TaskStatus.COMPLETED, row.change)

    async def test_what_the_journal_writes_later_does_not_change_it(
        self, store: Store, transactions: Transactions
    ) -> None:
        """Neither a start mark that was under way, nor the same row once more, nor a time-out."""
        await _owned(store)
        row = attempt("a")
        transaction = await begun(transactions)
        assert await asyncio.to_thread(transaction.commit, store.recording("r1", row))
        for status in (TaskStatus.RUNNING, TaskStatus.COMPLETED, TaskStatus.FAILED):
            await record(store, [attempt("a", status=status)])

        (found,) = await store.load_attempts(["a"])
        assert (found.status, found.change) == (TaskStatus.COMPLETED, row.change)

    @pytest.mark.parametrize(
        ("runner_id", "epoch"), [("r2", 1), ("r1", 2), ("gone", 1)], ids=["other", "epoch", "gone"]
    )
    async def test_one_that_does_not_own_the_run_writes_nothing(
        self,
        store: Store,
        transactions: Transactions,
        write: Callable[[object, str], None],
        written: Callable[[], list[str]],
        runner_id: str,
        epoch: int,
    ) -> None:
        await _owned(store)
        await store.register(runner("r2"))
        row = attempt("a", epoch=epoch)
        transaction = await begun(transactions)
        write(transaction.connection, "lost")

        recording = store.recording(runner_id, row)
        assert not await asyncio.to_thread(transaction.commit, recording)

        assert written() == []
        assert not await store.is_recorded(runner_id, row)
        assert await store.load_attempts(["a"]) == []

    async def test_one_that_is_given_up_keeps_none_from_writing(
        self,
        store: Store,
        transactions: Transactions,
        write: Callable[[object, str], None],
        written: Callable[[], list[str]],
    ) -> None:
        transaction = await begun(transactions)
        write(transaction.connection, "lost")

        transaction.end_now()
        await _owned(store)  # before the body notices

        with pytest.raises(Exception, match=r"."):
            write(transaction.connection, "too late")
        await asyncio.to_thread(transaction.roll_back)
        assert written() == []
        assert (await stored(store, "a")).owner == "r1"

    async def test_a_coroutine_has_the_same(
        self, store: Store, transactions: Transactions, written: Callable[[], list[str]]
    ) -> None:
        await _owned(store)
        lost = await transactions.begin_awaited()
        await lost.roll_back()
        kept = await transactions.begin_awaited()

        assert await kept.commit(store.recording("r1", attempt("a")))

        assert await store.is_recorded("r1", attempt("a"))
        assert written() == []


async def begun(transactions: Transactions) -> BodyTransaction:
    """A transaction, opened as on the thread of a body."""
    return await asyncio.to_thread(transactions.begin)


async def _owned(store: Store) -> None:
    """A run ``a`` of the runner ``r1``, in epoch 1."""
    await store.register(runner("r1"))
    await submit(store, new_run("a"))
