"""Tasks whose queue is not served here are kept back, and their runs move."""

from __future__ import annotations

import pytest
from model.orchestration import Scene, rows_of
from model.quiet import quiet
from model.runs import active_run, graph_of

from cloaca_core.run.life import Remaining
from cloaca_core.run.rows import Park
from cloaca_core.values.states import RunStatus, TaskStatus
from cloaca_core.values.waits import NEVER
from cloaca_testing.conformance.rows import attempt, runner

CHAIN = graph_of(load={}, train={"dependencies": ["load"], "queue": "gpu"})
PAIR = graph_of(a={"queue": "gpu"}, b={}, after={"dependencies": ["b"]})
FIRST = graph_of(train={"queue": "gpu"}, pack={"queue": "tape"}, pack_too={"queue": "tape"})

pytestmark = pytest.mark.asyncio


def busy(_: object) -> None:
    raise ValueError("busy")


def park_of(scene: Scene) -> tuple[list[tuple[str, int, str]], Park]:
    """The rows and the park of the one entry that waits for its commit."""
    (entry,) = scene.journal.waiting
    assert entry.park is not None
    return rows_of(entry), entry.park


async def test_a_run_moves_in_the_commit_of_the_task_that_was_the_last_here() -> None:
    scene = Scene(queues=["default"])
    moved: list[str] = []
    scene.subjects.moved_away.subscribe(lambda: moved.append("away"))
    run = scene.adopt(CHAIN)
    scene.executor.run()
    await quiet()

    rows, park = park_of(scene)

    assert rows == [("load", 1, TaskStatus.COMPLETED)]
    assert (park.queue, park.due_at, park.begun) == ("gpu", None, 1)
    await scene.journal.commit()
    assert len(scene.runs) == 0
    assert (scene.given_back, moved) == (0, ["away"])  # a claim here would find nothing
    assert scene.queued() == []
    assert run.plan.statuses[1] is TaskStatus.READY


async def test_a_run_moves_only_when_no_body_of_it_is_under_way() -> None:
    scene = Scene(queues=["default"])
    scene.adopt(PAIR)
    await quiet()
    assert scene.queued() == ["b"]
    assert not scene.journal.waiting

    scene.executor.run()
    await scene.journal.commit()
    assert scene.queued() == ["after"]

    scene.executor.run()
    rows, park = park_of(scene)
    assert (rows, park.queue) == ([("after", 1, TaskStatus.COMPLETED)], "gpu")


async def test_a_run_of_which_nothing_began_goes_where_most_of_it_is_served() -> None:
    scene = Scene(queues=["default"])
    scene.served.see([runner("other", queues='["gpu"]')])
    scene.adopt(FIRST)
    await quiet()

    rows, park = park_of(scene)

    assert (rows, park.queue, park.begun) == ([], "gpu", 0)


async def test_where_nobody_serves_its_queues_it_goes_where_most_of_it_asks_to() -> None:
    scene = Scene(queues=["default"])
    scene.adopt(FIRST)
    await quiet()

    assert park_of(scene)[1].queue == "tape"


async def test_a_run_all_of_whose_tasks_are_served_here_has_no_route() -> None:
    scene = Scene(queues=["default", "gpu"])
    assert scene.adopt(CHAIN).route is None
    assert Scene().adopt(CHAIN).route is None


async def test_the_queue_that_was_asked_for_counts_for_tasks_without_one() -> None:
    scene = Scene(queues=["night"])
    scene.adopt(PAIR, asked_queue="night")
    await quiet()
    assert scene.queued() == ["b"]


async def test_a_retry_that_waits_for_its_time_keeps_no_run_and_keeps_its_time() -> None:
    scene = Scene(queues=["default"])
    late = scene.clock.wall() + 3_600_000_000
    past = [attempt("r", "b", status=TaskStatus.FAILED, error="no")._replace(retry_at=late)]
    scene.orchestrator.adopt(active_run(PAIR, past=past))
    await quiet()

    rows, park = park_of(scene)

    assert (rows, park.queue, park.due_at) == ([], "gpu", None)


async def test_a_run_that_waits_for_a_retry_waits_in_the_queue_of_what_is_retried() -> None:
    scene = Scene(queues=["gpu"])
    late = scene.clock.wall() + 3_600_000_000
    graph = graph_of(a={"queue": "gpu"}, b={})
    past = [
        attempt("r", "a"),
        attempt("r", "b", status=TaskStatus.FAILED, error="no")._replace(retry_at=late),
    ]
    scene.orchestrator.adopt(active_run(graph, past=past, queue="gpu"))
    await quiet()

    rows, park = park_of(scene)

    assert (rows, park.queue, park.due_at is None) == ([], "default", False)


async def test_a_cancelled_run_stays_with_its_owner_until_its_end() -> None:
    scene = Scene(queues=["default"])
    run = scene.adopt(CHAIN)
    scene.executor.run()
    await quiet()
    entry = scene.journal.waiting[0]
    entry.stop_request = RunStatus.CANCELLED

    scene.orchestrator.control.tell(run, run.life.gave_back, RunStatus.CANCELLED)

    assert run.id in scene.runs


async def test_what_is_kept_begins_when_a_pause_is_taken_back() -> None:
    scene = Scene(queues=["default"])
    run = scene.adopt(PAIR)
    scene.begin()
    scene.orchestrator.control.pause(run, "asked")
    scene.orchestrator.control.tell(run, run.life.resumed, run.life.stops_found)
    await scene.journal.commit()
    await quiet()
    assert run.route is not None
    assert list(run.route.elsewhere) == [0]


class TestNumbers:
    async def test_a_run_beyond_the_number_goes_back_to_the_table(self) -> None:
        scene = Scene(queues={"gpu": 1, "default": None})
        first = scene.adopt(graph_of(train={"queue": "gpu"}), id="first")
        scene.adopt(graph_of(train={"queue": "gpu"}), id="second")
        await quiet()

        assert scene.queued() == ["train"]
        assert park_of(scene)[1][0] == "second"
        assert scene.served.names == ["default"]
        assert first.id in scene.runs

    async def test_a_queue_has_room_again_when_a_task_of_it_has_ended(self) -> None:
        scene = Scene(queues={"gpu": 1, "default": None})
        scene.adopt(graph_of(train={"queue": "gpu"}, report={"dependencies": ["train"]}))
        scene.executor.run()
        await scene.journal.commit()

        assert scene.queued() == ["report"]
        assert scene.served.names == ["gpu", "default"]
        assert scene.given_back == 1

    async def test_a_task_that_was_kept_beside_a_body_begins_when_there_is_room(self) -> None:
        scene = Scene(queues={"gpu": 1, "default": None})
        scene.adopt(graph_of(train={"queue": "gpu"}), id="first")
        scene.adopt(graph_of(load={}, train={"queue": "gpu"}), id="second")
        await quiet()
        assert scene.queued() == ["train", "load"]

        scene.begin(1)
        scene.executor.run()  # the first one's body
        await quiet()

        assert scene.queued() == ["train"]

    async def test_a_task_that_waits_for_its_next_attempt_does_not_count(self) -> None:
        scene = Scene(queues={"gpu": 1, "default": None})
        again = {"body": busy, "retry_attempts": 2, "retry_delay_ms": 60_000}
        scene.adopt(graph_of(train={"queue": "gpu", **again}, load={}))
        scene.begin(1)
        scene.executor.run()
        assert scene.served.names == ["default"]

        await scene.journal.commit()
        assert scene.served.names == ["gpu", "default"]

    async def test_a_run_whose_bodies_all_wait_does_not_count(self) -> None:
        scene = Scene(queues={"gpu": 1})
        first = scene.adopt(graph_of(train={"queue": "gpu"}), id="first")
        scene.begin()
        assert scene.served.names == []

        scene.runs.begin_wait(first)  # for another run
        scene.capacity.changed()
        assert scene.served.names == ["gpu"]
        scene.runs.end_wait(first)
        scene.capacity.changed()
        assert scene.served.names == []

        scene.orchestrator.control.limits.start(first)
        rests = Remaining(0, under_way=True, rests=True, idle=False, due_at=NEVER)
        scene.orchestrator.control.tell(first, first.life.review, rests)  # for an event
        assert scene.served.names == ["gpu"]

    async def test_a_child_for_which_a_body_waits_is_let_in_by_right(self) -> None:
        scene = Scene(queues={"gpu": 1})
        scene.adopt(graph_of(train={"queue": "gpu"}), id="first")
        child = active_run(graph_of(train={"queue": "gpu"}), id="child")
        child.depth = 1
        scene.orchestrator.adopt(child)
        await quiet()
        assert scene.queued() == ["train", "train"]
