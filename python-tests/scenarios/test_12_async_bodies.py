"""12: ``async def`` bodies run on a loop of their own, many at once, beside the others."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from functools import partial

import pytest

import cloaca

WAIT = 60
OpenRunner = Callable[..., cloaca.DefaultRunner]


@pytest.mark.each_backend
def test_an_async_body_reads_and_writes_like_any_other(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("async_body"):

        @cloaca.task
        async def first(context: cloaca.Context) -> None:
            await asyncio.sleep(0)
            context["first"] = context["in"] + 1

        @cloaca.task(dependencies=[first])
        def second(context: cloaca.Context) -> dict[str, int]:
            return {"second": context["first"] + 1}

        @cloaca.task(dependencies=[second])
        async def third(context: cloaca.Context, handle: cloaca.TaskHandle) -> cloaca.Context:
            return cloaca.Context({"third": context["second"] + 1, "attempt": handle.attempt})

    result = runner.execute("async_body", {"in": 0})
    assert result.final_context.to_dict() == {"third": 3, "attempt": 1}


def test_many_run_at_once(runner: cloaca.DefaultRunner) -> None:
    together = asyncio.Barrier(50)

    async def meet(context: cloaca.Context) -> None:
        await asyncio.wait_for(together.wait(), WAIT)

    with cloaca.WorkflowBuilder("many_at_once"):
        for index in range(50):
            cloaca.task(id=f"t{index}", retry_attempts=1)(meet)
    assert runner.execute("many_at_once").error_message is None


def test_not_more_than_allowed(open_runner: OpenRunner) -> None:
    runner = open_runner(max_concurrent_async_tasks=3)
    inside: list[int] = []
    most: list[int] = []
    together = asyncio.Barrier(3)

    async def body(context: cloaca.Context) -> None:
        inside.append(1)
        most.append(len(inside))
        await asyncio.wait_for(together.wait(), WAIT)
        inside.pop()

    with cloaca.WorkflowBuilder("bounded"):
        for index in range(12):
            cloaca.task(id=f"t{index}", retry_attempts=1)(body)
    assert runner.execute("bounded").error_message is None
    assert max(most) == 3


def test_they_take_no_slot_of_the_threads(open_runner: OpenRunner) -> None:
    runner = open_runner(max_concurrent_tasks=1)
    go_on = threading.Event()

    async def waits(context: cloaca.Context) -> dict[str, bool]:
        loop = asyncio.get_running_loop()
        while not go_on.is_set():
            done = loop.create_future()
            loop.call_later(0.005, done.set_result, None)
            await done
        return {"went on": True}

    with cloaca.WorkflowBuilder("waits"):
        cloaca.task(id="a")(waits)
        cloaca.task(id="b")(waits)
    with cloaca.WorkflowBuilder("signals"):
        cloaca.task(id="only")(lambda context: go_on.set())
    handle = runner.submit("waits")
    runner.execute("signals")
    assert handle.result(WAIT).final_context.to_dict() == {"went on": True}


def test_a_coroutine_that_blocks_stops_no_other_work(runner: cloaca.DefaultRunner) -> None:
    blocking, release = threading.Event(), threading.Event()

    async def blocks(context: cloaca.Context) -> dict[str, bool]:
        blocking.set()
        return {"released": release.wait(WAIT)}  # what an async body should never do

    with cloaca.WorkflowBuilder("blocks"):
        cloaca.task(id="only")(blocks)
    with cloaca.WorkflowBuilder("chain"):
        cloaca.task(id="a")(lambda context: None)
        cloaca.task(id="b", dependencies=["a"])(lambda context: {"done": True})
    handle = runner.submit("blocks")
    assert blocking.wait(WAIT)
    assert runner.execute("chain", timeout=WAIT).final_context.to_dict() == {"done": True}
    assert handle.status() == "Running"
    assert runner.list_runs(status="Running")[0].id == handle.id
    release.set()
    assert handle.result(WAIT).final_context.to_dict() == {"released": True}


def test_what_it_raises_fails_its_task_alone(runner: cloaca.DefaultRunner) -> None:
    async def fails(context: cloaca.Context) -> None:
        await asyncio.sleep(0)
        raise LookupError("async")

    async def cancels_itself(context: cloaca.Context) -> None:
        raise asyncio.CancelledError

    async def exits(context: cloaca.Context) -> None:
        raise SystemExit(3)

    async def fine(context: cloaca.Context) -> dict[str, bool]:
        await asyncio.sleep(0.02)  # work that goes on while the others fail
        return {"fine": True}

    with cloaca.WorkflowBuilder("raises"):
        for body in (fails, cancels_itself, exits, fine):
            cloaca.task(retry_attempts=1)(body)
    result = runner.execute("raises")
    assert {name: task.error for name, task in result.task_results.items()} == {
        "fails": "LookupError: async",
        "cancels_itself": "CancelledError: ",
        "exits": "SystemExit: 3",
        "fine": None,
    }
    assert result.final_context.to_dict() == {"fine": True}
    assert "in fails" in str(result.task_results["fails"].traceback)


def test_bodies_share_one_loop_and_no_context_variables(runner: cloaca.DefaultRunner) -> None:
    loops: set[asyncio.AbstractEventLoop] = set()
    variable = contextvars.ContextVar("variable", default="untouched")
    seen: list[str] = []

    async def body(context: cloaca.Context) -> None:
        loops.add(asyncio.get_running_loop())
        seen.append(variable.get())
        variable.set("touched")

    with cloaca.WorkflowBuilder("one_loop"):
        cloaca.task(id="a")(body)
        cloaca.task(id="b", dependencies=["a"])(body)
    runner.execute("one_loop")
    runner.execute("one_loop")
    assert len(loops) == 1
    assert seen == ["untouched"] * 4


def test_an_object_with_an_async_call_is_an_async_body(runner: cloaca.DefaultRunner) -> None:
    class Body:
        async def __call__(self, context: cloaca.Context) -> dict[str, bool]:
            await asyncio.sleep(0)
            return {"called": len(context) == 0}

    with cloaca.WorkflowBuilder("callable_object"):
        cloaca.task(id="only")(Body())
    assert runner.execute("callable_object").final_context.to_dict() == {"called": True}


def test_tasks_that_a_body_starts_go_on_the_same_loop(runner: cloaca.DefaultRunner) -> None:
    async def part(number: int) -> int:
        await asyncio.sleep(0)
        return number * number

    async def gathers(context: cloaca.Context) -> dict[str, list[int]]:
        return {"parts": await asyncio.gather(*(part(number) for number in range(5)))}

    with cloaca.WorkflowBuilder("gathers"):
        cloaca.task(id="only")(gathers)
    assert runner.execute("gathers").final_context["parts"] == [0, 1, 4, 9, 16]


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_what_ends_a_program_ends_no_async_body_but_its_own(
    runner: cloaca.DefaultRunner, error: BaseException
) -> None:
    stays = threading.Event()
    let_go: list[Callable[[], object]] = []

    async def part() -> None:
        raise error

    async def gathers(context: cloaca.Context) -> None:
        await asyncio.gather(part())

    async def goes_on(context: cloaca.Context) -> dict[str, bool]:
        leave = asyncio.Event()
        let_go.append(partial(asyncio.get_running_loop().call_soon_threadsafe, leave.set))
        stays.set()
        await leave.wait()
        return {"went on": True}

    with cloaca.WorkflowBuilder("exits"):
        cloaca.task(id="only", retry_attempts=1)(gathers)
    with cloaca.WorkflowBuilder("beside"):
        cloaca.task(id="only")(goes_on)
    beside = runner.submit("beside")
    assert stays.wait(WAIT)
    for _ in range(2):
        result = runner.execute("exits", timeout=WAIT)
        assert result.task_results["only"].error == f"{type(error).__name__}: {error}"
    let_go[0]()
    assert beside.result(WAIT).final_context.to_dict() == {"went on": True}


def test_a_body_that_stops_the_loop_it_runs_on_stops_nobody(runner: cloaca.DefaultRunner) -> None:
    async def stops(context: cloaca.Context) -> dict[str, bool]:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0.001)  # the stopped loop would never wake it
        return {"went on": True}

    with cloaca.WorkflowBuilder("stops"):
        cloaca.task(id="only")(stops)
    for _ in range(2):
        assert runner.execute("stops", timeout=WAIT).final_context.to_dict() == {"went on": True}
