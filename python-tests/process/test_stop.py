"""Processes that end in good order, or by a signal, leave their runs to the next one."""

from __future__ import annotations

import signal

import pytest

from process.fleet import Fleet, Worker

CHAIN = ("Completed", {"trail": ["a", "b", "c", "d"]})


def at_work(
    fleet: Fleet, *, task: str = "b", flow: str = "chain", grace: int
) -> tuple[Worker, str]:
    """A worker whose run is in the body of this task, which ends when it is told to."""
    worker = fleet.start(hold=[task], shutdown_grace_seconds=grace)
    run_id = worker.submit(flow)
    worker.hear("holding")
    return worker, run_id


def test_shutdown_releases_what_outlives_the_grace_period(fleet: Fleet) -> None:
    worker, run_id = at_work(fleet, grace=0)

    worker.tell("shutdown")
    worker.hear("closed")

    assert fleet.query("SELECT owner, recoveries FROM cloaca_run") == [(None, 0)]
    assert fleet.query("SELECT count(*) FROM cloaca_runner") == [(0,)]
    assert fleet.start().result(run_id) == CHAIN


@pytest.mark.parametrize(
    ("flow", "task", "executions"),
    [
        ("chain", "b", {"a": 1, "b": 1, "c": 1, "d": 1}),
        ("async", "async", {"async": 1}),  # its loop goes on as long
    ],
)
def test_shutdown_waits_for_a_body_within_the_grace_period(
    fleet: Fleet, flow: str, task: str, executions: dict[str, int]
) -> None:
    worker, run_id = at_work(fleet, flow=flow, task=task, grace=60)
    worker.tell("release")
    worker.tell("shutdown")
    worker.hear("closed")

    assert fleet.start().result(run_id) == ("Completed", {"trail": list(executions)})
    assert fleet.executions(run_id) == executions


def test_a_process_with_a_body_that_never_ends_ends_all_the_same(fleet: Fleet) -> None:
    worker, _ = at_work(fleet, grace=0)

    assert worker.end() == (0, "")


@pytest.mark.parametrize(
    ("number", "grace", "closing"),
    [
        (signal.SIGTERM, 0, False),
        (signal.SIGINT, 0, False),
        (signal.SIGINT, 3600, True),  # the grace period ends at once
    ],
)
def test_a_signal_ends_it_and_the_next_process_goes_on(
    fleet: Fleet, number: signal.Signals, grace: int, closing: bool
) -> None:
    """No handler is installed: SIGTERM ends at once, SIGINT raises in the main thread."""
    worker, run_id = at_work(fleet, grace=grace)
    if closing:
        worker.tell("closing")
        worker.hear("closing")

    assert worker.kill(number) == -number

    assert fleet.start().result(run_id) == CHAIN
