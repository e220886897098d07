"""All runs of a selection are steered in chunks, and what cannot be is counted."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pytest
from model.memory_store import MemoryStore

from cloaca_core.engine.order import Order
from cloaca_core.engine.subjects import Subjects
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.features.reruns.retries import Begun, Retries
from cloaca_core.features.steering import bulk as module
from cloaca_core.features.steering.bulk import Bulk, Steps
from cloaca_core.features.steering.records import Act, OwnedParent
from cloaca_core.run.rows import RunFilter, RunRow
from cloaca_core.store.acts import Acted
from cloaca_testing.conformance.commits import record, submit
from cloaca_testing.conformance.rows import NOW, WORKFLOW, act, new_run, run_end, runner

GRACE = 2.0


class CountingStore(MemoryStore):
    """Notes how runs were looked up and cancelled; the cancel of one run may fail."""

    def __init__(self) -> None:
        super().__init__()
        self.looked_up: list[int] = []
        self.cancelled: list[list[str]] = []
        self.fails_at: str | None = None

    async def list_runs(self, wanted: RunFilter) -> list[RunRow]:
        found = await super().list_runs(wanted)
        self.looked_up.append(len(found))
        return found

    async def cancel(
        self,
        run_ids: Collection[str],
        act: Act,
        deadline: int,
        *,
        children: bool,
        parent_id: str | None = None,
    ) -> dict[str, Acted]:
        if self.fails_at in run_ids:
            raise StoreUnavailableError("gone")
        self.cancelled.append(list(run_ids))
        return await super().cancel(run_ids, act, deadline, children=children, parent_id=parent_id)


class FakeRetries(Retries):
    """Retries that refuse some runs, and begin a child with each."""

    def __init__(self, refused: Collection[str] = ()) -> None:
        self.asked: list[list[str]] = []
        self._refused = refused

    async def retry_many(
        self, rows: Iterable[RunRow], order: Order, parent: OwnedParent | None = None
    ) -> Begun:
        assert parent is None
        assert (order.kind, order.act_id) == ("retry", "retry0")
        run_ids = [row.id for row in rows]
        self.asked.append(run_ids)
        begun = [run_id for run_id in run_ids if run_id not in self._refused]
        return Begun(frozenset([*begun, "child of a run"]), {})


class Desk:
    """Bulk acts on a store."""

    def __init__(self, refused: Collection[str] = ()) -> None:
        self.store = CountingStore()
        self.retries = FakeRetries(refused)
        self.acts: list[Act] = []
        self.wrote = 0
        subjects = Subjects()
        subjects.claimable.subscribe(self._wrote)
        self.bulk = Bulk(self.store, self.retries, self._act, subjects)

    async def steer(self, kind: str, *, dry_run: bool = False, **wanted: object) -> Steps:
        order = Order(kind, "ann", "a reason")
        run_filter = RunFilter(**wanted)  # type: ignore[arg-type]  # as given
        steps = await self.bulk.steer(run_filter, order, GRACE, dry_run=dry_run)
        wrote = self.acts[-1].id if steps.changed and not dry_run else None
        assert steps.act_id == wrote
        return steps._replace(act_id=None)

    def statuses(self) -> dict[str, str]:
        return {run.id: str(run.status) for run in self.store.runs.values()}

    def _act(self, order: Order) -> Act:
        self.acts.append(act(f"{order.kind}{len(self.acts)}", because=order.because()))
        return self.acts[-1]

    def _wrote(self) -> None:
        self.wrote += 1


@pytest.fixture
async def desk() -> Desk:
    """A Pending, a Running, a Paused, a Failed and a Completed run."""
    desk = Desk(refused=["e"])
    store = desk.store
    await store.register(runner("r1"))
    await submit(store, new_run("a", owner=None), *[new_run(name) for name in "bde"])
    await submit(store, new_run("c", owner=None))
    await store.pause(["c"], act("p"), None, children=True)
    await record(store, ends=[run_end("d", status="Failed"), run_end("e")])
    return desk


async def test_without_states_those_are_taken_that_the_order_changes(desk: Desk) -> None:
    assert await desk.steer("cancel", workflow=WORKFLOW) == Steps(3, 3)
    assert desk.statuses() == {
        "a": "Cancelled",
        "b": "Cancelling",
        "c": "Cancelled",
        "d": "Failed",
        "e": "Completed",
    }
    assert desk.store.marks["b"].cancel_at == desk.acts[0].now + 2_000_000


@pytest.mark.parametrize(
    ("kind", "expected", "changed"),
    [
        ("pause", Steps(2, 2), {"a": "Paused", "b": "Paused"}),
        ("resume", Steps(1, 1), {"c": "Pending"}),
    ],
)
async def test_each_kind_of_order_has_its_states(
    desk: Desk, kind: str, expected: Steps, changed: dict[str, str]
) -> None:
    before = desk.statuses()

    assert await desk.steer(kind, workflow=WORKFLOW) == expected
    assert desk.statuses() == before | changed


async def test_states_that_the_order_does_not_change_are_counted_and_left_alone(
    desk: Desk,
) -> None:
    assert await desk.steer("cancel", statuses=("Pending", "Failed", "Completed")) == Steps(3, 1)
    assert {run_id for run_id, _ in desk.store.noted} == {"a", "c"}  # c was paused before


async def test_nothing_is_written_where_nothing_can_change(desk: Desk) -> None:
    assert await desk.steer("cancel", statuses=("Completed",)) == Steps(1, 0)
    assert (desk.store.looked_up, desk.acts, desk.wrote) == ([1], [], 0)


async def test_failed_and_cancelled_runs_are_retried(desk: Desk) -> None:
    await desk.store.cancel(["a"], act("x"), NOW, children=True)

    assert await desk.steer("retry", workflow=WORKFLOW) == Steps(2, 2)
    assert desk.retries.asked == [["d", "a"]]  # newest first


async def test_a_run_that_cannot_be_retried_stops_no_other() -> None:
    desk = Desk(refused=["b"])
    await desk.store.register(runner("r1"))
    await submit(desk.store, *[new_run(name) for name in "abc"])
    await record(desk.store, ends=[run_end(name, status="Failed") for name in "abc"])

    assert await desk.steer("retry", error="broke") == Steps(3, 2)
    assert desk.retries.asked == [["c", "b", "a"]]


async def test_a_dry_run_only_counts(desk: Desk) -> None:
    before = desk.statuses()

    assert await desk.steer("cancel", dry_run=True, workflow=WORKFLOW) == Steps(3, 3)
    assert await desk.steer("pause", dry_run=True, statuses=("Paused", "Running")) == Steps(2, 1)
    assert (desk.statuses(), desk.acts, desk.wrote) == (before, [], 0)


async def test_many_are_found_by_few_look_ups_and_changed_in_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PAGE", 1000)
    desk = Desk()
    names = [f"{number:04}" for number in range(1200)]
    await submit(desk.store, *[new_run(name, owner=None) for name in names])

    assert await desk.steer("cancel", statuses=("Pending",)) == Steps(1200, 1200)
    assert list(map(len, desk.store.cancelled)) == [500, 500, 200]
    assert [name for chunk in desk.store.cancelled for name in chunk] == names[::-1]
    assert desk.store.looked_up == [1000, 200, 0]
    assert (len(desk.acts), desk.wrote) == (1, 3)


async def test_a_call_that_broke_off_goes_on_when_it_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CHUNK", 2)
    desk = Desk()
    await submit(desk.store, *[new_run(name, owner=None) for name in "abcde"])
    desk.store.fails_at = "b"
    with pytest.raises(StoreUnavailableError):
        await desk.steer("cancel", workflow=WORKFLOW)
    assert desk.store.cancelled == [["e", "d"]]

    desk.store.fails_at = None

    assert await desk.steer("cancel", workflow=WORKFLOW) == Steps(3, 3)
    assert set(desk.statuses().values()) == {"Cancelled"}
