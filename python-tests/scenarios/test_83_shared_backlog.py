"""Runs that wait for a slot of one runner go to another that has nothing to do."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

import cloaca

pytestmark = pytest.mark.each_backend

PATIENCE = 60.0
SLOTS = 4


def test_runs_that_were_submitted_through_one_runner_finish_on_both(database_url: str) -> None:
    registry = cloaca.Registry()
    ran: list[str] = []
    both_are_full = threading.Event()

    with cloaca.WorkflowBuilder("flow", registry=registry):

        @cloaca.task(id="body")
        def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            ran.append(handle.run_id)
            if len(ran) == 2 * SLOTS:  # none of them has ended
                both_are_full.set()
            assert both_are_full.wait(PATIENCE)

    settings = [
        cloaca.DefaultRunnerConfig(runner_id=name, max_concurrent_tasks=SLOTS)
        for name in ("busy", "idle")
    ]
    with (
        cloaca.DefaultRunner(database_url, config=settings[0], registry=registry) as busy,
        cloaca.DefaultRunner(database_url, config=settings[1], registry=registry),
    ):
        handles = busy.submit_many("flow", [{}] * 40)
        results = [each.result(PATIENCE) for each in handles]

    assert {each.status for each in results} == {"Completed"}
    assert Counter(Counter(ran).values()) == {1: 40}
