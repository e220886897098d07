"""Contract of ``gauges``."""

from __future__ import annotations

from cloaca_core.assembly.store import Store
from cloaca_testing.conformance.commits import record, submit
from cloaca_testing.conformance.rows import LATER, NOW, WORKFLOW, act, new_run, run_end, runner


class GaugeConformance:
    """Part of ``StoreConformance``."""

    async def test_runs_that_have_not_ended_are_counted_by_their_state(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("owned"), new_run("over"))
        await record(store, ends=[run_end("over")])
        await submit(store, new_run("first", owner=None, created_at=NOW + 1))
        await submit(store, new_run("second", owner=None, created_at=NOW + 2))
        await submit(store, new_run("due", owner=None, due_at=LATER))
        await submit(store, new_run("held", owner=None, created_at=NOW))
        await store.pause(["held"], act(), None, children=False)

        found = await store.gauges()

        assert found.runs == {"Running": 1, "Pending": 3, "Paused": 1}
        assert found.claimable_since == NOW + 1
        assert found.database_bytes is None or found.database_bytes > 0

    async def test_runs_of_a_paused_workflow_do_not_wait_to_be_claimed(self, store: Store) -> None:
        await submit(store, new_run("first", owner=None))
        await store.pause_workflow(WORKFLOW, act(), None)

        found = await store.gauges()

        assert found.runs == {"Pending": 1}
        assert found.claimable_since is None

    async def test_an_empty_database_has_nothing_under_way(self, store: Store) -> None:
        found = await store.gauges()

        assert (found.runs, found.claimable_since) == ({}, None)
