"""Contract of messages: each has a number in its run, and is read once."""

from __future__ import annotations

import asyncio

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.errors import StoreDataError
from cloaca_core.features.steering.records import Reopening
from cloaca_core.features.upkeep.records import Shift
from cloaca_core.store.acts import ActRow
from cloaca_core.store.messages import MESSAGES, MessageRow, NewMessage, Sent
from cloaca_core.values.states import RunStatus
from cloaca_core.values.waits import NEVER
from cloaca_testing.conformance.commits import (
    batch_with,
    claimed,
    fence,
    fire,
    note,
    park,
    record,
    stored,
    submit,
)
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    approval,
    closed,
    decision,
    message,
    new_fork,
    new_run,
    new_tick,
    run_end,
    runner,
    schedule,
    timeout,
    wait,
)

MOST = 10_000


class MessageConformance:
    """Part of ``StoreConformance``."""

    async def test_messages_have_numbers_in_the_order_in_which_they_came(
        self, store: Store
    ) -> None:
        await owned_runs(store, "a", "b")

        sent = [
            await send_message(store, message(each, run_id))
            for each, run_id in (("z", "a"), ("z", "b"), ("y", "a"), ("x", "a"))
        ]

        assert sent == [Sent("Running", number, changed=True) for number in (1, 1, 2, 3)]
        rows = [_row(message(each), number) for number, each in enumerate("zyx", 1)]
        assert await store.messages(["b", "a"]) == [*rows, _row(message("z", "b"), 1)]
        assert await store.messages(["a"], after=1) == rows[1:]
        assert await store.sent("a", 2) == rows[:2]
        assert (await stored(store, "a")).messages == 3

    async def test_a_message_is_kept_as_it_is(self, store: Store) -> None:
        await owned_runs(store, "a")
        long = message("m", payload='"' + 100_000 * "ä" + '"', key="k")._replace(
            sent_by="ann", for_task="each", for_item=99_999
        )

        await send_message(store, long)

        assert await store.messages(["a"]) == [_row(long, 1)]

    async def test_senders_at_once_get_different_numbers(self, store: Store) -> None:
        await owned_runs(store, "a")

        sent = await asyncio.gather(*[send_message(store, message(f"m{n}")) for n in range(20)])

        assert sorted(each.number or 0 for each in sent) == [*range(1, 21)]
        by_number = {each.number: each.id for each in await store.messages(["a"])}
        assert by_number == {each.number: f"m{n}" for n, each in enumerate(sent)}

    async def test_the_same_message_sent_again_changes_nothing(self, store: Store) -> None:
        await owned_runs(store, "a")
        await send_message(store, message("m"))
        await send_message(store, message("n"))

        again = await send_message(store, message("m", payload="2"))

        assert again == Sent("Running", 1, changed=False)
        assert await store.sent("a", 9) == [_row(message("m"), 1), _row(message("n"), 2)]
        assert (await stored(store, "a")).messages == 2

    async def test_of_messages_with_one_key_the_first_one_counts(self, store: Store) -> None:
        await owned_runs(store, "a", "b")
        await send_message(store, message("m", key="k"))

        again = await send_message(store, message("n", key="k", payload="2"))
        others = [
            await send_message(store, message("o", "a", "other event", key="k")),
            await send_message(store, message("p", "b", key="k")),
            await send_message(store, message("q", key="l")),
        ]

        assert again == Sent("Running", 1, changed=False)
        assert [each.changed for each in others] == [True, True, True]
        assert [each.id for each in await store.sent("a", 9)] == ["m", "o", "q"]

    async def test_a_key_counts_after_its_message_was_read_and_the_run_has_ended(
        self, store: Store
    ) -> None:
        await owned_runs(store, "a")
        await send_message(store, message("m", key="k"))
        await note(store, closed=[closed(wait("a"), "m")])
        read = await send_message(store, message("n", key="k"))
        await record(store, ends=[run_end("a")])

        ended = await send_message(store, message("o", key="k"))

        assert read == Sent("Running", 1, changed=False)
        assert ended == Sent("Completed", 1, changed=False)
        assert await send_message(store, message("m")) == ended

    async def test_an_ended_run_gets_none(self, store: Store) -> None:
        await owned_runs(store, "a")
        await record(store, ends=[run_end("a", status="Failed")])

        refused = await send_message(store, message("m", key="k"))

        assert refused == Sent("Failed", None, changed=False, refusal="ended")
        assert await store.sent("a", 9) == []
        assert (await stored(store, "a")).messages == 0

    async def test_an_unknown_run_and_one_that_is_being_deleted_get_none(
        self, store: Store
    ) -> None:
        await owned_runs(store, "a")
        await record(store, ends=[run_end("a")])
        shift = Shift("h", LATER)
        assert await store.take_upkeep(shift, NOW, 2**61, 2**61)
        await store.hide_trees(shift, ["a"], NOW + 10, LATER)

        assert await store.send(message("m"), MOST) is None
        assert await store.send(message("m", "x"), MOST) is None

        assert await store.sent("a", 9) == await store.sent("x", 9) == []

    async def test_a_run_with_so_many_unread_messages_gets_no_more(self, store: Store) -> None:
        await owned_runs(store, "a")
        for number in range(3):
            await send_message(store, message(f"m{number}"), most=3)

        full = await send_message(store, message("x"), most=3)
        assert full == Sent("Running", None, changed=False, refusal="full")
        assert (await send_message(store, message("m0"), most=3)).number == 1

        await note(store, closed=[closed(wait("a"), "m1")])
        assert (await send_message(store, message("y"), most=3)).number == 4
        assert (await send_message(store, message("x"), most=3)).refusal == "full"

    async def test_a_message_that_cannot_be_stored_is_refused(self, store: Store) -> None:
        await owned_runs(store, "a")

        with pytest.raises(StoreDataError):
            await store.send(message("m", payload='"\ud800"'), MOST)

        assert (await send_message(store, message("m"))).number == 1

    # -- acts --------------------------------------------------------------------------------

    async def test_messages_are_acts_of_their_senders(self, store: Store) -> None:
        await owned_runs(store, "a", "b")
        await note(store, approval("a"))
        await send_message(store, message("m", sent_at=NOW)._replace(sent_by="ann"))
        await send_message(store, message("m", "b", "shipped", sent_at=NOW + 1, key="k"))
        signed = decision("n")._replace(sent_by="bob", reason="sign: approve", sent_at=NOW + 2)
        await send_message(store, signed)
        await store.cancel(["a"], act(now=NOW + 3), LATER, children=False)

        cancelled, *acts = await store.acts(None, 9)

        assert acts == [
            ActRow("n", "a", WORKFLOW, 1, "approve", "bob", "sign: approve", 1, NOW + 2),
            ActRow("m", "b", WORKFLOW, 1, "send", "", "shipped", 1, NOW + 1),
            ActRow("m", "a", WORKFLOW, 1, "send", "ann", "paid", 1, NOW),
        ]
        assert await store.acts("a", 9) == [cancelled]
        assert await store.acts("b", 9) == []

    async def test_a_message_that_changes_nothing_is_no_act(self, store: Store) -> None:
        await owned_runs(store, "a")
        await note(store, approval("a"))
        await send_message(store, message("m", key="k"), most=2)
        await send_message(store, decision("n"), most=2)

        await send_message(store, message("o", key="k"), most=2)
        await send_message(store, message("m"), most=2)
        await send_message(store, decision("p"), most=3)
        await send_message(store, message("q"), most=2)
        await store.number_messages(["a"], LATER)
        await record(store, ends=[run_end("a")])
        await send_message(store, message("r"))

        assert sorted(each.id for each in await store.acts(None, 9)) == ["m", "n"]

    async def test_an_act_is_of_the_round_in_which_the_message_was_sent(self, store: Store) -> None:
        await owned_runs(store, "a")
        await send_message(store, message("m"))
        await record(store, ends=[run_end("a", status="Failed")])
        await store.retry([Reopening("a", 1, {})], act())
        await send_message(store, message("n"))

        rounds = {each.id: each.round for each in await store.acts(None, 9) if each.kind == "send"}
        assert rounds == {"m": 1, "n": 2}

    async def test_the_first_message_of_a_run_is_a_part_of_its_submission(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        batch = batch_with("r1", [new_run("a")], [], [], {}, messages=[message("m")])
        for _ in range(2):
            await store.commit(batch)
        await store.insert_when_free(new_run("b", key="k"), MESSAGES.rows([message("n", "b")]))
        await send_message(store, message("m"))

        assert await store.acts(None, 9) == []

    # -- wake-ups ----------------------------------------------------------------------------

    async def test_a_message_wakes_a_run_that_waits_for_it(self, store: Store) -> None:
        await parked_runs(store, "a", "b", "c")

        await send_message(store, message("m", "a", "other event"))
        await send_message(store, message("m", "b", sent_at=LATER + 2))
        await send_message(store, message("m", "c", sent_at=LATER + 1))

        assert (await stored(store, "a")).status == RunStatus.WAITING
        woken = await stored(store, "b")
        assert (woken.status, woken.due_at, woken.came_due) == (RunStatus.RUNNING, None, 0)
        rows = await store.claim("r1", [WORKFLOW], 9, LATER)
        assert [(run.id, run.claimable_at) for run in rows] == [("b", LATER + 2), ("c", LATER + 1)]
        assert [run.messages for run in rows] == [1, 1]

    async def test_a_message_to_an_item_wakes_a_run_in_which_that_waits(self, store: Store) -> None:
        await owned_runs(store, "a")
        each = wait("a", task_id="each", number=1)
        await note(store, each._replace(item=1), each._replace(item=2))
        await park(store, "a", NEVER)

        to_it = message("m")._replace(for_task="each", for_item=3)
        await send_message(store, to_it)
        await send_message(store, to_it._replace(id="n", for_task="other", for_item=1))
        assert await claimed(store) == []
        await send_message(store, to_it._replace(id="o", for_item=2))

        assert await claimed(store) == ["a"]
        rows = await store.messages(["a"])
        assert [(row.for_task, row.for_item) for row in rows] == [
            ("each", 3),
            ("other", 1),
            ("each", 2),
        ]

    async def test_a_key_counts_for_all_items(self, store: Store) -> None:
        await owned_runs(store, "a")
        to_it = message("m", key="k")._replace(for_task="each", for_item=1)
        await send_message(store, to_it)

        again = await send_message(store, to_it._replace(id="n", for_item=2))

        assert again == Sent("Running", 1, changed=False)

    async def test_one_whose_time_is_over_is_not_woken(self, store: Store) -> None:
        await owned_runs(store, "a")
        await note(store, wait("a", due_at=NOW))
        await note(store, timeouts=[timeout(wait("a"))])
        await park(store, "a", NEVER)

        assert (await send_message(store, message("m"))).changed

        assert await claimed(store) == []

    async def test_a_message_that_is_there_wakes_nothing(self, store: Store) -> None:
        await owned_runs(store, "a")
        await send_message(store, message("m"))
        await note(store, wait("a"))
        await park(store, "a", NEVER, seen=1)

        await send_message(store, message("m"))
        await send_message(store, message("n", "a", "other event"))

        assert await claimed(store) == []

    async def test_a_paused_run_is_woken_once_it_is_resumed(self, store: Store) -> None:
        await parked_runs(store, "a")
        await store.pause(["a"], act(), None, children=False)

        sent = await send_message(store, message("m"))

        assert sent.status == RunStatus.PAUSED
        assert await claimed(store) == []
        await store.resume(["a"], act("y"))
        assert await claimed(store) == ["a"]

    async def test_a_run_that_waits_for_its_start_goes_on_to(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", owner=None, due_at=LATER))

        sent = await send_message(store, message("m"))

        assert sent == Sent("Pending", 1, changed=True)
        assert await claimed(store) == []

    async def test_a_run_behind_another_stays_there(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.put_schedule(schedule())
        await fire(store, new_tick("s", "first"))
        await fire(store, new_tick("s", "next", tick=LATER, generation=1)._replace(behind="first"))

        assert await send_message(store, message("m", "next")) == Sent("Pending", 1, changed=True)

        assert await claimed(store) == ["first"]

    async def test_an_owner_is_told(self, store: Store) -> None:
        await owned_runs(store, "a", "b", "c")
        await store.register(runner("r2"))
        for number, run_id in enumerate(("a", "a", "b")):
            await send_message(store, message(f"m{number}", run_id))
        await note(store, closed=[closed(wait("b"), "m2")])

        assert (await fence(store, "a", "b", "c")).messages == {"a": 2, "b": 1}
        assert (await store.news("r1", [WORKFLOW], 9)).mail == {"a": 2}
        assert (await store.news("r2", [WORKFLOW], 9)).mail == {}

    async def test_a_run_that_is_being_cancelled_gets_messages(self, store: Store) -> None:
        await owned_runs(store, "a")
        await note(store, wait("a"))
        await store.cancel(["a"], act(), LATER, children=False)

        assert (await send_message(store, message("m"))).changed

        assert (await stored(store, "a")).owner == "r1"
        assert (await store.news("r1", [WORKFLOW], 9)).mail == {"a": 1}

    # -- reading -----------------------------------------------------------------------------

    async def test_a_message_is_read_once(self, store: Store) -> None:
        await owned_runs(store, "a")
        await note(store, wait("a"), wait("a", number=1))
        await send_message(store, message("m"))
        await send_message(store, message("n"))

        for _ in range(2):
            await note(store, closed=[closed(wait("a"), "m")])
        await note(store, closed=[closed(wait("a", task_id="late", number=1), "m")])

        assert [each.taken_by for each in await store.sent("a", 9)] == ["paid", None]
        assert [each.number for each in await store.messages(["a"])] == [2]

    # -- with new runs -----------------------------------------------------------------------

    @pytest.mark.parametrize("owner", ["r1", None])
    async def test_a_message_comes_with_a_new_run(self, store: Store, owner: str | None) -> None:
        await store.register(runner("r1"))
        runs = [new_run("a", owner=owner), new_run("b", owner=owner)]

        for _ in range(2):
            await store.commit(batch_with("r1", runs, [], [], {}, messages=[message("m")]))

        assert await store.messages(["a", "b"]) == [_row(message("m"), 1)]
        assert (await stored(store, "a")).messages == 1
        assert (await send_message(store, message("n"))).number == 2
        await store.commit(batch_with("r1", runs, [], [], {}, messages=[message("m")]))
        assert (await stored(store, "a")).messages == 2

    async def test_a_run_that_was_there_gets_none(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", key="k"))
        again = [new_run("b", key="k")]

        committed = await store.commit(
            batch_with("r1", again, [], [], {}, messages=[message("m", "b")])
        )

        assert committed.existing == {"b": "a"}
        assert await store.sent("a", 9) == await store.sent("b", 9) == []

    async def test_a_message_comes_with_a_run_that_was_held_back(self, store: Store) -> None:
        for _ in range(2):
            run, first = new_run("a", key="k"), message("m")
            assert await store.insert_when_free(run, MESSAGES.rows([first])) == "a"
        assert (
            await store.insert_when_free(new_run("b", key="k"), MESSAGES.rows([message("n", "b")]))
            == "a"
        )

        assert await store.sent("a", 9) == [_row(message("m"), 1)]
        assert await store.sent("b", 9) == []
        assert (await stored(store, "a")).messages == 1

    # -- forks -------------------------------------------------------------------------------

    async def test_a_fork_has_the_messages_of_its_source(self, store: Store) -> None:
        await owned_runs(store, "a")
        for each in "mno":
            await send_message(store, message(each, key=each))
        ends = [closed(wait("a", task_id="load"), "m"), closed(wait("a", task_id="ship"), "n")]
        await note(store, closed=ends)

        assert await store.fork(new_fork("b", kept=["load"]), act()) == "b"
        await send_message(store, message("p"))
        await send_message(store, message("q", "b"))
        assert await claimed(store) == ["b"]
        await note(store, closed=[closed(wait("b", task_id="ship"), "q")], epoch=2)
        assert await store.fork(new_fork("b", kept=["load"]), act()) == "b"

        first = _row(message("m", "b", key="m"), 1, taken_by="load")
        unread = [_row(message(each, "b", key=each), n) for n, each in ((2, "n"), (3, "o"))]
        own = _row(message("q", "b"), 4, taken_by="ship")
        assert await store.sent("b", 9) == [first, *unread, own]
        assert (await stored(store, "b")).messages == 4
        assert [each.taken_by for each in await store.sent("a", 9)] == ["load", "ship", None, None]


async def owned_runs(store: Store, *run_ids: str) -> None:
    """Runs of the runner ``r1``."""
    await store.register(runner("r1"))
    await submit(store, *map(new_run, run_ids))


async def parked_runs(store: Store, *run_ids: str, name: str = "paid") -> None:
    """Runs that wait for an event, and for no instant."""
    await owned_runs(store, *run_ids)
    for run_id in run_ids:
        await note(store, wait(run_id, name))
        await park(store, run_id, NEVER)


async def send_message(store: Store, new: NewMessage, *, most: int = MOST) -> Sent:
    """Send a message to a run that is there."""
    sent = await store.send(new, most)
    assert sent is not None
    return sent


def _row(of: NewMessage, number: int, *, taken_by: str | None = None) -> MessageRow:
    """A message as it is stored."""
    fields = of._asdict()
    del fields["reason"]
    return MessageRow(number=number, taken_by=taken_by, **fields)
