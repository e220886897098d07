"""Waits in virtual time: when runs go on, what wins against time, who holds a run meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from model.quiet import quiet
from model.virtual_engine import Program, World, world
from model.virtual_time import the_loop

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.nodes.approval import approval
from cloaca_core.definition.nodes.sleep import sleep
from cloaca_core.definition.nodes.wait_for import wait_for
from cloaca_core.definition.retries.retry_after import RetryAfter
from cloaca_core.definition.task import task
from cloaca_core.engine.orchestrate.launcher import LAUNCHES_PER_PASS
from cloaca_core.engine.order import Order
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.store.messages import NewMessage, Sent
from cloaca_core.values.waits import EVENT, NEVER

pytestmark = pytest.mark.virtual_time

MINUTE = 60
HOUR = 3600
DAY = 24 * HOUR
CANCEL = Order("cancel", "ann", None)
PAUSE = Order("pause", "ann", None)
RESUME = Order("resume", "ann", None)


def now() -> float:
    return the_loop().time()


def node(w: World, make: Callable[[], Any], **limits: Any) -> None:
    """A workflow of one node, with a time limit or without."""
    with WorkflowBuilder("flow", registry=w.registry) as builder:
        if limits:
            builder.time_limit(**limits)
        make()


def body(w: World, function: Callable[[AsyncTaskHandle], Any], **options: Any) -> list[float]:
    """A workflow of one async body, and the instants at which it begins."""
    begun: list[float] = []

    async def flow(_: Context, handle: AsyncTaskHandle) -> dict[str, Any]:
        begun.append(now())
        return {"found": await function(handle)}

    w.define(flow, **options)
    return begun


async def send(by: Program, run_id: str, payload: str = "1", event: str = "go") -> Sent:
    """Send a message from another program; it must be taken."""
    made = NewMessage(by.engine.ids.next(), run_id, EVENT, event, payload, None, None, 0)
    message = made._replace(sent_at=by.store.wall())
    sent = await by.store.send(message, 100)
    assert sent is not None
    await by.engine.steering.loop.act_if_ours([run_id])
    by.engine._parts.base.subjects.claimable.publish()
    await quiet()
    return sent


def is_held(program: Program, run_id: str) -> bool:
    """Whether the program has the run in memory."""
    return run_id in program.engine._parts.base.runs


# -- nodes ---------------------------------------------------------------------------------------


async def test_a_run_sleeps_for_days_out_of_memory_and_goes_on_at_its_instant() -> None:
    async with world() as w:
        node(w, lambda: sleep("nap", seconds=timedelta(days=3)))
        program = await w.start()
        begun = now()
        run_id = await program.submit()
        await quiet()
        assert not is_held(program, run_id)
        assert w.run(run_id).status == "Waiting"

        ended = await program.wait(run_id)

        assert ended.row.status == "Completed"
        assert now() - begun == pytest.approx(3 * DAY, abs=1)
        (row,) = w.attempts(run_id)
        assert row.started_at is not None
        assert row.ended_at is not None
        assert (row.ended_at - row.started_at) / 1e6 == pytest.approx(3 * DAY, abs=1)
        assert w.store.open_waits == {}


async def test_a_short_sleep_keeps_its_run_in_memory() -> None:
    async with world() as w:
        node(w, lambda: sleep("nap", seconds=5))
        program = await w.start()
        begun = now()
        run_id = await program.submit()
        await quiet()

        assert is_held(program, run_id)
        await program.wait(run_id)
        assert now() - begun == pytest.approx(5, abs=0.1)
        assert w.run(run_id).epoch == 1


async def test_a_run_that_sleeps_goes_on_in_another_program() -> None:
    async with world() as w:
        node(w, lambda: sleep("nap", seconds=HOUR))
        first = await w.start()
        run_id = await first.submit()
        await quiet()
        await first.stop()
        begun = now()

        ended = await (await w.start()).wait(run_id)

        assert ended.row.status == "Completed"
        assert now() - begun == pytest.approx(HOUR, abs=1)


async def test_a_run_that_waits_for_an_event_stays_for_a_while_without_a_place() -> None:
    async with world() as w:
        node(w, lambda: wait_for("go"))
        program = await w.start(max_active_runs=1)
        first, second = await program.submit(), await program.submit()
        await quiet()
        assert is_held(program, first)  # and takes no place from the second
        assert len(w.store.open_waits) == 2

        await asyncio.sleep(11)

        assert not is_held(program, first)
        assert not is_held(program, second)
        assert [w.run(each).due_at for each in (first, second)] == [NEVER, NEVER]
        for each in (first, second):
            await send(program, each)
            assert (await program.wait(each)).row.final_context == '{"go":1}'


async def test_an_approval_is_given_back_at_once() -> None:
    async with world() as w:
        node(w, lambda: approval("signed", "Shall we?"))
        program = await w.start()
        run_id = await program.submit()
        await quiet()
        assert not is_held(program, run_id)


async def test_a_message_wakes_a_run_in_whichever_program_is_free() -> None:
    async with world() as w:
        node(w, lambda: wait_for("go", timeout=2 * DAY))
        first = await w.start()
        run_id = await first.submit()
        await asyncio.sleep(DAY)
        second = await w.start()
        await first.stop()
        begun = now()

        await send(second, run_id, '{"a":[1]}')

        assert (await second.wait(run_id)).row.final_context == '{"go":{"a":[1]}}'
        assert now() - begun < 1


async def test_a_message_that_was_sent_before_its_wait_is_over_wins() -> None:
    """Its owner is about to write the time-out, and does not know of the message."""
    async with world() as w:
        node(w, lambda: wait_for("go", timeout=8, default="late"))
        program, other = await w.start(), await w.start()
        run_id = await program.submit()
        await asyncio.sleep(7)
        program.store.silent = True
        program.store.answers.clear()
        await asyncio.sleep(2)  # its time-out is on the way
        await send(other, run_id, '"in time"')
        program.store.answers.set()
        await quiet()

        assert (await program.wait(run_id)).row.final_context == '{"go":"in time"}'


async def test_a_message_that_comes_after_the_time_is_over_stays_unread() -> None:
    async with world() as w:
        node(w, lambda: wait_for("go", timeout=8, default="late"))
        program, other = await w.start(), await w.start()
        run_id = await program.submit()
        await asyncio.sleep(7.9)
        program.store.silent = True
        await asyncio.sleep(0.2)
        assert (await program.wait(run_id)).row.final_context == '{"go":"late"}'

        sent = await send(other, run_id)

        assert sent.refusal == "ended"


async def test_a_time_that_is_over_while_its_run_is_paused_is_decided_at_the_resume() -> None:
    async with world() as w:
        node(w, lambda: wait_for("go", timeout=HOUR, default="late"))
        program = await w.start()
        run_id = await program.submit()
        await quiet()
        await program.engine.steering.pause([run_id], PAUSE, None, children=True)
        await asyncio.sleep(2 * HOUR)
        assert w.run(run_id).status == "Paused"
        begun = now()

        await program.engine.steering.resume([run_id], RESUME)

        assert (await program.wait(run_id)).row.final_context == '{"go":"late"}'
        assert now() - begun < 1


async def test_a_run_that_waits_out_of_memory_costs_an_idle_program_nothing() -> None:
    async with world() as w:
        node(w, lambda: sleep("nap", seconds=30 * DAY))
        program = await w.start()
        for _ in range(20):
            await program.submit()
        await asyncio.sleep(2 * HOUR)
        before = len(program.store.asked)
        program.store.beats.clear()

        await asyncio.sleep(10 * DAY)

        assert len(program.store.asked) == before
        assert len(program.store.beats) <= 10 * DAY / 60


# -- bodies --------------------------------------------------------------------------------------


async def test_a_body_leaves_after_a_while_and_comes_again_to_where_it_waited() -> None:
    async with world() as w:
        paid: list[int] = []

        async def pay() -> int:
            paid.append(1)
            return 7

        async def waits(handle: AsyncTaskHandle) -> Any:
            price = await handle.step("pay", pay)
            return [price, await handle.wait_for("go")]

        begun = body(w, waits)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(9)
        assert is_held(program, run_id)
        await asyncio.sleep(2)
        assert not is_held(program, run_id)
        (row,) = w.attempts(run_id)
        assert (row.status, row.reason_code) == ("Waiting", "has_left")

        await asyncio.sleep(DAY)
        await send(program, run_id)
        ended = await program.wait(run_id)

        assert ended.row.final_context == '{"found":[7,1]}'
        assert paid == [1]
        assert len(begun) == 2
        (row,) = w.attempts(run_id)
        assert row.attempt == 1
        assert row.started_at is not None
        assert row.ended_at is not None
        assert (row.ended_at - row.started_at) / 1e6 > DAY  # since it began at first


async def test_a_body_sleeps_until_its_instant_however_often_it_is_begun_again() -> None:
    """Its first owner is cut off in the middle: the next one does not begin to count again."""
    async with world() as w:
        begun = body(w, lambda handle: handle.sleep(8))
        first = await w.start(lease_seconds=2)
        start = now()
        run_id = await first.submit()
        await quiet()
        first.store.failure = StoreUnavailableError("cut off")
        second = await w.start(lease_seconds=2)

        assert (await second.wait(run_id)).row.status == "Completed"
        assert now() - start == pytest.approx(8, abs=0.5)
        assert len(begun) == 2
        assert w.attempts(run_id)[0].crashes == 0


async def test_when_a_run_comes_due_only_what_is_due_first_goes_on() -> None:
    """Its retries, the sleep of a body and a node have an instant each; it leaves in between."""
    async with world() as w:
        seen: list[tuple[str, int]] = []
        start = now()

        def note(name: str) -> None:
            seen.append((name, round(now() - start)))

        async def fails_once(handle: AsyncTaskHandle, seconds: int) -> None:
            if handle.attempt == 1:
                raise RetryAfter(seconds)
            note(f"retry {seconds}")

        async def soon(_: Context, handle: AsyncTaskHandle) -> None:
            await fails_once(handle, 20)

        async def late(_: Context, handle: AsyncTaskHandle) -> None:
            await fails_once(handle, 80)

        async def sleeps(_: Context, handle: AsyncTaskHandle) -> None:
            await handle.sleep(40)
            note("body")

        with WorkflowBuilder("flow", registry=w.registry):
            task(soon)
            task(late)
            task(sleeps)
            sleep("nap", seconds=60)
            task(id="after", dependencies=["nap"])(lambda _: note("node"))
        program = await w.start(evict_after_seconds=0)

        assert (await program.wait(await program.submit())).row.status == "Completed"

    assert seen == [("retry 20", 20), ("body", 40), ("node", 60), ("retry 80", 80)]


async def test_a_body_that_another_task_waits_for_does_not_leave() -> None:
    async with world() as w:

        async def both(handle: AsyncTaskHandle) -> Any:
            return await asyncio.gather(handle.wait_for("a"), handle.sleep(20))

        begun = body(w, both)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(HOUR)
        assert is_held(program, run_id)

        await send(program, run_id, event="a")

        assert (await program.wait(run_id)).row.final_context == '{"found":[1,null]}'
        assert len(begun) == 1


async def test_the_wait_of_a_body_takes_no_place_and_no_slot() -> None:
    async with world() as w:
        body(w, lambda handle: handle.wait_for("go"))
        program = await w.start(max_active_runs=1, max_concurrent_async_tasks=1)
        first, second = await program.submit(), await program.submit()
        await quiet()
        assert [w.attempts(each)[0].status for each in (first, second)] == ["Waiting"] * 2

        for each in (first, second):
            await send(program, each)
            assert (await program.wait(each)).row.status == "Completed"


async def test_the_time_of_a_body_stands_still_while_it_waits() -> None:
    async with world() as w:

        async def slow(handle: AsyncTaskHandle) -> None:
            await asyncio.sleep(3)
            await handle.sleep(9)
            await asyncio.sleep(3)

        body(w, slow, timeout_seconds=7)
        assert (await (await w.start()).execute()).row.status == "Completed"


async def test_a_paused_run_whose_body_waits_is_given_back_and_keeps_its_message() -> None:
    async with world() as w:
        begun = body(w, lambda handle: handle.wait_for("go"))
        program = await w.start()
        run_id = await program.submit()
        await quiet()
        await program.engine.steering.pause([run_id], PAUSE, None, children=True)
        await asyncio.sleep(11)
        assert not is_held(program, run_id)
        await send(program, run_id)
        await asyncio.sleep(HOUR)
        assert w.run(run_id).status == "Paused"
        assert len(begun) == 1

        await program.engine.steering.resume([run_id], RESUME)

        assert (await program.wait(run_id)).row.final_context == '{"found":1}'


async def test_a_body_that_is_here_goes_on_though_its_run_is_paused() -> None:
    async with world() as w:
        body(w, lambda handle: handle.wait_for("go"))
        program = await w.start()
        run_id = await program.submit()
        await quiet()
        await program.engine.steering.pause([run_id], PAUSE, None, children=True)
        await send(program, run_id)

        assert (await program.wait(run_id)).row.status == "Completed"


async def test_a_cancel_reaches_a_body_that_has_left() -> None:
    async with world() as w:
        begun = body(w, lambda handle: handle.wait_for("go"))
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(11)

        await program.engine.steering.cancel([run_id], CANCEL, 30.0, children=True)

        assert (await program.wait(run_id)).row.status == "Cancelled"
        assert len(begun) == 1


async def test_the_next_attempt_finds_the_waits_that_are_over_and_waits_anew_for_others() -> None:
    async with world() as w:

        async def fails_once(handle: AsyncTaskHandle) -> Any:
            first = await handle.wait_for("go")
            await handle.sleep(5)
            if handle.attempt == 1:
                raise ValueError("once")
            return [first, await handle.wait_for("go")]

        begun = body(w, fails_once, retry_attempts=2, retry_delay_ms=1000, retry_jitter=False)
        program = await w.start()
        run_id = await program.submit()
        await send(program, run_id, "1")
        await send(program, run_id, "2")

        assert (await program.wait(run_id)).row.final_context == '{"found":[1,2]}'
        assert begun[1] - begun[0] == pytest.approx(6, abs=0.1)
        assert w.store.open_waits == {}


async def test_a_condition_gives_its_slot_back_between_two_questions() -> None:
    async with world() as w:
        asked: list[float] = []

        async def is_true() -> bool:
            asked.append(now())
            return len(asked) == 3

        body(w, lambda handle: handle.defer_until(is_true, poll_interval_ms=MINUTE * 1000))
        program = await w.start(max_concurrent_async_tasks=1)
        run_id = await program.submit()
        await asyncio.sleep(MINUTE / 2)
        w.define(_nothing, "other")
        assert (await program.execute("other")).row.status == "Completed"

        assert (await program.wait(run_id)).row.status == "Completed"
        assert [round(each - asked[0]) for each in asked] == [0, MINUTE, 2 * MINUTE]


async def _nothing(_: Context) -> None:
    pass


async def test_an_attempt_that_waits_is_not_begun_twice() -> None:
    """Two waits of one body end at once, as it has left."""
    async with world() as w:

        async def waits(handle: AsyncTaskHandle) -> Any:
            first = await handle.wait_for("go")
            return [first, await handle.wait_for("go")]

        begun = body(w, waits)
        program = await w.start(evict_after_seconds=0)
        run_id = await program.submit()
        await quiet()
        await send(program, run_id, "1")
        await send(program, run_id, "2")

        assert (await program.wait(run_id)).row.final_context == '{"found":[1,2]}'
        assert 2 <= len(begun) <= 3


# -- what may come between -----------------------------------------------------------------------


async def test_a_message_that_comes_while_others_are_read_is_not_missed() -> None:
    """The answer of the database is late: it is older than what a commit has told since."""
    async with world() as w:
        with WorkflowBuilder("flow", registry=w.registry):
            wait_for("go", "go", timeout=DAY)
            wait_for("stop", "stop", timeout=DAY)
        program, other = await w.start(), await w.start()
        run_id = await program.submit()
        await quiet()
        answers = the_loop().create_future()
        read = program.store.messages

        async def late(run_ids: Any, after: int = 0) -> Any:
            found = await read(run_ids, after)
            await answers
            return found

        program.store.messages = late  # type: ignore[method-assign]  # the test holds the answer
        await send(other, run_id, "1", "go")
        await program.engine.steering.loop.act_now()  # it begins to read
        await quiet()
        await send(other, run_id, "2", "stop")
        await program.engine.steering.loop.act_now()
        await quiet()
        program.store.messages = read  # type: ignore[method-assign]
        answers.set_result(None)

        assert (await program.wait(run_id)).row.final_context == '{"go":1,"stop":2}'
        assert w.run(run_id).epoch == 1


async def test_a_run_that_backs_off_and_has_messages_is_not_claimed_again_and_again() -> None:
    async with world() as w:

        async def fails(handle: AsyncTaskHandle) -> None:
            raise ValueError("bad")

        body(w, fails, retry_attempts=2, retry_delay_ms=60_000, retry_jitter=False)
        program = await w.start()
        run_id = await program.submit()
        await send(program, run_id)
        await asyncio.sleep(30)
        assert w.run(run_id).status == "Waiting"

        await program.wait(run_id)
        assert w.run(run_id).epoch <= 5  # given back and claimed, once more for the message


async def test_a_run_that_stays_without_a_place_lets_the_next_one_begin() -> None:
    async with world() as w:

        async def first(_: Context) -> None:
            await asyncio.sleep(1)

        with WorkflowBuilder("flow", registry=w.registry):
            task(id="first")(first)
            wait_for("go", dependencies=["first"])
        program = await w.start(max_active_runs=1)
        await program.submit()
        second = await program.submit()
        await asyncio.sleep(1.5)  # the first one waits for its event now
        assert is_held(program, second)


async def test_a_cancel_leaves_no_node_waiting() -> None:
    """It comes while the wait of the node is on its way to the table."""
    async with world() as w:
        node(w, lambda: wait_for("go"))
        program = await w.start()
        program.store.silent = True
        program.store.answers.clear()
        submitting = asyncio.create_task(program.submit())
        await asyncio.sleep(0.1)
        program.store.answers.set()
        run_id = await submitting
        await program.engine.steering.cancel([run_id], CANCEL, 30.0, children=True)

        assert (await program.wait(run_id)).row.status == "Cancelled"
        assert [row.status for row in w.attempts(run_id)] in ([], ["Cancelled"])


async def test_a_body_that_leaves_has_not_failed() -> None:
    async with world() as w:
        told: list[str] = []
        body(
            w,
            lambda handle: handle.wait_for("go"),
            on_failure=lambda task_id, error, _: told.append(error),
        )
        program = await w.start(evict_after_seconds=0)
        run_id = await program.submit()
        await quiet()
        await send(program, run_id)

        assert (await program.wait(run_id)).row.status == "Completed"
        assert told == []


async def test_a_body_waits_with_a_time_limit_of_its_own() -> None:
    """``asyncio.timeout`` cancels the wait: the body goes on, with its slot, and is not sent away
    for a wait that it has given up.
    """
    async with world() as w:
        slots: list[bool] = []

        async def waits(handle: AsyncTaskHandle) -> str:
            try:
                async with asyncio.timeout(3):
                    await handle.wait_for("go")
            except TimeoutError:
                await asyncio.sleep(20)
                slots.append(handle.is_slot_held())
                return "late"
            return "in time"

        begun = body(w, waits)
        program = await w.start()

        assert (await program.execute()).row.final_context == '{"found":"late"}'
        assert (len(begun), slots) == (1, [True])
        assert w.store.open_waits == {}


async def test_the_first_of_two_waits_ends_a_body_which_costs_no_slot() -> None:
    async with world() as w:

        async def first_of_two(handle: AsyncTaskHandle) -> Any:
            waits = [asyncio.create_task(handle.wait_for(name)) for name in ("a", "b")]
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return [each.result() for each in done]

        body(w, first_of_two)
        at_once: list[int] = []

        async def slow(_: Context) -> None:
            at_once.append(1)
            await asyncio.sleep(1)
            at_once.pop()
            most.append(len(at_once))

        most: list[int] = []
        w.define(slow, "slow")
        program = await w.start(max_concurrent_async_tasks=1)
        for _ in range(3):
            run_id = await program.submit()
            await quiet()
            await send(program, run_id, event="a")
            assert (await program.wait(run_id)).row.final_context == '{"found":[1]}'

        for run_id in [await program.submit("slow") for _ in range(3)]:
            await program.wait(run_id)
        assert most == [0, 0, 0]
        assert w.store.open_waits == {}


async def test_a_body_leaves_out_of_a_group_of_tasks() -> None:
    async with world() as w:

        async def waits(handle: AsyncTaskHandle) -> Any:
            async with asyncio.TaskGroup() as group:
                other = group.create_task(asyncio.sleep(DAY))
                found = await handle.wait_for("go")
                other.cancel()
            return found

        begun = body(w, waits)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(MINUTE)
        assert not is_held(program, run_id)
        await send(program, run_id)

        assert (await program.wait(run_id)).row.final_context == '{"found":1}'
        assert len(begun) == 2


async def test_more_nodes_than_begin_at_once_are_over_when_the_next_runner_comes() -> None:
    """The first waits are looked at before the last nodes are."""
    async with world() as w:
        with WorkflowBuilder("flow", registry=w.registry):
            naps = [sleep(f"nap {n}", seconds=5) for n in range(LAUNCHES_PER_PASS + 200)]
            sleep("last", seconds=1, dependencies=naps)
        first = await w.start()
        run_id = await first.submit()
        await asyncio.sleep(1)
        await first.stop()
        await asyncio.sleep(10)

        second = await w.start()
        assert (await second.wait(run_id)).row.status == "Completed"


async def test_a_wait_that_opens_later_may_be_over_before_the_others() -> None:
    """A body keeps the run in memory, so no claim finds that a wait is over."""
    async with world() as w:
        ended: list[float] = []

        async def body(_: Context) -> None:
            await asyncio.sleep(100)

        async def note(_: Context) -> None:
            ended.append(the_loop().time() - begun)

        with WorkflowBuilder("flow", registry=w.registry):
            task(id="body")(body)
            sleep("long", seconds=50)
            nap = sleep("nap", seconds=2)
            short = sleep("short", seconds=10, dependencies=[nap])
            task(id="note", dependencies=[short])(note)
        program = await w.start()
        begun = the_loop().time()
        await program.execute()

        assert ended == [pytest.approx(12, abs=0.5)]
