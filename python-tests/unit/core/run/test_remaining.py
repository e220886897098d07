"""What is left of a run: whether it rests, whether it is idle, and until when."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from model.runs import active_run, graph_of
from tables import each_row

from cloaca_core.features.waits.open_waits import OpenWait, OpenWaits, open_waits
from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.life import Remaining
from cloaca_core.run.remaining import UnderWay, queue_of_what_is_left, remaining_of
from cloaca_core.run.restore import FRESH, Resume
from cloaca_core.run.route import Route
from cloaca_core.run.time_limit import Deadline
from cloaca_core.values.states import TaskStatus
from cloaca_core.values.waits import APPROVAL, EVENT, NEVER, RUN, SLEEP

A, B = 0, 1
GRAPH = graph_of(a={}, b={}, below={"dependencies": ["a"]})
NOW = 1_000_000
EVICT_AFTER = 70


class Here:
    """A run whose tasks ``a`` and ``b`` are ready, and what a runner has of it beside its plan."""

    def __init__(self) -> None:
        self.run = active_run(GRAPH)
        self.run.plan.begin()
        self.bodies: dict[int, int] = {}
        self.retries: dict[int, int] = {}

    @property
    def waits(self) -> OpenWaits:
        return open_waits(self.run)

    def node(
        self, task: int, due_at: int | None = None, kind: str = SLEEP, since: int = NOW
    ) -> OpenWait:
        return self._wait(task, 0, "go", due_at, kind, since)

    def body(self, task: int, *names: str, calls: int | None = None, kind: str = EVENT) -> None:
        """A body is here that waits for these events, in so many calls in all."""
        self.bodies[task] = len(names) if calls is None else calls
        for name in names:
            self._wait(task, 1, name, None, kind, NOW).attended = True

    def was_suspended(self, task: int, due_at: int | None = None, kind: str = EVENT) -> None:
        """A body waits, and has left."""
        self._wait(task, 1, "go", due_at, kind, NOW)
        self.waits.suspended[task] = Resume(was_suspended=True)

    def _wait(
        self, task: int, number: int, name: str, due_at: int | None, kind: str, since: int
    ) -> OpenWait:
        row = WaitRow("r", "ab"[task], kind, name, number, 1, "", since, due_at)
        return self.waits.add(task, row, durable=True)

    def left(self, evict_after: int | None = None) -> Remaining:
        return remaining_of(
            self.run, NOW, UnderWay(self.bodies, self.retries), evict_after=evict_after
        )


def nodes(here: Here) -> None:
    here.node(A, NOW + 8)
    here.node(B, NOW + 9)


def one_node(here: Here) -> None:
    here.node(A)


def a_node_beside_a_failure(here: Here) -> None:
    here.node(A)
    here.run.plan.failed(B, "bad")


def failures(here: Here) -> None:
    here.node(A)
    here.run.plan.failed(A, "bad")
    here.run.plan.failed(B, "bad")


def a_node_that_is_ending(here: Here) -> None:
    nodes(here)
    next(iter(here.waits)).ending = True


def a_node_that_opens(here: Here) -> None:
    nodes(here)
    next(iter(here.waits)).durable = False


def a_node_and_news(here: Here) -> None:
    nodes(here)
    here.waits.sent = 1


def a_body_that_has_left(here: Here) -> None:
    here.node(A)
    here.was_suspended(B)


def a_body_that_waits(here: Here) -> None:
    here.node(A)
    here.body(B, "go")


def a_body_that_waits_for_two(here: Here) -> None:
    here.node(A)
    here.body(B, "go", "other")


def a_body_that_waits_for_a_child_too(here: Here) -> None:
    here.node(A)
    here.body(B, "go", calls=2)


def a_body_that_waits_for_a_child_as_for_an_event(here: Here) -> None:
    here.node(A)
    here.body(B, "child", kind=RUN)


def a_body_that_has_left_for_a_child(here: Here) -> None:
    here.node(A)
    here.was_suspended(B, kind=RUN)


def a_body_that_waits_no_more(here: Here) -> None:
    here.node(A)
    here.body(B, "go", calls=0)


def a_body_that_is_to_leave(here: Here) -> None:
    a_body_that_waits(here)
    for wait in here.waits.of(B):
        wait.attended = False


def a_node_beside_a_retry(here: Here) -> None:
    here.node(A, NOW + 8)
    here.retries[B] = NOW + 9


def retries(here: Here) -> None:
    here.retries = {A: NOW + 9, B: NOW + 8}


def one_retry(here: Here) -> None:
    here.retries[A] = NOW + 9


def a_retry_beside_a_failure(here: Here) -> None:
    """The task below it is not ready yet."""
    here.retries[A] = NOW + 9
    here.run.plan.failed(B, "bad")


def nothing(here: Here) -> None:
    """Both tasks start, or are about to."""


@each_row(
    ("so", "under_way", "rests", "idle"),
    [
        (nothing, False, False, False),
        (nodes, False, True, True),
        (one_node, False, False, False),
        (a_node_beside_a_failure, False, True, True),
        (failures, False, False, True),
        (a_node_that_is_ending, False, False, False),
        (a_node_that_opens, False, False, False),
        (a_node_and_news, False, True, False),
        (a_body_that_has_left, False, True, True),
        (a_body_that_waits, True, True, False),
        (a_body_that_waits_for_two, True, True, False),
        (a_body_that_waits_for_a_child_too, True, False, False),
        (a_body_that_waits_for_a_child_as_for_an_event, True, False, False),
        (a_body_that_has_left_for_a_child, False, False, True),
        (a_body_that_waits_no_more, True, False, False),
        (a_body_that_is_to_leave, True, False, False),
        (a_node_beside_a_retry, False, False, True),
        (retries, False, False, True),
        (one_retry, False, False, False),
        (a_retry_beside_a_failure, False, False, True),
    ],
)
def test_it_rests_while_all_waits_and_is_idle_while_nothing_goes_on_by_itself(
    so: Callable[[Here], None], under_way: bool, rests: bool, idle: bool
) -> None:
    here = Here()
    so(here)
    left = here.left()

    assert (left.under_way, left.rests, left.idle) == (under_way, rests, idle)


@each_row(
    ("so", "deadline", "due_at"),
    [
        (nodes, None, NOW + 8),
        (retries, None, NOW + 8),
        (a_node_beside_a_retry, None, NOW + 8),
        (a_body_that_has_left, None, NEVER),
        (retries, NOW + 7, NOW + 7),
        (retries, NOW + 9, NOW + 8),
        (nodes, NOW + 7, NOW + 8),  # its time limit stands still
        (a_body_that_has_left_for_a_child, NOW + 7, NOW + 7),  # it counts on
    ],
)
def test_it_goes_on_with_the_first_of_its_waits_retries_and_its_deadline(
    so: Callable[[Here], None], deadline: int | None, due_at: int
) -> None:
    here = Here()
    here.run.limit.deadline = None if deadline is None else Deadline(deadline, 1.0)
    so(here)

    assert here.left().due_at == due_at


@each_row(
    ("kind", "evict_after", "evict_at"),
    [
        (EVENT, EVICT_AFTER, NOW - 2 + EVICT_AFTER),
        (RUN, EVICT_AFTER, NOW - 2 + EVICT_AFTER),
        (EVENT, None, None),
        (APPROVAL, EVICT_AFTER, None),
        (SLEEP, EVICT_AFTER, None),
    ],
)
def test_it_may_stay_for_a_while_after_its_newest_wait_for_an_event(
    kind: str, evict_after: int | None, evict_at: int | None
) -> None:
    here = Here()
    here.node(A, kind=kind, since=NOW - 2)
    here.node(B, kind=kind, since=NOW - 3)

    assert here.left(evict_after).evict_at == evict_at


def test_what_its_runner_says_is_handed_on() -> None:
    run = active_run(GRAPH)

    assert remaining_of(
        run, NOW, UnderWay({}, {}), evict_after=None, never_evicts=True
    ) == Remaining(NOW, False, False, False, NEVER, None, never_evicts=True)


class TestMoves:
    @pytest.fixture
    def here(self) -> Here:
        here = Here()
        here.run.route = Route(["cpu", "gpu", "cpu"], lambda _: True)
        return here

    def test_a_run_moves_once_all_that_is_ready_asks_for_other_queues(self, here: Here) -> None:
        assert here.run.route is not None
        here.run.route.elsewhere[B] = FRESH
        assert here.left().moves_to is None  # the other task is about to begin

        here.run.route.elsewhere[A] = FRESH
        assert here.left().moves_to == "cpu"
        assert not here.left().idle

    def test_what_waits_for_its_time_or_an_event_keeps_no_run(self, here: Here) -> None:
        assert here.run.route is not None
        here.run.route.elsewhere[B] = FRESH
        here.retries[A] = NOW + 5
        assert here.left().moves_to == "gpu"

        here.retries.clear()
        here.node(A, NOW + 5)
        assert here.left().moves_to == "gpu"
        assert not here.left().rests

    def test_a_run_stays_while_a_wait_is_about_to_end(self, here: Here) -> None:
        assert here.run.route is not None
        here.run.route.elsewhere[B] = FRESH
        here.node(A, NOW + 5)
        here.waits.sent = 1
        assert here.left().moves_to is None

    def test_a_run_that_only_waits_moves_nowhere(self, here: Here) -> None:
        here.node(A, NOW + 5)
        here.node(B, NOW + 9)
        assert here.left().moves_to is None


QUEUED = graph_of(a={"queue": "gpu"}, b={}, c={"queue": "gpu"})


@each_row(
    ("statuses", "queue", "expected"),
    [
        ("RRR", "default", "default"),
        ("RRR", "tape", "gpu"),
        ("CRC", "gpu", "default"),
        ("RCN", "default", "gpu"),
        ("CCC", "tape", "tape"),
    ],
)
def test_a_run_is_in_a_queue_of_what_is_left(statuses: str, queue: str, expected: str) -> None:
    run = active_run(QUEUED)
    names = {"R": TaskStatus.READY, "C": TaskStatus.COMPLETED, "N": TaskStatus.NOT_STARTED}
    run.plan.statuses[:] = [names[each] for each in statuses]
    run.row = run.row._replace(queue=queue)
    assert queue_of_what_is_left(run) == expected
