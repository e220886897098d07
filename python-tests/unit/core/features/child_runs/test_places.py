"""Which children begin in the runner of their parent, and how many places are kept for them."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from model.runs import active_run, graph_of

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.workflow import Workflow
from cloaca_core.engine.orchestrate.active_runs import ActiveRuns, Capacity
from cloaca_core.engine.orchestrate.served import Served
from cloaca_core.engine.subjects import Subjects
from cloaca_core.features.child_runs.places import ChildPlaces
from cloaca_core.features.child_runs.records import NODE_CHILDREN, NodeChild
from cloaca_core.store.batch import Committed
from cloaca_core.values.queue_names import DEFAULT_QUEUE

PARENT = active_run(graph_of(a={}))
CHILD = NodeChild("p", "c", "flow", "v", '{"n":1}', "{}", "p::a::i-1.0@1", 5, 3, None, None)


class Desk:
    """Two places, of which a claim may take ``most``; notes which runs begin, how often runs are to
    be claimed, and how often a place may have become free.
    """

    def __init__(self, queues: Mapping[str, int | None] | None = None) -> None:
        self.capacity = Capacity(2, ActiveRuns())
        self.begun: list[tuple[str, str | None, int, dict[str, Any]]] = []
        self.claims = self.changes = 0
        self.most = 500
        self.capacity.asked = self._change
        subjects = Subjects()
        subjects.claimable_here.subscribe(self._claim)
        runner = SimpleNamespace(current="r1")
        share = SimpleNamespace(most=lambda: self.most, begins_unclaimed=lambda: None)
        adoption = SimpleNamespace(begin=self._begin)
        self.places = ChildPlaces(
            cast("Any", runner),
            self.capacity,
            Served(queues),
            cast("Any", share),
            cast("Any", adoption),
            subjects,
        )

    def owner(self, workflow: Workflow, queue: str = DEFAULT_QUEUE) -> str | None:
        """The owner of a child that is to begin."""
        return self.places.owner(PARENT, workflow, queue)

    def _claim(self) -> None:
        self.claims += 1

    def _change(self) -> None:
        self.changes += 1

    def _begin(self, _: Workflow, runs: Any, depth: int) -> None:
        assert depth == 0
        self.begun += [(row.id, row.owner, row.epoch, given) for row, given in runs]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture(scope="module")
def flow() -> Workflow:
    registry = Registry()
    with WorkflowBuilder("flow", registry=registry):
        task(id="a")(lambda _: None)
    return registry.find("flow")


def committed(*owned: NodeChild) -> Committed:
    """The outcome of a commit after which this runner owns these children."""
    decided = {NODE_CHILDREN: frozenset(owned)} if owned else {}
    return Committed(frozenset(), {}, frozenset("p"), decided=decided)


def test_a_child_has_the_place_that_was_kept_for_it(desk: Desk, flow: Workflow) -> None:
    child = CHILD._replace(owner=desk.owner(flow))
    assert desk.capacity.free() == 1

    desk.places.begin(PARENT, flow, child, committed(child))

    assert desk.begun == [("c", "r1", 1, {"n": 1})]
    assert (desk.capacity.free(), desk.claims) == (2, 0)


def test_any_runner_may_claim_a_child_without_a_place(desk: Desk, flow: Workflow) -> None:
    owners = [desk.owner(flow) for _ in range(3)]

    desk.places.begin(PARENT, flow, CHILD, committed())

    assert (owners, desk.begun, desk.claims) == (["r1", "r1", None], [], 1)
    assert desk.capacity.free() == 0


def test_a_child_that_is_not_ours_after_all_frees_its_place(desk: Desk, flow: Workflow) -> None:
    child = CHILD._replace(owner=desk.owner(flow))

    desk.places.begin(PARENT, flow, child, committed())

    assert (desk.begun, desk.claims, desk.changes, desk.capacity.free()) == ([], 1, 1, 2)


def test_beside_others_it_owns_no_more_than_its_share(desk: Desk, flow: Workflow) -> None:
    desk.most = 1

    owners = [desk.owner(flow) for _ in range(2)]
    desk.places.forget(PARENT)

    assert [*owners, desk.owner(flow)] == ["r1", None, "r1"]


def test_a_runner_that_leaves_or_lacks_the_code_owns_no_child(desk: Desk, flow: Workflow) -> None:
    assert desk.owner(cast("Any", "a recorded one")) is None

    desk.capacity.paused = True

    assert desk.owner(flow) is None


def test_a_parent_that_is_over_frees_its_places_once(desk: Desk, flow: Workflow) -> None:
    """Its child may be durable all the same: then it begins, and is cancelled as any other."""
    child = CHILD._replace(owner=desk.owner(flow))
    desk.owner(flow)

    desk.places.forget(PARENT)
    desk.places.begin(PARENT, flow, child, committed(child))

    assert desk.capacity.free() == 2
    assert [run_id for run_id, *_ in desk.begun] == ["c"]


def test_only_a_queue_that_is_served_without_a_number_has_places(flow: Workflow) -> None:
    """Claims count the runs of a queue with a number."""
    desk = Desk({"gpu": None, "tape": 1})

    assert [desk.owner(flow, queue) for queue in ("gpu", "tape", "default")] == ["r1", None, None]
    assert desk.capacity.free() == 1
