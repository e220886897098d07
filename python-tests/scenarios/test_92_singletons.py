"""Singletons: at most one run of a workflow and key is under way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import cloaca

OpenRunner = Callable[..., cloaca.DefaultRunner]
KEY = "customer 7"


class Gate:
    """Holds the bodies of the workflow "sync" until it is opened; notes which have begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.entered = threading.Semaphore(0)
        self._open = threading.Semaphore(0)
        with cloaca.WorkflowBuilder("sync"):

            @cloaca.task(retry_attempts=0)
            def only(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, Any]:
                self.begun.append(context["name"])
                self.entered.release()
                while not self._open.acquire(timeout=0.01):
                    if handle.cancelled:
                        return {}
                if context.get("fails"):
                    raise ValueError("no answer")
                return {"synced": context["name"]}

    def let_end(self) -> None:
        """Let one body end."""
        self._open.release()

    def wait_begun(self) -> None:
        """Wait until one more body has begun."""
        assert self.entered.acquire(timeout=20)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    for _ in range(20):
        made.let_end()


def submit(
    client: Any, name: str, policy: Any = "existing", key: str = KEY, **more: Any
) -> cloaca.RunHandle:
    run: cloaca.RunHandle = client.submit(
        "sync",
        {"name": name, **more.pop("context", {})},
        singleton=key,
        singleton_policy=policy,
        **more,
    )
    return run


def ended(run: cloaca.RunHandle) -> str:
    """The status of a run, once it has ended."""
    run.wait(timeout=20)
    return run.status()


@pytest.mark.each_backend
def test_the_run_under_way_is_given_until_it_has_ended(
    runner: cloaca.DefaultRunner, gate: Gate
) -> None:
    first = submit(runner, "first")
    gate.wait_begun()
    second = submit(runner, "second")

    assert (first.created, second.created, second.id) == (True, False, first.id)
    assert submit(runner, "of another key", key="customer 8").created
    gate.wait_begun()
    gate.let_end()
    gate.let_end()
    assert ended(first) == "Completed"
    assert submit(runner, "third").created


def test_reject_raises_with_the_run_under_way(runner: cloaca.DefaultRunner, gate: Gate) -> None:
    first = submit(runner, "first")
    gate.wait_begun()

    with pytest.raises(cloaca.SingletonError, match=f"run {first.id} of sync .*'customer 7'") as it:
        submit(runner, "second", "reject")

    assert (it.value.run_id, it.value.status) == (first.id, "Running")
    assert isinstance(it.value, cloaca.RunStateError)


@pytest.mark.each_backend
def test_queued_runs_begin_one_after_the_other(runner: cloaca.DefaultRunner, gate: Gate) -> None:
    runs = [submit(runner, name, "queue") for name in ("first", "second", "third")]
    gate.wait_begun()

    assert gate.begun == ["first"]
    why = runs[1].explain()
    assert f"it waits for the run before it with singleton key 'customer 7', {runs[0].id}" in str(
        why
    )

    for run in runs:
        gate.let_end()
        assert ended(run) == "Completed"
    assert gate.begun == ["first", "second", "third"]


@pytest.mark.each_backend
def test_cancel_old_cancels_the_runs_before_and_begins_when_they_have_ended(
    runner: cloaca.DefaultRunner, gate: Gate
) -> None:
    old, queued = submit(runner, "old"), submit(runner, "queued", "queue")
    gate.wait_begun()

    new = submit(runner, "new", "cancel_old", by="ann")

    assert new.created
    assert ended(old) == "Cancelled"
    assert ended(queued) == "Cancelled"
    gate.wait_begun()
    gate.let_end()
    assert ended(new) == "Completed"
    assert gate.begun == ["old", "new"]
    act = next(each for each in runner.actions() if each.run_id == old.id)
    assert (act.by, act.reason) == ("ann", "another run took its place, by its singleton key")


def test_the_idempotency_key_comes_first(runner: cloaca.DefaultRunner, gate: Gate) -> None:
    first = submit(runner, "first", idempotency_key="k")
    gate.let_end()
    assert ended(first) == "Completed"
    other = submit(runner, "other")
    gate.wait_begun()

    again = submit(runner, "again", "cancel_old", idempotency_key="k")

    assert (again.id, again.created) == (first.id, False)
    assert other.status() == "Running"


@pytest.mark.each_backend
def test_a_run_is_not_begun_again_while_another_holds_its_key(
    runner: cloaca.DefaultRunner, gate: Gate
) -> None:
    failed = submit(runner, "failed", context={"fails": True})
    gate.wait_begun()
    gate.let_end()
    assert ended(failed) == "Failed"
    other = submit(runner, "other")
    gate.wait_begun()

    with pytest.raises(cloaca.SingletonError) as it:
        failed.retry()
    assert it.value.run_id == other.id
    assert runner.actions() == []

    assert failed.fork("only").created  # which has no key
    gate.let_end()
    gate.let_end()
    assert ended(other) == "Completed"
    failed.retry()
    assert submit(runner, "more").id == failed.id


def test_of_failed_runs_of_a_key_that_are_retried_together_one_begins(
    runner: cloaca.DefaultRunner, gate: Gate
) -> None:
    failed = [submit(runner, name, "queue", context={"fails": True}) for name in "ab"]
    for run in failed:
        gate.let_end()
        assert ended(run) == "Failed"

    result = runner.retry_many(status=["Failed"])

    assert (result.changed, result.refused) == (1, 1)
    assert sorted(run.status() == "Failed" for run in failed) == [False, True]


def test_a_client_without_a_runner_takes_part(
    runner: cloaca.DefaultRunner, database_url: str, gate: Gate
) -> None:
    first = submit(runner, "first")
    gate.wait_begun()

    with cloaca.Client(database_url) as client:
        assert submit(client, "second").id == first.id
        third = submit(client, "third", "queue")

    gate.let_end()
    gate.let_end()
    assert ended(runner.get_run(third.id)) == "Completed"


def test_what_cannot_be_is_refused(runner: cloaca.DefaultRunner, gate: Gate) -> None:
    for options, what in [
        ({"singleton_policy": "queue"}, "give singleton="),
        ({"singleton": "k", "singleton_policy": "wait"}, '"existing", "reject", "queue", "cancel'),
        ({"singleton": ""}, "singleton must have 1 to 255 characters"),
        ({"singleton": "k", "connection": object()}, "cannot be part of your transaction"),
    ]:
        with pytest.raises(cloaca.ConfigError, match=what):
            runner.submit("sync", {"name": "x"}, **options)  # type: ignore[arg-type]  # on purpose
    assert gate.begun == []
