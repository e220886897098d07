"""Contract of payloads: inputs and final contexts come back as they were, however long they are.

A store may keep long ones elsewhere than short ones.
"""

from __future__ import annotations

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.schedules.records import Cancellation
from cloaca_core.features.steering.records import Reopening
from cloaca_core.values.states import RunStatus
from cloaca_testing.conformance.commits import (
    back_fill,
    batch_with,
    claimed,
    fire,
    fire_events,
    record,
    stored,
    submit,
)
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    any_run,
    firing,
    new_event,
    new_fork,
    new_run,
    new_tick,
    overdue,
    run_end,
    runner,
    schedule,
    trigger_row,
)

SHORT = '{"of":"short"}'
LONG = '{"of":"' + "long ü 🙂 " * 2_000 + '"}'
LONGER = '{"of":"' + "longer" * 20_000 + '"}'


class PayloadConformance:
    """Part of ``StoreConformance``."""

    # -- input -------------------------------------------------------------------------------

    async def test_inputs_of_one_batch_come_back_as_they_were(self, store: Store) -> None:
        await store.register(runner("r1"))
        inputs = {"a": SHORT, "b": LONG, "c": LONGER, "d": SHORT}
        runs = [new_run(name)._replace(input=text) for name, text in inputs.items()]
        free = [
            new_run(name + "-free", owner=None)._replace(input=text)
            for name, text in inputs.items()
        ]

        for _ in range(2):  # sent again, as after a lost connection
            await submit(store, *runs, *free)

        for name, text in inputs.items():
            assert (await stored(store, name)).input == text
            assert (await stored(store, name + "-free")).input == text
        found = await store.claim("r1", [WORKFLOW], 9, LATER, 0)
        assert [run.input for run in found] == list(inputs.values())
        assert {run.input for run in await store.list_runs(any_run())} == {""}

    async def test_a_run_that_is_inserted_by_itself_has_its_input(self, store: Store) -> None:
        for name in ("a", "again"):
            run = new_run(name, key="k")._replace(input=LONG)
            assert await store.insert_when_free(run) == "a"

        assert (await stored(store, "a")).input == LONG
        assert await store.get_run("again") is None

    async def test_a_key_that_is_taken_leaves_the_input_of_its_run_alone(
        self, store: Store
    ) -> None:
        await submit(store, new_run("a", key="k")._replace(input=LONG))

        await submit(store, new_run("b", key="k")._replace(input=LONGER))

        assert (await stored(store, "a")).input == LONG

    async def test_runs_of_ticks_and_of_events_have_their_inputs(self, store: Store) -> None:
        await store.put_schedule(schedule())
        ticks = [new_tick("s", "a"), new_tick("s", "b", tick=LATER)]
        await fire(store, ticks[0]._replace(input=LONG), ticks[1])
        await back_fill(store, new_tick("s", "c", tick=NOW - 1)._replace(input=LONGER))
        await store.add_trigger(trigger_row())
        of_events = [new_event("d", context_hash="d"), new_event("e", context_hash="e")]
        again = new_event("f", context_hash="d")._replace(input=SHORT)
        await fire_events(store, of_events[0]._replace(input=LONG), of_events[1], again)

        inputs = {name: (await stored(store, name)).input for name in "abcde"}

        assert inputs == {
            "a": LONG,
            "b": ticks[1].input,
            "c": LONGER,
            "d": LONG,
            "e": of_events[1].input,
        }
        assert await store.get_run("f") is None

    @pytest.mark.parametrize("text", [SHORT, LONG])
    async def test_a_fork_has_the_input_of_its_source(self, store: Store, text: str) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a")._replace(input=text))
        await record(store, ends=[run_end("a", final_context=LONGER)])

        assert await store.fork(new_fork("b", from_task="load"), act()) == "b"
        assert await store.fork(new_fork("c", "b", from_task="load"), act("y")) == "c"

        assert (await stored(store, "b")).input == text
        found = await store.claim("r1", [WORKFLOW], 9, LATER, 0)
        assert [(run.id, run.input, run.final_context) for run in found] == [
            ("b", text, None),
            ("c", text, None),
        ]

    # -- final context -----------------------------------------------------------------------

    async def test_final_contexts_come_back_as_they_were(self, store: Store) -> None:
        await store.register(runner("r1"))
        contexts = {"a": SHORT, "b": LONG, "c": LONGER, "d": SHORT}
        await submit(store, *[new_run(name)._replace(input=LONG) for name in contexts])
        ends = [run_end(name, final_context=text) for name, text in contexts.items()]
        assert (await stored(store, "b")).final_context is None

        for _ in range(2):
            await record(store, ends=ends)
            await record(store, ends=[run_end("b", final_context=LONGER)])  # it has ended

        for name, text in contexts.items():
            run = await stored(store, name)
            assert (run.input, run.final_context) == (LONG, text)
        ended = await store.ended([*contexts, "none"])
        assert {run.id: (run.input, run.final_context) for run in ended} == {
            name: (LONG, text) for name, text in contexts.items()
        }
        assert {run.final_context for run in await store.list_runs(any_run())} == {""}

    @pytest.mark.parametrize("text", [SHORT, LONG])
    async def test_a_run_that_has_not_changed_its_input_ends_with_it(
        self, store: Store, text: str
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a")._replace(input=text))
        end = run_end("a", status=RunStatus.FAILED, final_context=None)

        for _ in range(2):
            await record(store, ends=[end])

        run = await stored(store, "a")
        assert (run.status, run.input, run.final_context) == (RunStatus.FAILED, text, text)
        assert await store.ended(["a"]) == [run]
        await store.retry([Reopening("a", 1, {})], act())
        assert [each.final_context for each in await store.rounds("a")] == [text]
        assert (await stored(store, "a")).final_context is None

    async def test_an_end_that_is_refused_leaves_no_context(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))

        await record(store, ends=[run_end("a", epoch=7, final_context=LONG)])
        assert (await stored(store, "a")).final_context is None
        await record(store, ends=[run_end("a", final_context=LONGER)])

        assert (await stored(store, "a")).final_context == LONGER

    @pytest.mark.parametrize("text", [SHORT, LONG])
    @pytest.mark.parametrize("last", [SHORT, LONGER])
    async def test_a_run_that_is_being_cancelled_ends_with_its_input(
        self, store: Store, text: str, last: str
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a")._replace(input=text))
        await store.cancel(["a"], act(), LATER, children=True)

        await record(store, ends=[run_end("a", final_context=last)])

        run = await stored(store, "a")
        assert (run.status, run.input, run.final_context) == (RunStatus.CANCELLED, text, text)
        (run,) = await store.ended(["a"])
        assert (run.input, run.final_context) == (text, text)

    @pytest.mark.parametrize("text", [SHORT, LONG])
    async def test_runs_that_others_cancel_end_with_their_input(
        self, store: Store, text: str
    ) -> None:
        """By an act, in favour of a tick, because they have not begun in time, with their owner."""
        await store.register(runner("r1"))
        await store.put_schedule(schedule())
        await submit(
            store,
            new_run("free", owner=None)._replace(input=text),
            overdue("late")._replace(input=text),
            new_run("owned")._replace(input=text),
        )
        await fire(store, new_tick("s", "first")._replace(input=text))
        await store.cancel(["free", "owned"], act(), LATER, children=True)
        await store.expire(["late"], act("y"))
        second = new_tick("s", "second", tick=LATER)._replace(generation=1)
        made_way = Cancellation("first", "s", second.tick, "second", "made way", LATER, LATER)
        await store.commit(
            batch_with("r1", [], [], [], {}, [firing("s", generation=1)], [second], [made_way])
        )
        await store.release("r1", [])

        for name in ("free", "late", "owned", "first"):
            run = await stored(store, name)
            assert (run.status, run.final_context) == (RunStatus.CANCELLED, text)

    # -- rounds ------------------------------------------------------------------------------

    @pytest.mark.parametrize("text", [SHORT, LONG])
    async def test_each_round_keeps_its_final_context(self, store: Store, text: str) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a")._replace(input=text))
        contexts = [LONG, SHORT, LONGER, LONG]
        for number, context in enumerate(contexts, 1):
            epoch = (await stored(store, "a")).epoch
            end = run_end("a", epoch=epoch, status=RunStatus.FAILED, final_context=context)
            await record(store, ends=[end])
            run = await stored(store, "a")
            assert (run.input, run.final_context) == (text, context)
            await store.retry([Reopening("a", number, {})], act(f"x{number}"))
            run = await stored(store, "a")
            assert (run.round, run.input, run.final_context) == (number + 1, text, None)
            if number < len(contexts):
                assert await claimed(store) == ["a"]
        await store.cancel(["a"], act("stop"), LATER, children=True)
        await store.retry([Reopening("a", len(contexts) + 1, {})], act("on"))

        rounds = await store.rounds("a")

        assert [each.final_context for each in rounds] == [*contexts, text]
        (run,) = await store.claim("r1", [WORKFLOW], 9, LATER, 0)
        assert (run.input, run.final_context) == (text, None)
