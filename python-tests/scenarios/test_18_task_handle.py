"""18: a body that asks for its handle knows which attempt of what it is."""

from __future__ import annotations

import functools
import getpass
import queue
import threading
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

import cloaca

QUICK: dict[str, Any] = {"retry_backoff": "fixed", "retry_delay_ms": 1, "retry_jitter": False}
WAIT = 60


@pytest.mark.each_backend
def test_what_a_handle_says(runner: cloaca.DefaultRunner) -> None:
    seen: list[cloaca.TaskHandle] = []
    with cloaca.WorkflowBuilder("told"):

        @cloaca.task(id="short id")
        def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, Any]:
            seen.append(handle)
            return {
                "run_id": handle.run_id,
                "task_id": handle.task_id,
                "attempt": handle.attempt,
                "epoch": handle.epoch,
                "idempotency_key": handle.idempotency_key,
                "held": handle.is_slot_held(),
            }

    result = runner.execute("told")
    assert result.final_context.to_dict() == {
        "run_id": result.execution_id,
        "task_id": "short id",
        "attempt": 1,
        "epoch": 1,
        "idempotency_key": f"{result.execution_id}:short id",
        "held": True,
    }
    assert isinstance(seen[0], cloaca.TaskHandle)
    assert repr(seen[0]) == f"TaskHandle(run_id={result.execution_id!r}, task_id='short id')"


def test_a_decorator_hands_it_on_or_makes_one_of_its_own(runner: cloaca.DefaultRunner) -> None:
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    def supplied(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(context: cloaca.Context) -> Any:
            return function(context, None)

        return wrapper

    with cloaca.WorkflowBuilder("decorated"):

        @cloaca.task
        @logged
        def real(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, Any]:
            return {"real": handle.task_id}

        @cloaca.task
        @supplied
        def own(context: cloaca.Context, handle: None) -> dict[str, Any]:
            return {"own": handle}

        @cloaca.task
        @mock.patch("getpass.getuser", return_value="patched")
        def neither(context: cloaca.Context, getuser: mock.Mock) -> dict[str, Any]:
            return {"neither": getpass.getuser()}

    result = runner.execute("decorated")
    assert result.error is None
    assert result.final_context.to_dict() == {"real": "real", "own": None, "neither": "patched"}


def test_the_key_is_the_same_across_attempts_and_another_elsewhere(
    runner: cloaca.DefaultRunner,
) -> None:
    keys: list[tuple[int, str]] = []

    def flaky(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        keys.append((handle.attempt, handle.idempotency_key))
        if handle.attempt < 3:
            raise RuntimeError("not yet")

    with cloaca.WorkflowBuilder("keys"):
        cloaca.task(id="a", **QUICK)(flaky)
        cloaca.task(id="b", dependencies=["a"], **QUICK)(flaky)
    runner.execute("keys")
    runner.execute("keys")
    assert [attempt for attempt, _ in keys] == [1, 2, 3] * 4
    assert [len({key for _, key in keys[start : start + 3]}) for start in (0, 3, 6, 9)] == [1] * 4
    assert len({key for _, key in keys}) == 4


@pytest.mark.parametrize("name", ["handle", "task_handle"])
def test_it_is_asked_for_by_the_name_of_the_second_parameter(
    runner: cloaca.DefaultRunner, name: str
) -> None:
    bodies: dict[str, Callable[..., Any]] = {}
    exec(  # noqa: S102 - the names of the parameters are what is tested
        f"def plain(context, {name}): return {{'plain': {name}.task_id}}\n"
        f"async def coroutine(ctx, {name}): return {{'coroutine': {name}.task_id}}\n"
        f"def only_by_keyword(context, *, {name}=None): return {{'keyword': {name} is None}}\n"
        f"def optional(context, {name}=None): return {{'optional': {name}.task_id}}\n",
        bodies,
    )
    with cloaca.WorkflowBuilder("named"):
        for task_id in ("plain", "coroutine", "only_by_keyword", "optional"):
            cloaca.task(id=task_id, retry_attempts=1)(bodies[task_id])
    assert runner.execute("named").final_context.to_dict() == {
        "plain": "plain",
        "coroutine": "coroutine",
        "keyword": True,
        "optional": "optional",
    }


def test_a_method_and_an_object_are_asked_in_the_same_way(runner: cloaca.DefaultRunner) -> None:
    class Body:
        def method(self, context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, str]:
            return {"method": handle.task_id + context["in"]}

        def __call__(self, context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, str]:
            return {"object": handle.task_id + context["in"]}

    with cloaca.WorkflowBuilder("methods"):
        cloaca.task(id="m", retry_attempts=1)(Body().method)
        cloaca.task(id="o", retry_attempts=1)(Body())
    final = runner.execute("methods", {"in": "!"}).final_context
    assert final.to_dict() == {"in": "!", "method": "m!", "object": "o!"}


def test_the_slot_is_not_held_while_the_body_waits(runner: cloaca.DefaultRunner) -> None:
    handles: list[cloaca.TaskHandle] = []
    with cloaca.WorkflowBuilder("child"):
        cloaca.task(id="only")(lambda context: {"parent held": handles[0].is_slot_held()})
    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task(retry_attempts=1)
        def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, bool]:
            handles.append(handle)
            child = runner.execute("child").final_context
            return {"during": child["parent held"], "after": handle.is_slot_held()}

    assert runner.execute("parent").final_context.to_dict() == {"during": False, "after": True}


def test_the_slot_is_not_held_after_a_timeout(runner: cloaca.DefaultRunner) -> None:
    given: queue.SimpleQueue[cloaca.TaskHandle] = queue.SimpleQueue()
    release = threading.Event()
    with cloaca.WorkflowBuilder("slow"):

        @cloaca.task(retry_attempts=1, timeout_seconds=0.05)
        def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            given.put(handle)
            release.wait(WAIT)

    assert runner.execute("slow").status == "Failed"
    assert given.get(timeout=WAIT).is_slot_held() is False
    release.set()


def test_the_epoch_grows_when_another_runner_goes_on(
    open_runner: Callable[..., cloaca.DefaultRunner],
) -> None:
    inside, release = threading.Event(), threading.Event()
    epochs: list[int] = []

    def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
        epochs.append(handle.epoch)
        inside.set()
        if handle.epoch == 1:
            release.wait(WAIT)

    with cloaca.WorkflowBuilder("moves"):
        cloaca.task(id="only")(body)
    first = open_runner(shutdown_grace_seconds=0)
    handle = first.submit("moves")
    assert inside.wait(WAIT)
    first.shutdown()
    result = open_runner().get_run(handle.id).result(WAIT)
    release.set()
    assert result.status == "Completed"
    assert epochs[0] == 1
    assert epochs[1] > 1
