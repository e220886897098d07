"""Lines of lists: the wait of a run stands in them, and whether its runner is gone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from model.families import LATE, at, run
from model.memory_store import MemoryStore

from cloaca_core.features.explain.facts import RunnerState
from cloaca_core.features.explain.records import RunnerLoad
from cloaca_core.features.limits.records import LimitWait
from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.rows import RunRow
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_core.values.waits import NEVER
from cloaca_core.views.task_results import Wait
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import NOW, new_run, runner
from cloaca_tools.views.lists.listing import (
    MOST_PLACES,
    Listed,
    awaited_limits,
    run_page,
    without_runner,
)
from cloaca_tools.views.lists.search import Page

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks

SOON = at(90) or 0


def listed(row: RunRow, *waits: WaitRow) -> Wait | None:
    (line,) = run_page(Listed(Page([row], None, LATE), frozenset(), waits, {})).runs
    return line.waits_for


def test_a_run_that_waits_says_for_what() -> None:
    row = run(status="Waiting", due_at=NEVER)
    paid = WaitRow("r", "paid", "event", "paid", 0, 1, "", at(3) or 0, None, "{}")
    other = paid._replace(run_id="other", kind="approval")

    assert listed(row, other, paid) == Wait("event", "paid", None, rfc3339(at(3) or 0))
    assert listed(row) is None


def test_one_without_a_wait_waits_for_its_next_attempt() -> None:
    assert listed(run(status="Waiting", due_at=SOON)) == Wait("retry", until=rfc3339(SOON))


def test_one_in_the_line_of_a_limit_waits_for_its_place() -> None:
    row = run(status="Waiting", due_at=SOON)
    page = Listed(Page([row], None, LATE), frozenset(), (), {}, {row.id: "api", "other": "gpu"})

    (line,) = run_page(page).runs

    assert line.waits_for == Wait("limit", "api")


class ManyWaits:
    """The waits of runs for limits, by run, in the order of the store."""

    def __init__(self, **waits: int) -> None:
        self._rows = [
            LimitWait(run_id, f"t{number:04}", -1, (f"of {run_id}", ""), NOW)
            for run_id, count in sorted(waits.items())
            for number in range(count)
        ]

    async def limit_waits(self, run_ids: Collection[str], limit: int) -> list[LimitWait]:
        return [each for each in self._rows if each.run_id in run_ids][:limit]


async def test_a_run_with_many_waits_hides_no_other_one() -> None:
    looks = cast("Looks", SimpleNamespace(store=ManyWaits(a=2 * MOST_PLACES, b=1)))
    rows = [run(each, status="Waiting") for each in ("a", "b", "c")]

    assert await awaited_limits(looks, rows, ()) == {"a": "of a", "b": "of b"}


def test_one_that_has_not_begun_is_only_due() -> None:
    assert listed(run(status="Pending", due_at=SOON)) is None


class Desk:
    """Knows one runner that lives and one whose process has ended; counts who asks."""

    asked = 0

    async def leases(self) -> tuple[Sequence[RunnerState], int]:
        self.asked += 1
        states = [
            RunnerState(RunnerLoad(runner("r1"), 1, owns_workflow=False), 2**62),
            RunnerState(
                RunnerLoad(runner("r2"), 1, owns_workflow=False), NOW + 1, process_ended=True
            ),
        ]
        return states, NOW


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def rows_of(store: MemoryStore, *owners: str | None) -> Sequence[RunRow]:
    """A run for each owner, named after it."""
    for owner in filter(None, owners):
        await store.register(runner(owner))
    names = [f"of {owner}" for owner in owners]
    runs = [new_run(name, owner=owner) for name, owner in zip(names, owners, strict=True)]
    await submit(store, *runs)
    return await store.runs_of(names)


async def test_those_of_a_runner_that_is_gone(desk: Desk) -> None:
    store = MemoryStore()
    rows = await rows_of(store, "r1", "r2", None)
    engine = cast("Looks", SimpleNamespace(store=store, explainer=desk))

    assert await without_runner(engine, rows) == {"of r2"}
    assert desk.asked == 1


async def test_without_an_owner_nobody_is_asked(desk: Desk) -> None:
    store = MemoryStore()
    rows = await rows_of(store, None)
    engine = cast("Looks", SimpleNamespace(store=store, explainer=desk))

    assert await without_runner(engine, rows) == frozenset()
    assert desk.asked == 0
