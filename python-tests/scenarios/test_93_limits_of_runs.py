"""Limits of whole runs: a run has its place from its first start to its end; until then it is
Pending.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from scenarios.steering import Gate, until

import cloaca
from cloaca import databases
from cloaca.testing import crash_at_every_point

OpenRunner = Callable[..., cloaca.DefaultRunner]


def wait_for(status: str, *runs: Any) -> None:
    """Wait until these runs have this status."""
    until(lambda: all(each.info().status == status for each in runs))


def gated(gate: Gate, *limits: Any, name: str = "nightly", **options: Any) -> None:
    """A workflow with one task, which is held, and limits of its runs."""
    with cloaca.WorkflowBuilder(name) as builder:
        builder.limits(*limits)

        @cloaca.task(**options)
        def work(context: cloaca.Context) -> None:
            gate.hold(context)
            gate.seen.append(context["who"])


@pytest.mark.each_backend
def test_a_run_begins_when_it_has_its_place(open_runner: OpenRunner) -> None:
    gate = Gate()
    gated(gate, cloaca.Limit("nightly", total=1))
    runner = open_runner()

    first = runner.submit("nightly", {"who": "first"})
    assert gate.begun.wait(60)
    second = runner.submit("nightly", {"who": "second"})
    wait_for("Pending", second)
    until(lambda: second.info().started_at is None)

    gate.open.set()
    assert first.result(60).status == "Completed"
    assert second.result(60).status == "Completed"
    assert gate.seen == ["first", "second"]


@pytest.mark.each_backend
def test_runs_of_one_key_begin_one_after_the_other(open_runner: OpenRunner) -> None:
    gate = Gate()
    gated(gate, cloaca.Limit("nightly", per_key=1).key("who"))
    runner = open_runner()
    ann = [runner.submit("nightly", {"who": "ann"}) for _ in range(2)]
    bob = runner.submit("nightly", {"who": "bob"})

    wait_for("Running", bob)
    wait_for("Pending", ann[1])
    gate.open.set()

    assert [run.result(60).status for run in (*ann, bob)] == ["Completed"] * 3


@pytest.mark.each_backend
def test_a_retried_run_waits_for_its_place_anew(open_runner: OpenRunner) -> None:
    gate, fails = Gate(), [True]
    with cloaca.WorkflowBuilder("nightly") as builder:
        builder.limits(cloaca.Limit("nightly", total=1))

        @cloaca.task(retry_attempts=1)
        def work(context: cloaca.Context) -> None:
            if fails:
                fails.pop()
                raise OSError("no connection")
            gate.hold(context)
            gate.seen.append(context["who"])

    runner = open_runner()
    first = runner.submit("nightly", {"who": "first"})
    assert first.result(60).status == "Failed"
    second = runner.submit("nightly", {"who": "second"})
    assert gate.begun.wait(60)

    first.retry()
    wait_for("Pending", first)
    gate.open.set()

    assert second.result(60).status == "Completed"
    assert first.result(60).status == "Completed"
    assert gate.seen == ["second", "first"]


@pytest.mark.each_backend
def test_explain_names_the_limit_of_a_run_its_key_and_who_holds_the_place(
    open_runner: OpenRunner,
) -> None:
    gate = Gate()
    gated(gate, cloaca.Limit("nightly", per_key=1).key("who"))
    runner = open_runner()
    first = runner.submit("nightly", {"who": "ann"})
    assert gate.begun.wait(60)
    second = runner.submit("nightly", {"who": "ann"}, start_by=3600)
    wait_for("Pending", second)
    until(lambda: second.explain().code == "limit")

    explained = second.explain()
    gate.open.set()

    assert explained.waits_for == cloaca.Wait("limit", "nightly")
    assert explained.why.startswith(
        f'it waits for a place of limit nightly with key "ann", which run {first.id} holds'
    )
    assert second.result(60).status == "Completed"


@pytest.mark.backend("sqlite", reason="what is said of a limit, not what the database does")
def test_explain_says_for_which_limits_a_run_waits_that_has_left(open_runner: OpenRunner) -> None:
    gate = Gate()
    with cloaca.WorkflowBuilder("calls"):

        @cloaca.task(limits=[cloaca.Limit("api", total=1)])
        def call(context: cloaca.Context) -> None:
            gate.hold(context)

    runner = open_runner(evict_after_seconds=0)
    first = runner.submit("calls")
    assert gate.begun.wait(60)
    second = runner.submit("calls")
    wait_for("Waiting", second)

    explained = second.explain()
    gate.open.set()

    why = f"waits for a place of limit api, which call of run {first.id} holds"
    assert explained.tasks[0].why == why
    assert (explained.code, explained.waits_for) == ("limit", cloaca.Wait("limit", "api"))
    assert explained.why.startswith("tasks that wait for places of limits: call")
    assert second.result(60).status == "Completed"


@pytest.mark.each_backend
def test_a_program_with_more_places_begins_what_waits_also_in_a_copy(
    new_database_url: Callable[[], str],
) -> None:
    source, target = new_database_url(), new_database_url()

    def registry(total: int) -> cloaca.Registry:
        made = cloaca.Registry()
        with cloaca.WorkflowBuilder("nightly", registry=made) as builder:
            builder.limits(cloaca.Limit("nightly", total=total))
            cloaca.task(id="work")(lambda context: {"done": True})
        return made

    with cloaca.DefaultRunner(source, registry=registry(0)) as runner:
        runs = [runner.submit("nightly") for _ in range(2)]
        until(lambda: all(each.explain().code == "limit" for each in runs))
        wait_for("Pending", *runs)
    databases.copy(source, target, paused=True)

    with cloaca.DefaultRunner(target, registry=registry(1)) as runner:
        runner.resume_workflow("nightly")
        copies = [runner.get_run(each.id).result(60) for each in runs]
        assert [each.status for each in copies] == ["Completed"] * 2


def test_runs_of_a_client_without_the_code_wait_too(
    open_runner: OpenRunner, database_url: str
) -> None:
    gate = Gate()
    gated(gate, cloaca.Limit("nightly", total=1))
    runner = open_runner()
    with cloaca.Client(database_url) as client:
        runs = [client.submit("nightly", {"who": who}) for who in ("ann", "bob")]
        assert gate.begun.wait(60)
        until(lambda: sorted(each.info().status for each in runs) == ["Pending", "Running"])

        gate.open.set()
        assert [each.result(60).status for each in runs] == ["Completed"] * 2
    runner.shutdown()


@pytest.mark.backend("sqlite", reason="each engine has a database in memory")
def test_a_crash_at_every_point_loses_no_place_of_a_run() -> None:
    registry = cloaca.Registry()
    one = cloaca.Limit("one", total=1)
    with cloaca.WorkflowBuilder("work", registry=registry) as builder:
        builder.limits(one)
        first = cloaca.task(id="first", limits=[one])(lambda context: {"n": 1})
        cloaca.task(id="second", dependencies=[first])(lambda context: {"n": context["n"] + 1})

    report = crash_at_every_point("work", {}, registry=registry)

    assert report.status == "Completed"
    assert report.different == ()
