"""What is known of one run comes from the tables of the kernel and of features."""

from __future__ import annotations

import pytest
from model.observed import Observed
from model.orchestration import PAIR

from cloaca_core.features.follow_ups.records import NewFollowUp
from cloaca_core.features.maps.records import MAPS, MapRow
from cloaca_core.features.steering.records import NewFork, Reopening
from cloaca_core.features.task_logs.records import PROGRESS, ProgressRow
from cloaca_core.store.batch import Batch
from cloaca_core.views.run_past import Awaited, awaited_by, facts_of, history_of
from cloaca_testing.conformance.commits import batch_with, note, record, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    attempt,
    message,
    new_run,
    run_end,
    runner,
    wait,
)


@pytest.fixture
async def desk() -> Observed:
    """A store that has one run, ``r``, which an orchestrator may have taken up."""
    desk = Observed()
    await desk.store.register(runner("r1"))
    await submit(desk.store, new_run("r"))
    return desk


async def test_the_past_of_a_run_has_its_earlier_rounds_and_what_was_asked_of_it(
    desk: Observed,
) -> None:
    store = desk.store
    assert (await history_of(desk.engine, "r"))[2:] == ([], [], [], [], [], [], [])
    await store.send(message("m", "r"), 9)

    await record(store, [attempt("r", "a")], [run_end("r", status="Failed")])
    await store.retry([Reopening("r", 1, {"a": 2})], act("x"))
    await store.cancel(["r"], act("y", now=LATER + 1), LATER, children=True)
    history = await history_of(desk.engine, "r")

    assert (history.row.round, [each.attempt for each in history.attempts]) == (2, [1])
    assert [(each.task_id, each.first_attempt, each.round) for each in history.restarts] == [
        ("a", 2, 2)
    ]
    assert [(each.round, each.status) for each in history.rounds] == [(1, "Failed")]
    assert [each.id for each in history.acts] == ["y", "x"]  # newest first
    assert [each.id for each in history.messages] == ["m"]


async def test_the_progress_of_maps_counts_their_items_and_that_of_bodies_does_not(
    desk: Observed,
) -> None:
    opened = MapRow("r", "each", 1, 1, "v", 2, "", 1, None, None)
    told = [ProgressRow("r", task, 1, 2, 2, None, NOW) for task in ("body", "each")]
    rows = {**MAPS.rows((opened,)), **PROGRESS.rows(told)}
    await desk.store.commit(Batch("r1", [], [], [], {"r": 1}, rows=rows))

    assert (await history_of(desk.engine, "r")).of_maps == told[1:]


async def test_bodies_that_run_here_are_counted(desk: Observed) -> None:
    desk.scene.adopt(PAIR)
    assert (await facts_of(desk.engine, "r")).active_bodies == 0

    desk.scene.begin()

    assert (await facts_of(desk.engine, "r")).active_bodies == 1


async def test_no_body_runs_of_a_run_without_an_owner_and_of_others_it_is_not_known(
    desk: Observed,
) -> None:
    await submit(desk.store, new_run("free", owner=None))
    assert (await facts_of(desk.engine, "free")).active_bodies == 0
    assert (await facts_of(desk.engine, "r")).active_bodies is None

    await record(desk.store, ends=[run_end("r")])

    facts = await facts_of(desk.engine, "r")
    assert (facts.row.status, facts.active_bodies) == ("Completed", 0)
    assert facts.forked_from is None


async def test_runs_that_follow_one_another_are_told_with_both(desk: Observed) -> None:
    rows = [NewFollowUp("f", "r", 0, "Completed", "public::embedded::alert", "{}")]
    batch = batch_with("r1", [], [], [run_end("r")], {"r": 1}, follow_ups=rows)
    await desk.store.commit(batch)

    first, then = await history_of(desk.engine, "r"), await history_of(desk.engine, "f")

    assert [each.id for each in first.follow_ups] == ["f"]
    assert [each.id for each in then.follow_ups] == ["f"]
    assert (await facts_of(desk.engine, "r")).follows is None
    assert (await facts_of(desk.engine, "f")).follows == "r"


async def test_a_fork_is_told_with_the_run_that_it_was_made_of_at_last(desk: Observed) -> None:
    """A fork of a fork has rows of both."""
    for source, made in (("r", "f"), ("f", "g")):
        kept = ["a"] if source == "f" else []
        new = NewFork(
            made, source, WORKFLOW, "v", "{}", None, "a" if source == "r" else "b", "{}", kept, NOW
        )
        await desk.store.fork(new, act(made))

    assert (await facts_of(desk.engine, "g")).forked_from == "f"


async def test_what_tasks_wait_for_is_read_only_where_one_waits(desk: Observed) -> None:
    await submit(desk.store, new_run("c", parent="r", key="r::a::1"))
    await note(desk.store, wait("r"))
    row = await desk.reader.get_run("r")
    waiting = attempt("r", "a", status="Waiting")

    assert await awaited_by(desk.store, row, [attempt("r", "a")]) == Awaited()
    awaited = await awaited_by(desk.store, row, [waiting])
    assert ([each.id for each in awaited.children], awaited.waits) == (["c"], [wait("r")])
    assert await awaited_by(desk.store, row._replace(ended_at=LATER), [waiting]) == Awaited()


async def test_a_run_tells_its_open_waits_until_it_has_ended(desk: Observed) -> None:
    await note(desk.store, wait("r"))
    assert (await facts_of(desk.engine, "r")).waits == [wait("r")]

    await record(desk.store, ends=[run_end("r")])
    assert (await facts_of(desk.engine, "r")).waits == []
