"""14: the same idempotency key is the same run, however often and from wherever it is sent."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from tables import each_row

import cloaca

pytestmark = pytest.mark.each_backend

WAIT = 60


@pytest.fixture
def bodies() -> list[int]:
    """The numbers that the bodies of the workflow ``order`` saw, in the order in which they ran."""
    seen: list[int] = []
    with cloaca.WorkflowBuilder("order"):
        cloaca.task(id="only")(lambda context: seen.append(context["n"]))
    with cloaca.WorkflowBuilder("other"):
        cloaca.task(id="only")(lambda context: seen.append(-1))
    return seen


def test_a_key_that_was_used_gives_the_run_that_has_it(
    runner: cloaca.DefaultRunner, bodies: list[int]
) -> None:
    first = runner.submit("order", {"n": 1}, idempotency_key="order 7")
    again = runner.submit("order", {"n": 2}, idempotency_key="order 7")
    first.wait()
    after = runner.submit("order", {"n": 3}, idempotency_key="order 7")
    assert first == again == after
    assert after.result().final_context.to_dict() == {"n": 1}
    assert bodies == [1]
    assert len(runner.list_runs()) == 1


def test_another_key_none_and_another_workflow_are_other_runs(
    runner: cloaca.DefaultRunner, bodies: list[int]
) -> None:
    handles = [
        runner.submit("order", {"n": 1}, idempotency_key="a"),
        runner.submit("order", {"n": 2}, idempotency_key="A"),
        runner.submit("order", {"n": 3}),
        runner.submit("order", {"n": 4}),
        runner.submit("other", idempotency_key="a"),
    ]
    for handle in handles:
        handle.wait(WAIT)
    assert len(set(handles)) == 5
    assert sorted(bodies) == [-1, 1, 2, 3, 4]


def test_a_key_outlives_its_runner(
    open_runner: Callable[..., cloaca.DefaultRunner], bodies: list[int]
) -> None:
    first = open_runner()
    handle = first.submit("order", {"n": 1}, idempotency_key="k")
    handle.wait(WAIT)
    first.shutdown()
    again = open_runner().submit("order", {"n": 2}, idempotency_key="k")
    assert again == handle
    assert again.result(WAIT).final_context.to_dict() == {"n": 1}
    assert bodies == [1]


def test_many_threads_with_one_key_make_one_run(
    open_runner: Callable[..., cloaca.DefaultRunner], bodies: list[int]
) -> None:
    runners = [open_runner(), open_runner()]
    together = threading.Barrier(8)
    handles: list[cloaca.RunHandle] = []

    def submit(n: int) -> None:
        together.wait(WAIT)
        handles.append(runners[n % 2].submit("order", {"n": n}, idempotency_key="k"))

    threads = [threading.Thread(target=submit, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert len(handles) == 8
    assert len(set(handles)) == 1
    handles[0].wait(WAIT)
    assert len(bodies) == 1


@each_row("key", ["", "x" * 256, "a\0b", "\udc80"])
def test_a_key_that_cannot_be_stored_is_refused(
    runner: cloaca.DefaultRunner, bodies: list[int], key: str
) -> None:
    with pytest.raises(ValueError, match="idempotency_key"):
        runner.submit("order", {"n": 1}, idempotency_key=key)
    assert runner.list_runs() == []


@each_row("key", [7, b"bytes", ["list"]])
def test_a_key_of_another_type_is_refused(
    runner: cloaca.DefaultRunner, bodies: list[int], key: object
) -> None:
    with pytest.raises(TypeError, match="idempotency_key"):
        runner.submit("order", {"n": 1}, idempotency_key=key)  # type: ignore[arg-type]  # refused


def test_any_readable_key_is_taken(runner: cloaca.DefaultRunner, bodies: list[int]) -> None:
    keys = ["x", "x" * 255, "日本語 🙂", "a::b", "'; --", " "]
    handles = [runner.submit("order", {"n": 1}, idempotency_key=key) for key in keys]
    assert len(set(handles)) == len(keys)
    again = [runner.submit("order", {"n": 1}, idempotency_key=key) for key in keys]
    assert again == handles
