"""A run of a harness shows the state of its row, and after the harness has closed the last one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import cloaca
from cloaca.testing import Harness, harness


@pytest.fixture
def registry() -> cloaca.Registry:
    """``order`` charges, and then waits for a signature."""
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("order", registry=registry):

        @cloaca.task
        def charge(context: cloaca.Context) -> None:
            context.set("paid", context.get("amount"))

        cloaca.approval("signed", "Pay?", dependencies=[charge])

    return registry


@pytest.fixture
def h(registry: cloaca.Registry) -> Iterator[Harness]:
    with harness(registry) as made:
        yield made


def test_it_is_read_whenever_it_is_asked(h: Harness) -> None:
    run = h.run("order", {"amount": 5})
    before = (run.workflow, run.status, run.tasks["signed"].status, run.context)
    h.approve(run, "signed")

    assert before == ("order", "Waiting", "Waiting", {"paid": 5})
    assert (run.status, run.tasks["signed"].status) == ("Completed", "Completed")
    assert (run.input, run.context["paid"], run.error) == ({"amount": 5}, 5, None)


def test_what_it_returns_may_be_changed(h: Harness) -> None:
    run = h.run("order", {"amount": 5})

    run.input.clear()
    run.context.clear()
    run.tasks.clear()

    assert (run.input, run.context, list(run.tasks)) == (
        {"amount": 5},
        {"paid": 5},
        ["charge", "signed"],
    )


def test_it_keeps_its_last_state_when_the_harness_has_closed(registry: cloaca.Registry) -> None:
    with harness(registry) as h:
        run = h.run("order", {"amount": 5})

    assert (run.status, run.context, run.input) == ("Waiting", {"paid": 5}, {"amount": 5})
    assert repr(run) == "<run of 'order': Waiting (charge Completed, signed Waiting)>"


def test_two_of_one_run_are_equal(h: Harness) -> None:
    run, other = h.run("order", {"amount": 5}), h.run("order", {"amount": 5})

    assert h.found(run.id) == run
    assert h.found(run.handle) == run
    assert h.found(run) is run
    assert {run, h.found(run.id)} == {run}
    assert run != other
    assert run != run.id
