"""Contract of approvals: decisions of people, which are messages to a run."""

from __future__ import annotations

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.steering.records import Reopening
from cloaca_core.features.waits.records import OpenApprovalRow
from cloaca_core.store.messages import Sent
from cloaca_core.values.states import TaskStatus
from cloaca_core.values.waits import NEVER
from cloaca_testing.conformance.commits import (
    batch_with,
    claimed,
    note,
    park,
    record,
    submit,
)
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    approval,
    attempt,
    closed,
    decision,
    message,
    new_run,
    run_end,
    runner,
    timeout,
    wait,
)
from cloaca_testing.conformance.waits.messages import owned_runs, parked_runs, send_message

MOST = 10_000


class ApprovalConformance:
    """Part of ``StoreConformance``."""

    async def test_a_decision_is_taken_while_it_is_open_and_once(self, store: Store) -> None:
        await owned_runs(store, "a")
        early = await send_message(store, decision("m"))
        await note(store, approval("a"))

        taken = await send_message(store, decision("n"))
        late = await send_message(store, decision("o"))

        assert early == Sent("Running", None, changed=False, refusal="not_open")
        assert taken == Sent("Running", 1, changed=True)
        assert late == Sent("Running", None, changed=False, refusal="decided")
        assert await send_message(store, decision("n")) == Sent("Running", 1, changed=False)
        assert (await send_message(store, decision("p", name="other"))).refusal == "not_open"

    async def test_each_item_that_asks_by_one_name_gets_a_decision_of_its_own(
        self, store: Store
    ) -> None:
        await owned_runs(store, "a")
        asked = approval("a")._replace(task_id="each", number=1)
        await note(store, asked._replace(item=10), asked._replace(item=2))
        second = decision("m")._replace(for_task="each", for_item=10)

        sent = await send_message(store, second)
        again = await send_message(store, second._replace(id="n"))
        left = await store.open_approvals(9)
        first = await send_message(store, second._replace(id="o", for_item=2))
        none = [
            await send_message(store, second._replace(id="p", for_item=3)),
            await send_message(store, second._replace(id="p", for_task="sign", for_item=2)),
            await send_message(store, second._replace(id="p", for_task=None, for_item=-1)),
        ]

        assert sent == Sent("Running", 1, changed=True)
        assert again.refusal == "decided"
        assert [(row.task_id, row.item) for row in left] == [("each", 2)]
        assert first == Sent("Running", 2, changed=True)
        assert [each.refusal for each in none] == ["not_open"] * 3
        assert await store.open_approvals(9) == []

    async def test_a_body_that_asks_twice_by_one_name_gets_two_decisions(
        self, store: Store
    ) -> None:
        await owned_runs(store, "a")
        asked = approval("a")._replace(task_id="each", item=2, number=1)
        await note(store, asked, asked._replace(number=2, opened_at=LATER))
        to_it = decision("m")._replace(for_task="each", for_item=2)

        await send_message(store, to_it)
        (left,) = await store.open_approvals(9)
        second = await send_message(store, to_it._replace(id="n"))

        assert left.opened_at == LATER
        assert second.changed
        assert await store.open_approvals(9) == []
        assert (await send_message(store, to_it._replace(id="o"))).refusal == "decided"

    async def test_a_wait_is_answered_by_a_message_that_is_still_to_be_taken(
        self, store: Store
    ) -> None:
        await owned_runs(store, "a")
        asked = approval("a")._replace(task_id="each", item=2, number=1)
        over = approval("a", "over")
        paid = wait("a", "paid", task_id="z")
        await note(store, asked, asked._replace(number=2), approval("a"), over, paid)
        await send_message(store, decision("m")._replace(for_task="each", for_item=2))
        await send_message(store, decision("o", name="over")._replace(for_task="over"))
        await send_message(store, message("n", "a", "sign"))
        await note(store, timeouts=[timeout(over)._replace(seen=9)])

        before = [(each.name, each.number, each.answered) for each in await store.waits(["a"])]
        await send_message(store, message("p", "a", "paid"))
        after = {each.name: each.answered for each in await store.waits(["a"])}
        recorded = await store.recorded_run("a", 9)

        assert before == [
            ("sign", 1, 1),
            ("sign", 2, 0),
            ("over", 0, 0),
            ("sign", 0, 0),
            ("paid", 0, 0),
        ]
        assert after["paid"] == 1
        assert recorded is not None
        assert recorded.waits == await store.waits(["a"])

    async def test_a_decision_is_no_event_of_that_name(self, store: Store) -> None:
        await parked_runs(store, "a", name="sign")

        assert (await send_message(store, decision("m"))).refusal == "not_open"
        assert (await send_message(store, message("n", "a", "sign"))).changed

        assert await claimed(store) == ["a"]

    async def test_a_decision_wakes_its_run(self, store: Store) -> None:
        await owned_runs(store, "a")
        await note(store, approval("a"))
        await park(store, "a", NEVER)
        await send_message(store, message("m", "a", "sign"))
        assert await claimed(store) == []

        await send_message(store, decision("n"))

        assert await claimed(store) == ["a"]

    async def test_a_decision_that_was_read_is_taken(self, store: Store) -> None:
        await owned_runs(store, "a")
        await note(store, approval("a"))
        await send_message(store, decision("m"))
        await store.commit(
            batch_with(
                "r1", [], [attempt("a", "sign")], [], {"a": 1}, closed=[closed(approval("a"), "m")]
            )
        )

        assert (await send_message(store, decision("n"))).refusal == "decided"

    async def test_a_decision_whose_time_is_over_is_taken(self, store: Store) -> None:
        await owned_runs(store, "a")
        await note(store, approval("a"))
        await note(store, timeouts=[timeout(approval("a"))])

        assert (await send_message(store, decision("m"))).refusal == "decided"
        assert await store.open_approvals(9) == []

    @pytest.mark.parametrize(
        ("status", "refusal"),
        [
            (TaskStatus.SKIPPED, "decided"),
            (TaskStatus.RUNNING, "not_open"),
        ],
    )
    async def test_without_a_wait_the_latest_attempt_says_whether_it_was_taken(
        self, store: Store, status: TaskStatus, refusal: str
    ) -> None:
        await owned_runs(store, "a")
        await record(store, [attempt("a", "sign", 1), attempt("a", "sign", 2, status=status)])

        assert (await send_message(store, decision("m"))).refusal == refusal

    async def test_a_decision_of_a_task_that_begins_anew_is_not_open_yet(
        self, store: Store
    ) -> None:
        await owned_runs(store, "a")
        await record(store, [attempt("a", "sign")], [run_end("a", status="Failed")])
        await store.retry([Reopening("a", 1, {"sign": 2})], act())

        assert (await send_message(store, decision("m"))).refusal == "not_open"

    async def test_an_ended_run_has_no_decisions(self, store: Store) -> None:
        await owned_runs(store, "a")
        await note(store, approval("a"))
        await record(store, ends=[run_end("a")])

        assert (await send_message(store, decision("m"))).refusal == "ended"

    async def test_open_approvals_are_listed_oldest_first(self, store: Store) -> None:
        await store.register(runner("r1"))
        tagged = new_run("d", tags='{"who":"ann"}')
        await submit(store, *map(new_run, "abc"), tagged, new_run("e", workflow="w"))
        detail = '{"prompt":"Pay?"}'
        await note(
            store,
            approval("a", opened_at=NOW + 2),
            approval("b", opened_at=NOW + 1),
            approval("c"),
            approval("c", "also"),
            approval("d", opened_at=NOW + 3)._replace(due_at=LATER, detail=detail),
            approval("e"),
            approval("e", "refund")._replace(task_id="charge", number=1),  # of a body
            wait("a", due_at=LATER),
        )
        await store.cancel(["b"], act(), LATER, children=False)
        await send_message(store, decision("m", "c", "also"))

        found = await store.open_approvals(9)

        ids = [(row.run_id, row.task_id, row.name) for row in found]
        assert ids == [
            ("c", "sign", "sign"),
            ("e", "charge", "refund"),
            ("e", "sign", "sign"),
            ("a", "sign", "sign"),
            ("d", "sign", "sign"),
        ]
        assert found[-1] == OpenApprovalRow(
            run_id="d",
            workflow=WORKFLOW,
            task_id="sign",
            name="sign",
            opened_at=NOW + 3,
            due_at=LATER,
            detail=detail,
            run_status="Running",
            tags='{"who":"ann"}',
        )
        assert [row.run_id for row in await store.open_approvals(9, WORKFLOW)] == ["c", "a", "d"]
        assert [row.run_id for row in await store.open_approvals(2)] == ["c", "e"]
