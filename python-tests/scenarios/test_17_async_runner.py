"""17: the same runner for programs with a loop: every call is awaited."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

import cloaca

WAIT = 60


@pytest_asyncio.fixture
async def async_runner(database_url: str) -> AsyncIterator[cloaca.AsyncRunner]:
    async with cloaca.AsyncRunner(database_url) as runner:
        yield runner


def define_double() -> None:
    with cloaca.WorkflowBuilder("double"):
        cloaca.task(id="only")(lambda context: {"doubled": 2 * context["n"]})


@pytest.mark.each_backend
async def test_execute(async_runner: cloaca.AsyncRunner) -> None:
    define_double()
    result = await async_runner.execute("double", {"n": 4})
    assert (result.status, result.final_context["doubled"]) == ("Completed", 8)


async def test_submit_and_the_calls_of_its_handle(async_runner: cloaca.AsyncRunner) -> None:
    define_double()
    handle = await async_runner.submit("double", {"n": 1}, idempotency_key="k", tags={"t": "1"})
    await handle.wait(WAIT)
    assert (await handle.result()).final_context["doubled"] == 2
    assert await handle.status() == "Completed"
    assert [task.status for task in (await handle.tasks()).values()] == ["Completed"]
    assert [event.kind for event in await handle.events()][0::4] == ["created", "ended"]
    assert await async_runner.get_run(handle.id) == handle
    assert await async_runner.submit("double", {"n": 2}, idempotency_key="k") == handle
    assert repr(handle) == f"AsyncRunHandle(id={handle.id!r})"


async def test_submit_many_and_list_runs(async_runner: cloaca.AsyncRunner) -> None:
    define_double()
    handles = await async_runner.submit_many("double", [{"n": n} for n in range(20)])
    results = await asyncio.gather(*(handle.result(WAIT) for handle in handles))
    assert [result.final_context["doubled"] for result in results] == list(range(0, 40, 2))
    newest = await async_runner.list_runs(status="Completed", workflow_name="double", limit=5)
    assert [run.id for run in newest] == [handle.id for handle in handles[:14:-1]]
    following = await async_runner.list_runs(limit=1, before=newest[-1].id)
    assert following[0].id == handles[14].id


async def test_health_start_and_stop(async_runner: cloaca.AsyncRunner) -> None:
    define_double()
    await async_runner.stop()
    handle = await async_runner.submit("double", {"n": 1})
    assert await handle.status() == "Pending"
    assert (await async_runner.health())["paused"] is True
    await async_runner.start()
    assert (await handle.result(WAIT)).status == "Completed"


async def test_it_may_be_opened_without_claiming(database_url: str) -> None:
    define_double()
    async with cloaca.AsyncRunner(database_url, start=False) as runner:
        handle = await runner.submit("double", {"n": 1})
        assert await handle.status() == "Pending"
        await runner.start()
        assert (await handle.result(WAIT)).status == "Completed"


async def test_the_programs_loop_goes_on_meanwhile(async_runner: cloaca.AsyncRunner) -> None:
    inside, release = threading.Event(), threading.Event()

    def body(context: cloaca.Context) -> dict[str, bool]:
        inside.set()
        return {"released": release.wait(WAIT)}

    with cloaca.WorkflowBuilder("held"):
        cloaca.task(id="only")(body)
    execution = asyncio.create_task(async_runner.execute("held"))
    assert await asyncio.to_thread(inside.wait, WAIT)
    assert not execution.done()
    release.set()
    assert (await execution).final_context.to_dict() == {"released": True}


async def test_several_tasks_use_it_at_once(async_runner: cloaca.AsyncRunner) -> None:
    define_double()
    results = await asyncio.gather(*(async_runner.execute("double", {"n": n}) for n in range(50)))
    assert [result.final_context["doubled"] for result in results] == list(range(0, 100, 2))


async def test_an_async_body_awaits_runs_of_its_own(async_runner: cloaca.AsyncRunner) -> None:
    with cloaca.WorkflowBuilder("factorial"):

        @cloaca.task(retry_attempts=1)
        async def multiply(context: cloaca.Context) -> dict[str, int]:
            n = context["n"]
            if n == 0:
                return {"result": 1}
            handle = await async_runner.submit("factorial", {"n": n - 1})
            below = (await handle.result()).final_context["result"]
            again = await async_runner.execute("factorial", {"n": 0})
            return {"result": n * below * again.final_context["result"]}

    result = await async_runner.execute("factorial", {"n": 5})
    assert result.error_message is None
    assert result.final_context["result"] == 120


async def test_deeper_than_there_are_slots(database_url: str) -> None:
    config = cloaca.DefaultRunnerConfig(max_concurrent_async_tasks=1, max_active_runs=1)
    async with cloaca.AsyncRunner(database_url, config=config) as runner:
        with cloaca.WorkflowBuilder("deep"):

            @cloaca.task(retry_attempts=1)
            async def down(context: cloaca.Context) -> dict[str, int]:
                n = context["n"]
                below = (await runner.execute("deep", {"n": n - 1})).final_context if n else {}
                return {"depth": below.get("depth", 0) + 1}

        result = await runner.execute("deep", {"n": 10})
        assert result.final_context["depth"] == 11


async def test_a_timeout_ends_only_the_wait(async_runner: cloaca.AsyncRunner) -> None:
    release = threading.Event()
    with cloaca.WorkflowBuilder("held"):
        cloaca.task(id="only")(lambda context: {"released": release.wait(WAIT)})
    run_id, timeout = None, 0.05
    while run_id is None:  # the wait was too short for the run to be accepted
        with pytest.raises(cloaca.PipelineTimeoutError) as caught:
            await async_runner.execute("held", timeout=timeout)
        run_id, timeout = caught.value.run_id, 2 * timeout
    handle = await async_runner.get_run(run_id)
    with pytest.raises(TimeoutError):
        await handle.wait(0.01)
    with pytest.raises(TimeoutError):
        await handle.result(timeout=0)
    release.set()
    assert (await handle.result(WAIT)).final_context.to_dict() == {"released": True}


async def test_a_run_that_passes_its_deadline_raises_as_with_the_other_runner(
    database_url: str,
) -> None:
    async def endless(context: cloaca.Context) -> None:
        await asyncio.Event().wait()

    with cloaca.WorkflowBuilder("endless"):
        cloaca.task(id="only")(endless)
    config = cloaca.DefaultRunnerConfig(pipeline_timeout_seconds=1)
    message = r"^Workflow execution failed: Pipeline timeout after 1s$"
    async with cloaca.AsyncRunner(database_url, config=config) as runner:
        with pytest.raises(cloaca.PipelineTimeoutError, match=message):
            await runner.execute("endless")


async def test_cancelling_the_caller_ends_only_the_wait(async_runner: cloaca.AsyncRunner) -> None:
    inside, release = threading.Event(), threading.Event()

    def body(context: cloaca.Context) -> dict[str, bool]:
        inside.set()
        return {"released": release.wait(WAIT)}

    with cloaca.WorkflowBuilder("held"):
        cloaca.task(id="only")(body)
    execution = asyncio.create_task(async_runner.execute("held"))
    assert await asyncio.to_thread(inside.wait, WAIT)
    execution.cancel()
    with pytest.raises(asyncio.CancelledError):
        await execution
    (run,) = await async_runner.list_runs()
    assert run.status == "Running"
    release.set()
    assert (await (await async_runner.get_run(run.id)).result(WAIT)).status == "Completed"


async def test_refusals_are_those_of_the_sync_runner(async_runner: cloaca.AsyncRunner) -> None:
    with pytest.raises(ValueError, match="Workflow not found in registry: nowhere"):
        await async_runner.execute("nowhere")
    with pytest.raises(KeyError):
        await async_runner.get_run("nonsense")
    with pytest.raises(ValueError, match="limit"):
        await async_runner.list_runs(limit=0)
    define_double()
    with pytest.raises(TypeError, match="timeout"):
        await async_runner.execute("double", timeout="5")  # type: ignore[arg-type]  # refused
    assert await async_runner.list_runs() == []


async def test_a_closed_runner_says_so(database_url: str) -> None:
    define_double()
    async with cloaca.AsyncRunner(database_url) as runner:
        handle = await runner.submit("double", {"n": 1})
        await handle.wait(WAIT)
    await runner.shutdown()  # idempotent
    for call in (
        runner.execute("double"), runner.submit("double"), runner.submit_many("double", [None]),
        runner.get_run(handle.id), runner.list_runs(), runner.health(), runner.start(),
        runner.stop(), handle.status(), handle.result(), handle.wait(), handle.tasks(),
        handle.events(),
    ):  # fmt: skip
        with pytest.raises(cloaca.RunnerClosedError):
            await call


async def test_shutdown_ends_the_waiting_calls(database_url: str) -> None:
    inside, release = threading.Event(), threading.Event()

    def body(context: cloaca.Context) -> None:
        inside.set()
        release.wait(WAIT)

    with cloaca.WorkflowBuilder("held"):
        cloaca.task(id="only")(body)
    config = cloaca.DefaultRunnerConfig(shutdown_grace_seconds=0)
    async with cloaca.AsyncRunner(database_url, config=config) as runner:
        waiting = asyncio.create_task(runner.execute("held"))
        assert await asyncio.to_thread(inside.wait, WAIT)
    with pytest.raises(cloaca.RunnerClosedError):
        await waiting
    release.set()


async def test_used_before_it_is_entered_it_says_so(database_url: str) -> None:
    runner = cloaca.AsyncRunner(database_url)
    with pytest.raises(RuntimeError, match="async with"):
        await runner.list_runs()


async def test_entered_twice_it_says_so_and_goes_on(async_runner: cloaca.AsyncRunner) -> None:
    define_double()
    with pytest.raises(cloaca.RunnerUsageError, match="open already"):
        await async_runner.__aenter__()
    assert (await async_runner.execute("double", {"n": 1})).status == "Completed"


async def test_a_closed_runner_is_not_entered_again(database_url: str) -> None:
    async with cloaca.AsyncRunner(database_url) as runner:
        pass
    with pytest.raises(cloaca.RunnerClosedError):
        await runner.__aenter__()


@pytest.mark.backend("sqlite", reason="its database is a file")
async def test_a_bad_database_raises_on_entering_which_may_be_tried_again(tmp_path: Path) -> None:
    place = tmp_path / "work.db"
    place.mkdir()
    runner = cloaca.AsyncRunner(f"sqlite:///{place}")
    for _ in range(2):
        with pytest.raises(ValueError, match="is a directory"):
            await runner.__aenter__()
    place.rmdir()
    async with runner:
        assert await runner.list_runs() == []


async def test_both_kinds_of_runner_share_a_database(
    async_runner: cloaca.AsyncRunner, database_url: str
) -> None:
    define_double()
    with cloaca.DefaultRunner(database_url) as sync_runner:
        handle = sync_runner.submit("double", {"n": 21})
        seen = await async_runner.get_run(handle.id)
        assert (await seen.result(WAIT)).final_context["doubled"] == 42
        assert seen == handle
