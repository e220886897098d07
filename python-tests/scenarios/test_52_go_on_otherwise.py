"""52: a run goes on otherwise than it began: with another limit, other keys, fresh attempts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import cloaca

WAIT = 30
OpenRunner = Callable[..., cloaca.DefaultRunner]


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Lets bodies go that wait for it, when the test ends at the latest."""
    event = threading.Event()
    yield event
    event.set()


# -- another time limit --------------------------------------------------------------------------


def test_a_round_may_take_as_long_as_its_retry_says(
    runner: cloaca.DefaultRunner, release: threading.Event
) -> None:
    with cloaca.WorkflowBuilder("endless"):
        cloaca.task(id="only", retry_attempts=1)(lambda context: {"released": release.wait(WAIT)})
    run = runner.submit("endless", time_limit=0.05)
    assert run.result(WAIT).error_message == "Pipeline timeout after 0.05s"

    again = runner.retry(run.id, time_limit=0.06)
    assert again.result(WAIT).error_message == "Pipeline timeout after 0.06s"
    assert runner.retry(run.id).result(WAIT).error_message == "Pipeline timeout after 0.06s"
    last = runner.retry(run.id, time_limit=cloaca.NO_LIMIT)
    release.set()
    assert last.result(WAIT).status == "Completed"


def test_a_submit_that_begins_a_failed_run_again_says_how_long_it_may_take(
    runner: cloaca.DefaultRunner, release: threading.Event
) -> None:
    with cloaca.WorkflowBuilder("endless"):
        cloaca.task(id="only", retry_attempts=1)(lambda context: {"released": release.wait(WAIT)})
    runner.submit("endless", time_limit=0.05, idempotency_key="k").wait(WAIT)

    again = runner.submit("endless", time_limit=0.06, idempotency_key="k", failed_policy="retry")

    assert not again.created
    assert again.result(WAIT).error_message == "Pipeline timeout after 0.06s"


@pytest.mark.parametrize(("limit", "kind"), [(0, ValueError), ("5", TypeError)])
def test_another_limit_of_a_round_is_refused(
    runner: cloaca.DefaultRunner, limit: Any, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match="time_limit must be"):
        runner.retry("any", time_limit=limit)
