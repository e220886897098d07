"""Contract: a user's open transaction holds up one submit only.

For backends that have an ``Outbox`` and let several transactions write at a time.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import pytest

from cloaca_core.conformance.rows import any_run, attempt, new_run, record, runner, submit
from cloaca_core.store.outbox import Outbox
from cloaca_core.store.protocol import Store

_SOON_S = 60


class Transactional(Protocol):
    """The part of a user's connection that these tests need."""

    def commit(self) -> object:
        """End the transaction and keep its writes."""

    def rollback(self) -> object:
        """End the transaction and undo its writes."""


class OutboxConformance:
    """Used with ``SharedBackendConformance``: define a fixture ``mine``, a blocking user's
    connection to the database of ``url``, in no transaction.
    """

    @pytest.fixture
    def outbox(self, store: Store) -> Outbox:
        """The store's outbox, which writes on the connection."""
        assert store.outbox is not None
        return store.outbox

    async def test_a_batch_holds_back_a_key_that_an_open_transaction_writes_and_nothing_else(
        self, store: Store, outbox: Outbox, mine: Transactional
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("before"), new_run("used", key="used"))
        outbox.submit(mine, new_run("first", key="k"))
        outbox.submit(mine, new_run("again", key="used"))

        async with asyncio.timeout(_SOON_S):
            committed = await submit(
                store,
                new_run("second", key="k", tags='{"t":"x"}'),
                new_run("again", key="used"),
                new_run("other workflow", key="k", workflow="w"),
                new_run("other key", key="l"),
                new_run("no key"),
            )
            recorded = await record(store, [attempt("before")])

        assert committed.held == {"second"}
        assert committed.existing == {"again": "used"}
        assert committed.owned == {"other workflow", "other key", "no key"}
        assert recorded.current == {"before"}
        assert await store.get_run("second") is None
        assert await store.list_runs(any_run(tags=(("t", "x"),))) == []

        mine.commit()
        after = await submit(store, new_run("second", key="k"))
        assert (after.held, after.existing) == (frozenset(), {"second": "first"})

    async def test_a_run_that_a_body_waits_for_is_not_held_back_beside_many_keys(
        self, store: Store, outbox: Outbox, mine: Transactional
    ) -> None:
        """The engine made its key, so no transaction of a user can be writing it."""
        await store.register(runner("r1"))
        await submit(store, new_run("parent"))
        for number in range(70):
            outbox.submit(mine, new_run(f"mine {number}", key=f"k{number}"))
        child = new_run("child", key="parent::task::1")._replace(parent_id="parent")

        async with asyncio.timeout(_SOON_S):
            committed = await submit(
                store, child, new_run("new", key="k69")._replace(parent_id="parent")
            )

        assert committed.owned == {"child"}
        assert committed.held == {"new"}
        mine.rollback()

    async def test_a_key_is_free_again_after_a_rollback(
        self, store: Store, outbox: Outbox, mine: Transactional
    ) -> None:
        outbox.submit(mine, new_run("first", key="k"))
        assert (await submit(store, new_run("second", owner=None, key="k"))).held == {"second"}

        mine.rollback()

        assert (await submit(store, new_run("second", owner=None, key="k"))).held == frozenset()
        assert [run.id for run in await store.list_runs(any_run())] == ["second"]

    @pytest.mark.parametrize("commits", [True, False])
    async def test_who_wants_that_key_gets_the_run_of_the_transaction_or_makes_its_own(
        self, store: Store, outbox: Outbox, mine: Transactional, commits: bool
    ) -> None:
        outbox.submit(mine, new_run("first", key="k"))
        waiting = asyncio.create_task(store.insert_when_free(new_run("second", key="k")))
        async with asyncio.timeout(_SOON_S):  # nothing else waits
            await store.insert_when_free(new_run("other", key="l"))
            await submit(store, new_run("no key", owner=None))
        assert not waiting.done()

        if commits:
            mine.commit()
        else:
            mine.rollback()

        async with asyncio.timeout(_SOON_S):
            assert await waiting == ("first" if commits else "second")

    async def test_who_gives_up_makes_no_run_later(
        self, store: Store, outbox: Outbox, mine: Transactional
    ) -> None:
        outbox.submit(mine, new_run("first", key="k"))
        waiting = asyncio.create_task(store.insert_when_free(new_run("second", key="k")))
        await store.insert_when_free(new_run("other", key="l"))  # "k" is waited for by now
        waiting.cancel()
        await asyncio.wait([waiting])
        mine.rollback()

        async with asyncio.timeout(_SOON_S):
            assert await store.insert_when_free(new_run("third", key="k")) == "third"
        assert await store.get_run("second") is None
