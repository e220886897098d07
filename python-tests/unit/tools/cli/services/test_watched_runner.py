"""A runner that another program watches says when it is over, and how it is within a time."""

from __future__ import annotations

import threading

import pytest

import cloaca
from cloaca_tools.cli.services.watched_runner import Worker

PATIENCE = 60


def test_it_says_when_it_has_shut_down(database_url: str) -> None:
    over = threading.Event()
    worker = Worker(database_url, registry=cloaca.Registry())
    worker.when_over(over.set)

    assert not over.is_set()
    worker.shutdown()
    assert over.wait(PATIENCE)


def test_it_says_when_it_has_broken_down(database_url: str) -> None:
    over = threading.Event()
    worker = Worker(database_url, registry=cloaca.Registry())
    worker.when_over(over.set)

    worker._host._break_down("on purpose")

    assert over.wait(PATIENCE)
    with pytest.raises(cloaca.RunnerClosedError, match="on purpose"):
        worker.shutdown()


def test_its_health_comes_within_a_time_or_not_at_all(database_url: str) -> None:
    asked = threading.Event()

    async def be_busy(_: object) -> None:
        asked.wait(PATIENCE)  # holds the loop that would answer

    with Worker(database_url, registry=cloaca.Registry()) as worker:
        assert worker.health_within(PATIENCE)["active_runs"] == 0
        worker._host.send(be_busy)
        with pytest.raises(cloaca.PipelineTimeoutError):
            worker.health_within(0)
        asked.set()


def test_it_can_be_told_to_wait_for_no_body_before_it_shuts_down(database_url: str) -> None:
    registry = cloaca.Registry()
    begun, over, ended = threading.Event(), threading.Event(), threading.Event()
    with cloaca.WorkflowBuilder("held", registry=registry):

        @cloaca.task
        def hold(context: cloaca.Context) -> None:
            begun.set()
            over.wait(PATIENCE / 3)
            ended.set()

    config = cloaca.DefaultRunnerConfig(shutdown_grace_seconds=3600)
    worker = Worker(database_url, registry=registry, config=config)
    worker.submit("held")
    assert begun.wait(PATIENCE)

    worker.hurry()
    worker.shutdown()

    assert not ended.is_set()
    over.set()
