"""Assertions about runs, and single bodies."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import cloaca
from cloaca.testing import Harness, harness


@pytest.fixture
def registry() -> cloaca.Registry:
    """A workflow ``order`` that mails, and one ``mail``."""
    registry = cloaca.Registry()

    with cloaca.WorkflowBuilder("order", registry=registry):

        @cloaca.task(retry_delay_ms=60_000)
        def charge(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            context.set("paid", handle.step("pay", int, context["amount"]))

        @cloaca.task(dependencies=[charge], trigger_rules=cloaca.context_value("paid", ">", 100))
        def inspect(context: cloaca.Context) -> None:
            context.set("inspected", True)

        @cloaca.task(dependencies=[charge])
        def send(context: cloaca.Context) -> None:
            context.set("sent", context.get("paid"))

    with cloaca.WorkflowBuilder("mail", registry=registry):

        @cloaca.task
        def post(context: cloaca.Context) -> None: ...

    return registry


@pytest.fixture
def h(registry: cloaca.Registry) -> Iterator[Harness]:
    with harness(registry) as made:
        yield made


def test_runs_that_a_body_has_submitted_are_found(h: Harness) -> None:
    def send(_: cloaca.Context) -> None:
        h.runner.submit("mail", {"to": "ann"})

    h.replace("order", "send", send)
    h.run("order", {"amount": 5})

    h.assert_submitted("mail")
    h.assert_submitted("mail", context={"to": "ann"}, count=1)
    h.refute_submitted("mail", context={"to": "bob"})


def test_a_wrong_assertion_shows_what_was_submitted(h: Harness) -> None:
    h.submit("mail", {"to": "ann"})

    with pytest.raises(AssertionError, match=r"found 1; these [^\n]*\n  mail {'to': 'ann'}"):
        h.refute_submitted("mail")
    with pytest.raises(AssertionError, match=r"'order', found 0; these [^\n]*\n  mail {'to'"):
        h.assert_submitted("order")


def test_the_way_of_a_run_is_compared(h: Harness) -> None:
    run = h.run("order", {"amount": 5})

    h.assert_path(run, ["charge", "send"], skipped=["inspect"])
    h.assert_path(run.handle, ["charge", "send"])
    with pytest.raises(AssertionError, match="run of 'order': expected these bodies: charge;"):
        h.assert_path(run, ["charge"])


def test_a_task_that_was_tried_twice_is_on_the_way_once(h: Harness) -> None:
    h.fail("order", "charge", TimeoutError)
    run = h.run("order", {"amount": 500})
    h.clock.advance(hours=1)

    h.assert_path(run, ["charge", "inspect", "send"], skipped=[])


def test_one_body_is_called_alone(h: Harness) -> None:
    assert h.only_task("order", "send", {"paid": 3}) == {"paid": 3, "sent": 3}
    assert h.only_task("order", "charge", {"amount": 3}) == {"amount": 3, "paid": 3}
    assert h.only_task("order", "inspect") == {"inspected": True}
    assert h.drain() == {}


def test_its_error_comes_out_at_once(h: Harness) -> None:
    with pytest.raises(cloaca.ContextKeyError, match="amount"):
        h.only_task("order", "charge")


def test_what_stands_in_for_it_does_so_there_too(h: Harness) -> None:
    h.replace("order", "send", lambda _: {"sent": "elsewhere"})

    assert h.only_task("order", "send") == {"sent": "elsewhere"}


def test_a_run_has_its_input(h: Harness) -> None:
    run = h.run("order", {"amount": 5})

    assert (run.input, run.workflow) == ({"amount": 5}, "order")
    assert run == h.found(run.id)
    assert len({run, h.found(run.handle)}) == 1
