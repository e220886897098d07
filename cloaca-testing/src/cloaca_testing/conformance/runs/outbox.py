"""Contract: users' transactions write runs and messages, and an open one holds up one submit only.

The second part is for backends that let several transactions write at a time.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.errors import RunEndedError, StoreUnavailableError
from cloaca_core.features.waits.records import TIMEOUTS
from cloaca_core.store.acts import ActRow
from cloaca_core.store.messages import Sent
from cloaca_core.store.outbox import Outbox
from cloaca_core.values.states import RunStatus
from cloaca_core.values.waits import NEVER
from cloaca_testing.conformance.commits import claimed, note, park, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    any_run,
    attempt,
    message,
    new_run,
    run_end,
    runner,
    timeout,
    wait,
)

_SOON_S = 60


class Transactional(Protocol):
    """The part of a user's connection that these tests need."""

    def commit(self) -> object:
        """End the transaction and keep its writes."""

    def rollback(self) -> object:
        """End the transaction and undo its writes."""


class MessageOutboxConformance:
    """Define fixtures ``store``, an open, empty store, and ``mine``, a blocking user's connection
    to its database, in no transaction. Its transactions end before the store writes.
    """

    pytestmark: pytest.MarkDecorator = pytest.mark.asyncio

    @pytest.fixture
    def outbox(self, store: Store) -> Outbox:
        """The store's outbox, which writes on the connection."""
        assert store.outbox is not None
        return store.outbox

    async def test_a_message_of_a_transaction_counts_once_it_has_a_number(
        self, store: Store, outbox: Outbox, mine: Transactional
    ) -> None:
        await _owned(store, "a")
        sent = outbox.send(mine, message("m")._replace(for_task="each", for_item=3))
        mine.commit()

        assert sent == Sent("Running", 0, changed=True)
        assert await store.messages(["a"]) == []
        (row,) = await store.sent("a", 9)
        assert (row.number, row.for_task, row.for_item) == (0, "each", 3)
        news = await store.news("r1", [WORKFLOW], 9)
        assert (news.mail, news.unnumbered) == ({}, ["a"])
        for _ in range(2):
            await store.number_messages(["a", "x"], LATER)

        assert [(each.id, each.number) for each in await store.messages(["a"])] == [("m", 1)]
        news = await store.news("r1", [WORKFLOW], 9)
        assert (news.mail, news.unnumbered) == ({"a": 1}, [])

    async def test_it_is_gone_after_a_rollback(
        self, store: Store, outbox: Outbox, mine: Transactional
    ) -> None:
        await _owned(store, "a")
        outbox.send(mine, message("m"))
        mine.rollback()

        assert await store.sent("a", 9) == []
        assert (await store.news("r1", [WORKFLOW], 9)).unnumbered == []

    async def test_messages_get_numbers_by_their_ids_before_those_that_are_sent_afterwards(
        self, store: Store, outbox: Outbox, mine: Transactional
    ) -> None:
        await _owned(store, "a", "b")
        for each, run_id in (("n", "a"), ("m", "a"), ("m", "b")):
            outbox.send(mine, message(each, run_id))
        mine.commit()
        await store.send(message("z"), 9)

        await store.number_messages(["b", "a"], LATER)
        await store.send(message("y"), 9)

        numbers = {each.id: each.number for each in await store.messages(["a"])}
        assert numbers == {"m": 1, "n": 2, "z": 3, "y": 4}
        assert (await stored(store, "a")).messages == 4
        assert (await stored(store, "b")).messages == 1

    async def test_a_key_counts_for_messages_of_transactions(
        self, store: Store, outbox: Outbox, mine: Transactional
    ) -> None:
        await _owned(store, "a")
        await store.send(message("m", key="k"), 9)

        known = outbox.send(mine, message("n", key="k"))
        new = outbox.send(mine, message("o", key="l"))
        again = outbox.send(mine, message("p", key="l"))
        same = outbox.send(mine, message("o", key="l"))
        mine.commit()

        assert known == Sent("Running", 1, changed=False)
        assert new == Sent("Running", 0, changed=True)
        assert again == same == Sent("Running", 0, changed=False)
        assert await store.send(message("q", key="l"), 9) == Sent("Running", 2, changed=False)
        assert [each.id for each in await store.sent("a", 9)] == ["m", "o"]

    async def test_an_ended_or_unknown_run_gets_none(
        self, store: Store, outbox: Outbox, mine: Transactional
    ) -> None:
        await _owned(store, "a")
        await store.send(message("m", key="k"), 9)
        await record(store, ends=[run_end("a")])

        refused = outbox.send(mine, message("n"))
        known = outbox.send(mine, message("n", key="k"))
        unknown = outbox.send(mine, message("n", "x"))
        mine.commit()

        assert refused == Sent("Completed", None, changed=False, refusal="ended")
        assert known == Sent("Completed", 1, changed=False)
        assert unknown is None
        assert [each.id for each in await store.sent("a", 9)] == ["m"]

    async def test_a_message_comes_with_a_run_of_the_same_transaction(
        self, store: Store, outbox: Outbox, mine: Transactional
    ) -> None:
        outbox.submit(mine, new_run("a"))
        sent = outbox.send(mine, message("m"))
        mine.commit()

        await store.number_messages(["a"], LATER)

        assert sent == Sent("Pending", 0, changed=True)
        assert [each.number for each in await store.messages(["a"])] == [1]

    async def test_a_run_and_its_first_message_are_one_unit(
        self, store: Store, outbox: Outbox, mine: Transactional
    ) -> None:
        outbox.submit(mine, new_run("a"), message("m", ""))
        mine.rollback()
        assert outbox.submit(mine, new_run("b"), message("m", "")) == "b"
        mine.commit()

        await store.number_messages(["b"], LATER)

        assert await store.get_run("a") is None
        found = [(each.run_id, each.number) for each in await store.messages(["b"])]
        assert found == [("b", 1)]

    async def test_a_run_that_has_the_key_gets_the_message(
        self, store: Store, outbox: Outbox, mine: Transactional
    ) -> None:
        await submit(store, new_run("a", key="k"))
        assert outbox.submit(mine, new_run("b", key="k"), message("m", "")) == "a"
        mine.commit()

        assert [each.run_id for each in await store.sent("a", 9)] == ["a"]
        assert await store.get_run("b") is None

    async def test_if_that_has_ended_the_transaction_is_as_before(
        self, store: Store, outbox: Outbox, mine: Transactional
    ) -> None:
        await _owned(store, "x")
        await submit(store, new_run("a", key="k"))
        await record(store, ends=[run_end("a")])
        outbox.submit(mine, new_run("before"))
        with pytest.raises(RunEndedError):
            outbox.submit(mine, new_run("b", key="k"), message("m", ""))
        outbox.submit(mine, new_run("after"))
        mine.commit()

        assert await store.sent("a", 9) == []
        assert await store.get_run("before") is not None
        assert await store.get_run("after") is not None

    async def test_a_message_is_an_act_of_its_sender_and_not_the_first_one_of_a_run(
        self, store: Store, outbox: Outbox, mine: Transactional
    ) -> None:
        await _owned(store, "a")
        outbox.send(mine, message("lost"))
        mine.rollback()
        outbox.send(mine, message("m", key="k")._replace(sent_by="ann"))
        outbox.send(mine, message("n", key="k"))
        outbox.submit(mine, new_run("b", key="k"), message("o", ""))
        outbox.submit(mine, new_run("c", key="k"), message("p", "", sent_at=LATER + 1))
        mine.commit()
        await store.number_messages(["a", "b"], LATER)

        assert await store.acts(None, 9) == [
            ActRow("p", "b", WORKFLOW, 1, "send", "", "paid", 1, LATER + 1),
            ActRow("m", "a", WORKFLOW, 1, "send", "ann", "paid", 1, LATER),
        ]

    async def test_a_run_is_woken_once_its_message_has_a_number(
        self, store: Store, outbox: Outbox, mine: Transactional
    ) -> None:
        await _owned(store, "a", "b")
        for run_id, name in (("a", "paid"), ("b", "other event")):
            await note(store, wait(run_id, name))
            await park(store, run_id, NEVER)
        for run_id in ("a", "b"):
            outbox.send(mine, message("m", run_id))
        mine.commit()
        assert await claimed(store) == []

        await store.number_messages(["a", "b"], LATER + 5)

        assert (await stored(store, "b")).status == RunStatus.WAITING
        (row,) = await store.claim("r1", [WORKFLOW], 9, LATER)
        assert (row.id, row.messages, row.claimable_at) == ("a", 1, LATER + 5)

    async def test_nothing_times_out_beside_a_message_without_a_number(
        self, store: Store, outbox: Outbox, mine: Transactional
    ) -> None:
        await _owned(store, "a", "b")
        await note(store, wait("a", due_at=NOW), wait("b", due_at=NOW))
        outbox.send(mine, message("m"))
        mine.commit()

        over = [timeout(wait(run_id)) for run_id in "ab"]
        assert (await note(store, timeouts=over)).of(TIMEOUTS) == {over[1]}

        await store.number_messages(["a"], LATER)
        assert not (await note(store, timeouts=over[:1])).of(TIMEOUTS)

    async def test_a_message_to_a_run_that_has_ended_meanwhile_gets_a_number_as_well(
        self, store: Store, outbox: Outbox, mine: Transactional
    ) -> None:
        await _owned(store, "a")
        outbox.send(mine, message("m"))
        mine.commit()
        await record(store, ends=[run_end("a")])

        await store.number_messages(["a"], LATER)

        assert [each.number for each in await store.sent("a", 9)] == [1]
        assert (await store.news("r1", [WORKFLOW], 9)).unnumbered == []
        assert (await stored(store, "a")).status == RunStatus.COMPLETED


class OutboxConformance(MessageOutboxConformance):
    """For backends that let several transactions write at a time. Used with
    ``SharedBackendConformance``: define ``mine``, and ``theirs``, another user's connection.
    """

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
        with pytest.raises(StoreUnavailableError, match="another transaction"):  # it does not wait
            await store.join(new_run("third", owner=None, key="k"), "customer 7", queues=True)
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

    async def test_a_runner_waits_for_no_transaction_with_a_message(
        self, store: Store, outbox: Outbox, mine: Transactional
    ) -> None:
        await _owned(store, "a", "b")
        outbox.send(mine, message("m", key="k"))

        async with asyncio.timeout(_SOON_S):
            sent = await store.send(message("n", key="k"), 9)
            await note(store, wait("a"))
            await record(store, [attempt("a")], [run_end("a")])
            await store.number_messages(["a"], LATER)

        assert sent == Sent("Running", 1, changed=True)
        mine.commit()
        assert [each.id for each in await store.sent("a", 9)] == ["n", "m"]
        await store.number_messages(["a"], LATER)
        assert [each.id for each in await store.sent("a", 9)] == ["n"]

    async def test_of_two_transactions_with_one_key_one_counts(
        self, store: Store, outbox: Outbox, mine: Transactional, theirs: Transactional
    ) -> None:
        await _owned(store, "a")
        sent = [
            outbox.send(theirs, message("n", key="k")),
            outbox.send(mine, message("m", key="k")),
        ]
        theirs.commit()
        mine.commit()

        await store.number_messages(["a"], LATER)

        assert sent == [Sent("Running", 0, changed=True)] * 2
        assert [(each.id, each.number) for each in await store.sent("a", 9)] == [("m", 1)]
        assert [each.id for each in await store.acts(None, 9)] == ["m"]


async def _owned(store: Store, *run_ids: str) -> None:
    """Runs of the runner ``r1``."""
    await store.register(runner("r1"))
    await submit(store, *map(new_run, run_ids))
