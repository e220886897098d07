"""Processes that end in good order, or by a signal, leave their runs to the next one."""

from __future__ import annotations

import signal

import pytest

from process.fleet import Fleet

CHAIN = ("Completed", {"trail": ["a", "b", "c", "d"]})


def test_shutdown_releases_what_outlives_the_grace_period(fleet: Fleet) -> None:
    worker = fleet.start(hold=["b"], shutdown_grace_seconds=0)
    run_id = worker.submit("chain")
    worker.hear("holding")

    worker.tell("shutdown")
    worker.hear("closed")

    assert fleet.query("SELECT owner, recoveries FROM cloaca_run") == [(None, 0)]
    assert fleet.query("SELECT count(*) FROM cloaca_runner") == [(0,)]
    assert fleet.start().result(run_id) == CHAIN


def test_shutdown_waits_for_a_body_within_the_grace_period(fleet: Fleet) -> None:
    worker = fleet.start(hold=["b"], shutdown_grace_seconds=60)
    run_id = worker.submit("chain")
    worker.hear("holding")
    worker.tell("release")
    worker.tell("shutdown")
    worker.hear("closed")

    assert fleet.start().result(run_id) == CHAIN
    assert fleet.executions(run_id) == {"a": 1, "b": 1, "c": 1, "d": 1}


def test_a_process_with_a_body_that_never_ends_ends_all_the_same(fleet: Fleet) -> None:
    worker = fleet.start(hold=["b"], shutdown_grace_seconds=0)
    worker.submit("chain")
    worker.hear("holding")

    assert worker.end() == (0, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_the_next_process_goes_on(
    fleet: Fleet, number: signal.Signals
) -> None:
    """No handler is installed: SIGTERM ends at once, SIGINT raises in the main thread."""
    worker = fleet.start(hold=["b"], shutdown_grace_seconds=0)
    run_id = worker.submit("chain")
    worker.hear("holding")

    assert worker.kill(number) == -number

    assert fleet.start().result(run_id) == CHAIN


def test_ctrl_c_during_the_grace_period_ends_it_at_once(fleet: Fleet) -> None:
    worker = fleet.start(hold=["b"], shutdown_grace_seconds=3600)
    run_id = worker.submit("chain")
    worker.hear("holding")
    worker.tell("closing")
    worker.hear("closing")

    assert worker.kill(signal.SIGINT) == -signal.SIGINT

    assert fleet.start().result(run_id) == CHAIN


def test_an_async_body_gets_the_grace_period_too(fleet: Fleet) -> None:
    worker = fleet.start(hold=["async"], shutdown_grace_seconds=60)
    run_id = worker.submit("async")
    worker.hear("holding")
    worker.tell("release")
    worker.tell("shutdown")
    worker.hear("closed")

    fleet.start().result(run_id)
    assert fleet.executions(run_id) == {"async": 1}
