"""Runs by state, workflow, queue and tag."""

from __future__ import annotations

import pytest
from model.families import run
from model.observed import Observed

from cloaca_testing.conformance.commits import record, submit
from cloaca_testing.conformance.rows import new_run, run_end, runner
from cloaca_tools.views.lists import facets
from cloaca_tools.views.lists.facets import Counted, Facets
from cloaca_tools.views.lists.filters import parse


def test_the_most_frequent_value_comes_first() -> None:
    rows = [
        run("c", "Failed", tags='{"shop":"no"}', queue="gpu"),
        run("b", tags='{"shop":"no","env":"prod"}', workflow="p::q::other"),
        run("a"),
    ]

    assert facets.facets(Counted(rows, is_all=True)) == Facets(
        number=3,
        is_all=True,
        statuses=(("Completed", 2), ("Failed", 1)),
        workflows=(("flow", 2), ("other", 1)),
        queues=(("default", 2), ("gpu", 1)),
        tags=((("shop", "no"), 2), (("env", "prod"), 1)),
    )


async def test_only_so_many_of_the_newest_runs_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facets, "MOST", 2)
    observed = Observed()
    await observed.store.register(runner("r1"))
    await submit(observed.store, *[new_run(name) for name in "abc"])
    await record(observed.store, ends=[run_end("a", status="Failed")])

    everything = await facets.read(observed.engine, parse(""))
    failed = await facets.read(observed.engine, parse("status:failed"))

    assert ([row.id for row in everything.rows], everything.is_all) == (["c", "b"], False)
    assert ([row.id for row in failed.rows], failed.is_all) == (["a"], True)
    assert await facets.read(observed.engine, parse("by:nobody")) == Counted((), is_all=True)
