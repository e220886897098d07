"""47: who submits a run says when it starts, before which others, whether it stands alone, and what
becomes of one that has failed.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from own_database import OwnDatabases
from tables import each_row

import cloaca

WAIT = 60
SOON = timedelta(milliseconds=50)
FAR = timedelta(days=3)
OpenRunner = Callable[..., cloaca.DefaultRunner]


@pytest.fixture(autouse=True)
def begun() -> list[str]:
    """The names of the runs of ``note``, in the order in which they began."""
    names: list[str] = []
    with cloaca.WorkflowBuilder("note"):
        cloaca.task(id="only")(lambda context: names.append(context["name"]))
    return names


def info(runner: cloaca.DefaultRunner, run: cloaca.RunHandle) -> cloaca.RunInfo:
    (found,) = [each for each in runner.list_runs() if each.id == run.id]
    return found


@pytest.mark.each_backend
def test_a_run_for_later_is_pending_until_then(runner: cloaca.DefaultRunner) -> None:
    instant = datetime.now(UTC) + FAR

    run = runner.submit("note", {"name": "a"}, run_at=instant)

    assert run.status() == "Pending"
    found = info(runner, run)
    assert (found.status, found.due_at) == ("Pending", instant.isoformat())
    assert (found.round, found.priority, found.parent_id) == (1, 0, None)


def test_a_run_starts_after_its_delay(runner: cloaca.DefaultRunner) -> None:
    run = runner.submit("note", {"name": "a"}, delay=SOON)

    assert run.result(WAIT).status == "Completed"
    assert info(runner, run).due_at is None


def test_a_time_in_the_past_is_now(runner: cloaca.DefaultRunner) -> None:
    result = runner.execute("note", {"name": "a"}, run_at="2020-01-01T00:00:00Z")

    assert result.status == "Completed"


def test_execute_waits_for_a_run_that_starts_later(runner: cloaca.DefaultRunner) -> None:
    assert runner.execute("note", {"name": "a"}, delay=SOON).status == "Completed"


def test_many_runs_have_one_time(runner: cloaca.DefaultRunner, begun: list[str]) -> None:
    runs = runner.submit_many("note", [{"name": "a"}, {"name": "b"}], delay=SOON, priority=3)

    assert [run.result(WAIT).status for run in runs] == ["Completed", "Completed"]
    assert {info(runner, run).priority for run in runs} == {3}
    assert sorted(begun) == ["a", "b"]


async def test_an_async_program_does_the_same(database_url: str) -> None:
    async with cloaca.AsyncRunner(database_url) as runner:
        later = await runner.submit("note", {"name": "a"}, run_at=datetime.now(UTC) + FAR)
        (many,) = await runner.submit_many("note", [{"name": "b"}], delay=FAR, priority=-5)
        result = await runner.execute("note", {"name": "c"}, delay=SOON, detached=True)

        assert result.status == "Completed"
        assert {await later.status(), await many.status()} == {"Pending"}


def test_runs_that_wait_for_a_place_start_by_their_priority(
    open_runner: OpenRunner, begun: list[str]
) -> None:
    runner = open_runner(start=False, max_active_runs=1, max_concurrent_tasks=1)
    low = runner.submit("note", {"name": "low"}, priority=-1)
    runner.submit("note", {"name": "first"})
    runner.submit("note", {"name": "second"})
    runner.submit("note", {"name": "high"}, priority=100)

    runner.start()

    low.wait(WAIT)
    assert begun == ["high", "first", "second", "low"]


def test_runs_that_were_claimed_together_begin_by_their_priority(
    open_runner: OpenRunner, begun: list[str]
) -> None:
    runner = open_runner(start=False, max_concurrent_tasks=1)
    runs = [
        runner.submit("note", {"name": str(priority)}, priority=priority)
        for priority in (0, -7, 9, 3)
    ]

    runner.start()

    for run in runs:
        run.wait(WAIT)
    assert begun == ["9", "3", "0", "-7"]


def test_a_run_of_low_priority_is_not_passed_over_for_ever(
    open_runner: OpenRunner, begun: list[str]
) -> None:
    """Every tenth place goes to the one that has waited longest."""
    runner = open_runner(start=False, max_active_runs=1, max_concurrent_tasks=1)
    low = runner.submit("note", {"name": "low"}, priority=-100)
    others = runner.submit_many("note", [{"name": f"{n}"} for n in range(15)])

    runner.start()

    for run in (low, *others):
        run.wait(WAIT)
    assert begun.index("low") == 9


@each_row(("given", "expected"), [(None, 7), (-2, -2), (0, 0)])
def test_a_child_has_the_priority_of_its_parent_unless_it_has_its_own(
    runner: cloaca.DefaultRunner, given: int | None, expected: int
) -> None:
    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task
        def only(context: cloaca.Context) -> dict[str, Any]:
            return {"child": runner.submit("note", {"name": "c"}, priority=given).id}

    parent = runner.submit("parent", priority=7)
    child = runner.get_run(parent.result(WAIT).final_context["child"])

    found = info(runner, child)
    assert (found.priority, found.parent_id) == (expected, parent.id)


def test_a_detached_run_is_not_cancelled_with_its_parent(runner: cloaca.DefaultRunner) -> None:
    submitted, release = threading.Event(), threading.Event()
    children: list[cloaca.RunHandle] = []
    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task
        def only(context: cloaca.Context) -> None:
            children.append(runner.submit("note", {"name": "c"}, delay=FAR))
            children.append(runner.submit("note", {"name": "d"}, delay=FAR, detached=True))
            submitted.set()
            release.wait(WAIT)

    parent = runner.submit("parent")
    assert submitted.wait(WAIT)

    parent.cancel(grace=0)

    attached, detached = children
    assert parent.result(WAIT).status == "Cancelled"
    assert attached.result(WAIT).status == "Cancelled"
    assert detached.status() == "Pending"
    assert info(runner, detached).parent_id == parent.id
    release.set()


def test_a_run_in_the_programs_own_transaction_has_the_same_options(
    runner: cloaca.DefaultRunner, own_databases: OwnDatabases, database_url: str
) -> None:
    with closing(own_databases.connect(database_url)) as mine:
        later = runner.submit("note", {"name": "a"}, connection=mine, delay=FAR, priority=9)
        soon = runner.submit("note", {"name": "b"}, connection=mine, delay=SOON)
        mine.commit()

    assert soon.result(WAIT).status == "Completed"
    found = info(runner, later)
    assert (found.status, found.priority, found.due_at is None) == ("Pending", 9, False)


def test_a_run_that_has_not_begun_in_time_is_cancelled(
    open_runner: OpenRunner, begun: list[str]
) -> None:
    runner = open_runner(start=False)

    late = runner.submit("note", {"name": "late"}, start_by=0.05)
    early = runner.submit("note", {"name": "early"}, start_by=FAR)
    result = late.result(WAIT)
    runner.start()

    assert (result.status, result.error_message) == (
        "Cancelled",
        "expired: it had not begun in time",
    )
    assert early.result(WAIT).status == "Completed"
    assert begun == ["early"]
    with pytest.raises(cloaca.RunCancelledError, match="expired"):
        result.raise_for_status()


def test_a_run_of_the_programs_own_transaction_expires_too(
    open_runner: OpenRunner, own_databases: OwnDatabases, database_url: str
) -> None:
    runner = open_runner(start=False)
    with closing(own_databases.connect(database_url)) as mine:
        late = runner.submit("note", {"name": "a"}, connection=mine, start_by=SOON)
        mine.commit()

    assert late.result(WAIT).status == "Cancelled"


@each_row(
    ("options", "text"),
    [
        ({"priority": 101}, "priority must be -100 to 100"),
        ({"run_at": "2030-01-01T00:00"}, "Invalid datetime format"),
        ({"delay": -1}, "delay must be 0"),
        ({"start_by": -1}, "start_by must be 0"),
        ({"delay": 1, "run_at": datetime(2030, 1, 1, tzinfo=UTC)}, "run_at or delay, not both"),
    ],
)
def test_wrong_options_are_refused_at_the_call(
    runner: cloaca.DefaultRunner, options: dict[str, Any], text: str
) -> None:
    for call in (runner.submit, runner.execute):
        with pytest.raises(ValueError, match=text):
            call("note", {"name": "a"}, **options)
    with pytest.raises(ValueError, match=text):
        runner.submit_many("note", [], **options)

    assert runner.list_runs() == []


# -- one key, submitted again --------------------------------------------------------------------


class Flaky:
    """A body that fails until it is told not to."""

    def __init__(self) -> None:
        self.fails = True
        self.calls = 0
        with cloaca.WorkflowBuilder("flaky"):
            cloaca.task(id="only", retry_attempts=1)(lambda context: self.body())

    def body(self) -> dict[str, Any]:
        self.calls += 1
        if self.fails:
            raise OSError("no connection")
        return {"done": True}


def test_a_handle_tells_whether_the_call_made_the_run(runner: cloaca.DefaultRunner) -> None:
    first = runner.submit("note", {"name": "a"}, idempotency_key="k")
    second = runner.submit("note", {"name": "b"}, idempotency_key="k")
    without = runner.submit("note", {"name": "c"})
    (many,) = runner.submit_many("note", [{"name": "d"}])

    assert first == second
    assert [each.created for each in (first, second, without, many)] == [True, False, True, True]
    assert not runner.get_run(first.id).created


async def test_each_call_is_told_for_itself_when_one_commit_has_several(database_url: str) -> None:
    async with cloaca.AsyncRunner(database_url) as runner:
        first = await runner.submit("note", {"name": "a"}, idempotency_key="a")
        keys = ["a", "b", "b", "b", None, "c"]

        handles = await asyncio.gather(
            *[runner.submit("note", {"name": "x"}, idempotency_key=key) for key in keys]
        )

    again, *same, without, other = handles
    assert (again, again.created) == (first, False)
    assert sorted(each.created for each in same) == [False, False, True]
    assert (len(set(same)), without.created, other.created) == (1, True, True)


def test_it_is_told_of_a_run_in_the_programs_own_transaction_too(
    runner: cloaca.DefaultRunner, own_databases: OwnDatabases, database_url: str
) -> None:
    with closing(own_databases.connect(database_url)) as mine:
        made = [
            runner.submit("note", {"name": "a"}, connection=mine, idempotency_key="k").created
            for _ in range(2)
        ]
        mine.commit()

    assert made == [True, False]


def test_a_run_that_has_failed_is_kept_or_begun_again(runner: cloaca.DefaultRunner) -> None:
    flaky = Flaky()
    first = runner.submit("flaky", idempotency_key="k")
    assert first.result(WAIT).status == "Failed"
    flaky.fails = False

    kept = runner.submit("flaky", idempotency_key="k")
    assert (kept.result(WAIT).status, flaky.calls) == ("Failed", 1)
    again = runner.submit("flaky", idempotency_key="k", failed_policy="retry")

    assert (again, again.created) == (first, False)
    assert again.result(WAIT).status == "Completed"
    assert info(runner, again).round == 2


def test_one_that_was_cancelled_is_begun_again_and_one_that_goes_on_is_not(
    runner: cloaca.DefaultRunner, begun: list[str]
) -> None:
    def submit(**options: Any) -> cloaca.RunHandle:
        return runner.submit(
            "note", {"name": "a"}, idempotency_key="k", failed_policy="retry", **options
        )

    run = submit(delay=FAR)
    assert (run.created, submit().status()) == (True, "Pending")
    run.cancel()

    assert submit().result(WAIT).status == "Completed"
    assert submit().result(WAIT).status == "Completed"
    assert (begun, info(runner, run).round) == (["a"], 2)


async def test_an_async_program_begins_it_again_too(database_url: str) -> None:
    flaky = Flaky()
    async with cloaca.AsyncRunner(database_url) as runner:
        first = await runner.submit("flaky", idempotency_key="k")
        await first.wait(WAIT)
        flaky.fails = False

        again = await runner.submit("flaky", idempotency_key="k", failed_policy="retry")

        assert (first.created, again.created) == (True, False)
        assert (await again.result(WAIT)).status == "Completed"


def test_of_many_that_submit_a_failed_run_again_one_begins_a_round(
    runner: cloaca.DefaultRunner,
) -> None:
    flaky = Flaky()
    run = runner.submit("flaky", idempotency_key="k")
    run.wait(WAIT)
    flaky.fails = False

    def submit() -> None:
        runner.submit("flaky", idempotency_key="k", failed_policy="retry")

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)

    assert run.result(WAIT).status == "Completed"
    assert (info(runner, run).round, flaky.calls) == (2, 2)


@each_row(
    ("options", "text"),
    [
        ({"failed_policy": "retry"}, "is for a run with an idempotency_key"),
        ({"failed_policy": "again", "idempotency_key": "k"}, 'must be "keep" or "retry"'),
        ({"failed_policy": None, "idempotency_key": "k"}, "failed_policy must be a str"),
        (
            {"failed_policy": "retry", "idempotency_key": "k", "connection": object()},
            'must be "keep" with a connection',
        ),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(
    runner: cloaca.DefaultRunner, options: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        runner.submit("note", {"name": "a"}, **options)

    assert runner.list_runs() == []


async def test_a_fork_tells_whether_it_was_made_too(database_url: str) -> None:
    with cloaca.DefaultRunner(database_url) as runner:
        run = runner.submit("note", {"name": "a"})
        run.wait(WAIT)
        made = [run.fork("only", idempotency_key="f").created for _ in range(2)]
    async with cloaca.AsyncRunner(database_url) as runner:
        again = await (await runner.get_run(run.id)).fork("only", idempotency_key="f")

    assert [*made, again.created] == [True, False, False]


# -- slots of bodies -----------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
def test_bodies_begin_in_the_order_of_claims(open_runner: OpenRunner, is_async: bool) -> None:
    """All runs are in progress; their bodies wait for the one slot. Every tenth of them is of the
    run that waits longest.
    """
    runner = open_runner(max_concurrent_tasks=1, max_concurrent_async_tasks=1)
    begun, release, order = threading.Event(), threading.Event(), list[str]()

    def block(context: cloaca.Context) -> None:
        begun.set()
        release.wait(WAIT)

    async def block_async(context: cloaca.Context) -> None:
        block(context)

    def note(context: cloaca.Context) -> None:
        order.append(context["name"])

    async def note_async(context: cloaca.Context) -> None:
        order.append(context["name"])

    with cloaca.WorkflowBuilder("blocking"):
        cloaca.task(id="block")(block_async if is_async else block)
    with cloaca.WorkflowBuilder("noting"):
        cloaca.task(id="note")(note_async if is_async else note)

    first = runner.submit("blocking")
    begun.wait(WAIT)
    runs = [runner.submit("noting", {"name": f"low {n}"}, priority=-5) for n in range(2)]
    runs += [runner.submit("noting", {"name": f"high {n}"}, priority=5) for n in range(12)]
    runs.append(runner.submit("noting", {"name": "highest"}, priority=6))
    runner.health()  # when it answers, all bodies are in the queue
    release.set()
    for run in [first, *runs]:
        run.wait(WAIT)

    assert order[0] == "highest"
    assert [name for name in order if name.startswith("high ")] == [f"high {n}" for n in range(12)]
    assert [name for name in order if name.startswith("low")] == ["low 0", "low 1"]
    assert order.index("low 0") < 10
    assert order[-1] == "low 1"
