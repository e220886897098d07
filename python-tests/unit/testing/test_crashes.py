"""An engine that is killed writes nothing more; the next one takes over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from documents import ROOT

import cloaca
from cloaca.testing import Harness, crash_at_every_point, harness
from cloaca_core.engine.runtime import failpoints


@pytest.fixture
def registry() -> cloaca.Registry:
    return cloaca.Registry()


@pytest.fixture
def h(registry: cloaca.Registry) -> Iterator[Harness]:
    with harness(registry) as made:
        yield made


@pytest.fixture
def calls(registry: cloaca.Registry) -> list[str]:
    """The calls of the bodies of ``order``, and of its step."""
    called: list[str] = []

    def pay() -> int:
        called.append("pay")
        return 7

    with cloaca.WorkflowBuilder("order", registry=registry):

        @cloaca.task
        def charge(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            called.append("charge")
            context.set("paid", handle.step("pay", pay))

        @cloaca.task(dependencies=[charge])
        async def send(context: cloaca.Context) -> None:
            called.append("send")
            context.set("sent", True)

    return called


DONE = {"paid": 7, "sent": True}


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ("submit.before_commit", ["charge", "pay", "send"]),  # the run was not there: once more
        ("submit.after_commit", ["charge", "pay", "send"]),  # it was, and is found
        ("body.before", ["charge", "pay", "send"]),
        ("body.after", ["charge", "pay", "charge", "send"]),  # the step is kept
        ("run.before_end", ["charge", "pay", "send", "send"]),
        ("run.after_end", ["charge", "pay", "send"]),
    ],
)
def test_the_run_comes_to_its_end_all_the_same(
    h: Harness, calls: list[str], point: str, expected: list[str]
) -> None:
    h.crash_at(point)
    run = h.run("order")

    assert run.context == DONE
    assert calls == expected
    assert len(h.runner.list_runs()) == 1


def test_a_commit_that_was_made_is_there_and_one_that_was_not_is_not(
    h: Harness, calls: list[str]
) -> None:
    """The second commit of a run is that of the step's value."""
    h.crash_at("journal.before_commit", nth=2)
    assert h.run("order").context == DONE
    assert calls == ["charge", "pay", "charge", "pay", "send"]

    calls.clear()
    h.crash_at("journal.after_commit", nth=2)
    assert h.run("order").context == DONE
    assert calls == ["charge", "pay", "charge", "send"]


def test_a_body_that_waits_is_unwound_with_the_engine(
    h: Harness, registry: cloaca.Registry
) -> None:
    entered: list[str] = []

    with cloaca.WorkflowBuilder("parent", registry=registry):

        @cloaca.task
        def call(context: cloaca.Context) -> None:
            entered.append("in")
            try:
                h.runner.execute("child")
            finally:
                entered.append("out")

    with cloaca.WorkflowBuilder("child", registry=registry):

        @cloaca.task
        def work(context: cloaca.Context) -> None:
            entered.append("work")

    h.crash_at("body.after")
    run = h.run("parent")

    assert run.status == "Completed"
    assert entered == ["in", "work", "out", "in", "work", "out"]
    h.assert_submitted("child", count=1)


def test_a_run_that_waits_for_time_goes_on_at_its_instant(
    h: Harness, registry: cloaca.Registry
) -> None:
    with cloaca.WorkflowBuilder("slow", registry=registry):

        @cloaca.task(retry_attempts=2, retry_delay_ms=60_000, retry_jitter=False)
        def work(context: cloaca.Context) -> None: ...

    h.fail("slow", "work", TimeoutError)
    run = h.run("slow")
    h.crash_at("claim.after_commit")
    h.clock.advance(seconds=59)
    assert run.status == "Waiting"
    h.clock.advance(seconds=1)

    assert run.status == "Completed"
    assert h.clock.now().second == 0


def test_a_schedule_makes_each_run_once(h: Harness, registry: cloaca.Registry) -> None:
    with cloaca.WorkflowBuilder("nightly", registry=registry):

        @cloaca.task
        def work(context: cloaca.Context) -> None: ...

    h.runner.register_cron_workflow("nightly", "0 2 * * *", "UTC")
    h.crash_at("schedule.after_commit")
    h.crash_at("schedule.before_commit", nth=2)
    h.clock.advance(days=3)

    assert h.drain() == {"Completed": 3}


def test_a_call_of_the_runner_says_that_its_answer_is_lost(h: Harness, calls: list[str]) -> None:
    h.crash_at("body.after")

    with pytest.raises(cloaca.RunnerClosedError, match="as crash_at has asked"):
        h.runner.execute("order")
    assert h.drain() == {"Completed": 1}
    assert h.runner.execute("order").status == "Completed"


def test_two_crashes_in_a_row(h: Harness, calls: list[str]) -> None:
    h.crash_at("body.after")
    h.crash_at("takeover.after_fence")

    assert h.run("order").context == DONE
    assert h.drain() == {"Completed": 1}


def test_a_point_that_does_not_exist_is_refused(h: Harness) -> None:
    with pytest.raises(cloaca.ConfigError, match=r"did you mean 'journal\.after_commit'"):
        h.crash_at("journal.after_comit")
    with pytest.raises(cloaca.ConfigError, match="nth counts from 1"):
        h.crash_at("body.after", nth=0)


def test_the_reference_names_every_point() -> None:
    page = ROOT.joinpath("docs/reference/testing.md").read_text("utf-8")

    assert [point for point in failpoints.POINTS if f"`{point}`" not in page] == []


def test_no_other_harness_dies_with_it(h: Harness, registry: cloaca.Registry, calls: Any) -> None:
    h.crash_at("body.after")
    with harness(registry) as other:
        assert other.run("order").context == DONE
    assert h.run("order").context == DONE
    assert calls == ["charge", "pay", "send", "charge", "pay", "charge", "send"]


def test_nothing_is_watched_after_the_end(registry: cloaca.Registry) -> None:
    with harness(registry) as h:
        h.crash_at("body.after")

    assert failpoints.watches == ()


def test_a_crash_at_every_point_shows_what_is_done_twice(
    registry: cloaca.Registry, calls: list[str]
) -> None:
    report = crash_at_every_point("order", {"amount": 1}, registry=registry)

    assert report.context == {"amount": 1, **DONE}
    assert report.twice == ("charge", "send")
    assert report.different == ()
    twice = {(crash.point, crash.nth): crash.twice for crash in report.crashes}
    assert twice["body.after", 1] == ("charge",)
    assert twice["submit.after_commit", 1] == ()
    assert "body.after              1  twice: charge" in str(report)


def test_it_shows_a_body_that_does_not_bear_it(registry: cloaca.Registry) -> None:
    balance = [100]

    with cloaca.WorkflowBuilder("order", registry=registry):

        @cloaca.task
        def charge(context: cloaca.Context) -> None:
            balance[0] -= 10
            context.set("balance", balance[0])

    def refill(_: Harness) -> None:
        balance[0] = 100

    report = crash_at_every_point("order", registry=registry, setup=refill)

    assert report.context == {"balance": 90}
    assert {(crash.point, crash.context["balance"]) for crash in report.different} >= {
        ("body.after", 80)
    }
    assert "; ended as Completed with {'balance': 80}" in str(report)
