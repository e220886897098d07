"""What a retry does about children of the round that has ended."""

from __future__ import annotations

from typing import Any

import pytest
from model.virtual_engine import FLOW, Program, World, world

from cloaca_core.conformance.rows import new_run, submit
from cloaca_core.definition.context import Context
from cloaca_core.records.order import Order
from cloaca_core.records.steering import Acted

pytestmark = pytest.mark.virtual_time

CANCEL = Order("cancel", "ann", None)
RETRY = Order("retry", "ann", None)
ELSEWHERE = "public::embedded::elsewhere"


async def cancelled_parent(w: World) -> tuple[Program, str]:
    """A run that was cancelled this moment, before it began, and has a child and a grandchild of a
    workflow that no program has.
    """
    w.define(_nothing)
    program = await w.start()
    await program.engine.steering.pause_workflow(FLOW, Order("pause", "ann", None), None)
    run_id = await program.submit()
    await submit(
        w.store,
        new_run("child", owner=None, parent=run_id, workflow=ELSEWHERE),
        new_run("grandchild", owner=None, parent="child", workflow=ELSEWHERE),
    )
    await program.engine.steering.cancel([run_id], CANCEL, 0, children=True)
    assert w.run("child").status == "Pending"
    return program, run_id


def _nothing(_: Context) -> None:
    pass


async def test_children_of_the_ended_round_are_cancelled_before_the_next_one_begins() -> None:
    async with world() as w:
        program, run_id = await cancelled_parent(w)

        await program.engine.steering.retries.retry(run_id, None, RETRY, children=False)
        assert (w.run(run_id).round, w.run("child").status) == (2, "Cancelled")
        await program.engine.steering.resume_workflow(FLOW, Order("resume", "ann", None))
        await program.wait(run_id)

        assert w.run("grandchild").status == "Cancelled"
        assert w.run(run_id).status == "Completed"


async def test_a_child_that_comes_at_the_last_moment_is_cancelled_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world() as w:
        program, run_id = await cancelled_parent(w)
        store, retry = program.store, program.store.retry
        late = [new_run(name, owner=None, parent=run_id, workflow=ELSEWHERE) for name in "xy"]

        async def retried(*arguments: Any, **options: Any) -> Acted | None:
            if late:  # a body of the ended round was given up and goes on
                store.marks[run_id].children_at = w.run(run_id).ended_at
                await w.store.insert_when_free(late.pop())
            return await retry(*arguments, **options)

        monkeypatch.setattr(store, "retry", retried)
        await program.engine.steering.retries.retry(run_id, None, RETRY, children=False)

        assert [w.run(name).status for name in "xy"] == ["Cancelled"] * 2
        assert [(row.kind, row.changed) for row in await store.acts(run_id, 9)] == [
            ("retry", 1),
            ("retry", 0),
            ("retry", 0),
            ("cancel", 1),
        ]


async def test_a_retry_that_another_caller_has_made_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world() as w:
        program, run_id = await cancelled_parent(w)
        retries = program.engine.steering.retries
        store, retry = program.store, program.store.retry

        async def beaten(*arguments: Any, **options: Any) -> Acted | None:
            monkeypatch.undo()
            await retries.retry(run_id, None, RETRY, children=False)
            return await retry(*arguments, **options)

        monkeypatch.setattr(store, "retry", beaten)

        assert await retries.retry(run_id, None, RETRY, children=False) == run_id
        assert w.run(run_id).round == 2
