"""44: a failed run goes on from its failure, and another run is made of one from a task on."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

import cloaca

WAIT = 60


class Shop:
    """A workflow of four tasks: ``fetch``, then ``price`` and ``weigh``, then ``pack``.

    It tells which bodies ran, and ``pack`` fails until it is open.
    """

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.keys: list[str] = []
        self.open = False

    def define(self) -> None:
        with cloaca.WorkflowBuilder("shop"):

            @cloaca.task
            def fetch(context: cloaca.Context) -> None:
                self.ran.append("fetch")
                context["items"] = context.get("items", 2)

            @cloaca.task(dependencies=[fetch])
            def price(context: cloaca.Context) -> None:
                self.ran.append("price")
                context["total"] = context["items"] * context.get("each", 10)

            @cloaca.task(dependencies=[fetch])
            def weigh(context: cloaca.Context) -> None:
                self.ran.append("weigh")
                context["grams"] = context["items"] * 100

            @cloaca.task(dependencies=[price, weigh], retry_attempts=1)
            def pack(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
                self.ran.append("pack")
                self.keys.append(handle.idempotency_key)
                if not self.open:
                    raise ConnectionError("the shop is closed")
                context["packed"] = [context["total"], context["grams"]]

    def since(self) -> list[str]:
        """The bodies that ran since the last call, in the order of their names."""
        ran, self.ran = sorted(self.ran), []
        return ran


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()
    made.define()
    yield made
    made.open = True


def failed(runner: cloaca.DefaultRunner, shop: Shop) -> cloaca.RunHandle:
    run = runner.submit("shop", tags={"of": "ann"}, idempotency_key="order-1")
    assert run.result(WAIT).status == "Failed"
    assert shop.since() == ["fetch", "pack", "price", "weigh"]
    return run


@pytest.mark.each_backend
def test_a_retry_runs_what_failed_and_keeps_the_rest(
    runner: cloaca.DefaultRunner, shop: Shop
) -> None:
    run = failed(runner, shop)
    shop.open = True

    again = runner.retry(run.id, by="ann")
    result = again.result(WAIT)

    assert again.id == run.id
    assert shop.since() == ["pack"]
    assert (result.status, result.error_message) == ("Completed", None)
    assert result.final_context["packed"] == [20, 200]
    assert run.info().round == 2
    assert [(each.round, each.status) for each in run.rounds()] == [(1, "Failed"), (2, "Completed")]
    assert len(set(shop.keys)) == 1  # what pack asks others to do is known to them by one key


def test_a_run_can_be_retried_as_often_as_it_fails(
    runner: cloaca.DefaultRunner, shop: Shop
) -> None:
    run = failed(runner, shop)

    for round_ in (2, 3):
        assert runner.retry(run.id).result(WAIT).status == "Failed"
        assert run.info().round == round_

    assert shop.since() == ["pack", "pack"]
    assert [each.attempt for each in run.attempts() if each.task_id == "pack"] == [1, 2, 3]


def test_tasks_may_be_chosen_and_what_is_below_runs_too(
    runner: cloaca.DefaultRunner, shop: Shop
) -> None:
    run = failed(runner, shop)
    shop.open = True

    assert [item.task for item in runner.plan_retry(run.id, tasks=["weigh"]).run] == [
        "weigh",
        "pack",
    ]
    assert shop.since() == []
    assert runner.retry(run.id, tasks=["weigh"]).result(WAIT).status == "Completed"

    assert shop.since() == ["pack", "weigh"]


def test_a_retry_survives_its_process(
    database_url: str, runner: cloaca.DefaultRunner, shop: Shop
) -> None:
    """What was kept is read from the database by the runner that claims the new round."""
    run = failed(runner, shop)
    runner.shutdown()
    shop.open = True
    with cloaca.Client(database_url) as client:
        client.retry(run.id)
        assert client.get_run(run.id).status() == "Pending"

    with cloaca.DefaultRunner(database_url) as other:
        result = other.get_run(run.id).result(WAIT)

    assert shop.since() == ["pack"]
    assert result.final_context["packed"] == [20, 200]


def test_a_run_with_a_key_is_begun_again_by_a_submission_that_asks_for_it(
    runner: cloaca.DefaultRunner, shop: Shop
) -> None:
    run = failed(runner, shop)
    shop.open = True
    kept = runner.submit("shop", idempotency_key="order-1")
    assert (kept.id, kept.created, kept.result(WAIT).status) == (run.id, False, "Failed")

    again = runner.submit("shop", idempotency_key="order-1", failed_policy="retry")

    assert (again.id, again.created) == (run.id, False)
    assert again.result(WAIT).status == "Completed"
    assert shop.since() == ["pack"]


def test_a_fork_keeps_the_results_that_are_not_below_its_task(
    runner: cloaca.DefaultRunner, shop: Shop
) -> None:
    shop.open = True
    run = runner.submit("shop", {"items": 3}, tags={"of": "ann"})
    first = run.result(WAIT)
    shop.since()

    copy = run.fork("price", context={"each": 7})
    result = copy.result(WAIT)

    assert copy.created
    assert shop.since() == ["pack", "price"]
    assert result.final_context["packed"] == [21, 300]
    assert result.final_context["each"] == 7
    assert (copy.info().forked_from, copy.info().round) == (run.id, 1)
    assert copy.info().tags == {"of": "ann"}
    assert run.result(WAIT).final_context == first.final_context
    assert run.info().forked_from is None
    assert len(set(shop.keys)) == 2  # the copy asks others on its own account


def test_what_a_fork_set_is_there_in_a_fork_of_it_that_keeps_the_result(
    runner: cloaca.DefaultRunner, shop: Shop
) -> None:
    shop.open = True
    run = runner.submit("shop", {"items": 3})
    run.wait(WAIT)
    copy = run.fork("price", context={"each": 7})
    copy.wait(WAIT)
    shop.since()

    second = copy.fork("pack").result(WAIT)

    assert shop.since() == ["pack"]
    assert (second.final_context["each"], second.final_context["packed"]) == (7, [21, 300])


def test_a_run_that_failed_can_be_forked_and_stays_as_it_is(
    runner: cloaca.DefaultRunner, shop: Shop
) -> None:
    run = failed(runner, shop)
    shop.open = True

    plan = run.plan_fork("pack")
    assert ([item.task for item in plan.keep], [item.task for item in plan.run]) == (
        ["fetch", "price", "weigh"],
        ["pack"],
    )
    copy = run.fork("pack", tags={}, idempotency_key="order-1-again")
    same = run.fork("pack", idempotency_key="order-1-again")

    assert copy.result(WAIT).status == "Completed"
    assert (same.id, same.created) == (copy.id, False)
    assert shop.since() == ["pack"]
    assert copy.info().tags == {}
    assert run.status() == "Failed"


def test_a_handle_retries_its_run_and_a_runner_forks_by_id(
    runner: cloaca.DefaultRunner, shop: Shop
) -> None:
    run = failed(runner, shop)
    shop.open = True

    assert run.plan_retry(tasks=["weigh"]) == runner.plan_retry(run.id, tasks=["weigh"])
    assert runner.plan_fork(run.id, "pack") == run.plan_fork("pack")
    copy = runner.fork(run.id, "pack", context={"each": 7}, tags={"of": "bob"})
    again = run.retry(reason="the shop is open", by="ann")

    assert (copy.result(WAIT).status, copy.info().forked_from) == ("Completed", run.id)
    assert copy.info().tags == {"of": "bob"}
    assert (again, again.result(WAIT).status, again.info().round) == (run, "Completed", 2)
    assert "by ann: the shop is open" in [event.detail for event in run.events()]


def test_what_cannot_be_begun_again_is_refused_and_nothing_is_written(
    runner: cloaca.DefaultRunner, shop: Shop
) -> None:
    run = failed(runner, shop)
    shop.open = True
    unknown = "01890a5d-ac96-774b-bcce-b302099a8057"
    with pytest.raises(cloaca.RunNotFoundError):
        runner.retry(unknown)
    with pytest.raises(cloaca.TaskNotFoundError, match="no task 'wrap'; it has fetch, price"):
        run.fork("wrap")
    with pytest.raises(cloaca.RunNotFoundError):
        runner.fork(unknown, "pack")
    with pytest.raises(cloaca.CloacaError, match="wrap"):
        runner.retry(run.id, tasks=["pack", "wrap"])
    for bad in ({"x": object()}, ["x"]):
        with pytest.raises(cloaca.CloacaError):
            run.fork("pack", context=bad)  # type: ignore[arg-type]  # refused
    assert (run.status(), run.info().round, shop.since()) == ("Failed", 1, [])
    assert runner.count_runs() == 1

    runner.retry(run.id).wait(WAIT)
    with pytest.raises(cloaca.RunStateError, match="fork") as refused:
        runner.retry(run.id)
    assert (refused.value.status, refused.value.accepted) == ("Completed", ("Failed", "Cancelled"))


class Family:
    """A parent that executes a child, which fails until it may succeed."""

    def __init__(self, attempts: int) -> None:
        self.begun: list[tuple[str, str]] = []
        self.open = False
        self.runner: cloaca.DefaultRunner
        with cloaca.WorkflowBuilder("child"):

            @cloaca.task(id="only", retry_attempts=1)
            def child(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
                self.begun.append(("child", handle.run_id))
                if not self.open:
                    raise ConnectionError("closed")

        with cloaca.WorkflowBuilder("parent"):

            @cloaca.task(id="only", retry_attempts=attempts, retry_delay_ms=1)
            def parent(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, str]:
                self.begun.append(("parent", handle.run_id))
                result = self.runner.execute("child")
                result.raise_for_status()
                return {"child": result.execution_id}

    def fail(self, runner: cloaca.DefaultRunner) -> cloaca.RunHandle:
        """A parent that has failed, since its child did."""
        self.runner = runner
        run = runner.submit("parent")
        assert run.result(WAIT).status == "Failed"
        self.begun.clear()
        return run


def children(run: cloaca.RunHandle) -> list[tuple[int, str]]:
    """The round and state of each child of a run, the first child first."""
    return [(each.round, each.status) for each in reversed(run.children())]


def test_a_failed_child_is_begun_again_before_its_parent_and_keeps_its_id(
    runner: cloaca.DefaultRunner,
) -> None:
    family = Family(attempts=2)
    run = family.fail(runner)
    first, latest = [each.id for each in reversed(run.children())]
    family.open = True

    runner.retry(run.id)

    assert run.result(WAIT).final_context["child"] == latest
    assert sorted(family.begun) == sorted([("child", latest), ("parent", run.id)])
    assert children(run) == [(1, "Failed"), (2, "Completed")]
    assert runner.get_run(first).info().round == 1


def test_a_child_that_fails_again_is_what_its_call_comes_to(
    runner: cloaca.DefaultRunner,
) -> None:
    family = Family(attempts=1)
    run = family.fail(runner)
    (child,) = run.children()
    runner.stop()

    runner.retry(run.id)
    runner.start()

    assert run.result(WAIT).status == "Failed"
    assert sorted(family.begun) == sorted([("child", child.id), ("parent", run.id)])
    assert children(run) == [(2, "Failed")]


def test_a_further_attempt_in_the_new_round_starts_another_child(
    runner: cloaca.DefaultRunner,
) -> None:
    family = Family(attempts=2)
    run = family.fail(runner)
    assert children(run) == [(1, "Failed"), (1, "Failed")]

    runner.retry(run.id)

    assert run.result(WAIT).status == "Failed"
    assert children(run) == [(1, "Failed"), (2, "Failed"), (1, "Failed")]


def test_a_parent_that_is_begun_again_alone_starts_another_child(
    runner: cloaca.DefaultRunner,
) -> None:
    family = Family(attempts=1)
    run = family.fail(runner)
    family.open = True

    runner.retry(run.id, children=False)

    assert run.result(WAIT).status == "Completed"
    assert children(run) == [(1, "Failed"), (1, "Completed")]


def test_a_run_is_not_begun_again_while_a_child_of_it_is_still_being_cancelled(
    runner: cloaca.DefaultRunner,
) -> None:
    begun, leave = threading.Event(), threading.Event()
    with cloaca.WorkflowBuilder("child"):

        @cloaca.task(id="only")
        def child(context: cloaca.Context) -> None:
            begun.set()
            assert leave.wait(WAIT)

    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task(id="only")
        def parent(context: cloaca.Context) -> dict[str, str]:
            return {"child": runner.execute("child").status}

    run = runner.submit("parent", idempotency_key="once")
    assert begun.wait(WAIT)
    run.cancel(grace=WAIT)
    assert run.result(WAIT).status == "Cancelled"
    (seen,) = run.children()

    with pytest.raises(cloaca.RunStateError, match="retry when it has ended") as refused:
        run.retry()
    assert (refused.value.run_id, refused.value.status) == (seen.id, "Cancelling")
    with pytest.raises(cloaca.RunStateError, match="retry when it has ended"):
        runner.submit("parent", idempotency_key="once", failed_policy="retry")
    many = runner.retry_many(workflow_name="parent")
    assert (many.changed, many.refused, run.info().round) == (0, 1, 1)

    leave.set()
    runner.get_run(seen.id).wait(WAIT)
    run.retry()
    assert run.result(WAIT).final_context["child"] == "Completed"
    assert children(run) == [(2, "Completed")]


async def test_all_of_it_can_be_awaited(database_url: str, shop: Shop) -> None:
    async with cloaca.AsyncRunner(database_url) as runner:
        run = await runner.submit("shop")
        assert (await run.result(WAIT)).status == "Failed"
        shop.open = True
        again = await runner.retry(run.id)
        assert (await again.result(WAIT)).status == "Completed"
        assert [item.task for item in (await run.plan_fork("weigh")).run] == ["weigh", "pack"]
        copy = await run.fork("weigh")
        assert (await copy.result(WAIT)).status == "Completed"
        assert (await copy.info()).forked_from == run.id
