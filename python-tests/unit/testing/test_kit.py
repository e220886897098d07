"""A harness drives the real engine, on the test's thread and on a clock that the test moves."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tables import each_row

import cloaca
from cloaca.testing import Harness, StandstillError, harness
from cloaca_testing.store_view import StoreView

MINUTE: dict[str, Any] = {
    "retry_attempts": 3,
    "retry_backoff": "fixed",
    "retry_delay_ms": 60_000,
}
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def registry() -> cloaca.Registry:
    return cloaca.Registry()


@pytest.fixture
def h(registry: cloaca.Registry) -> Iterator[Harness]:
    with harness(registry) as made:
        yield made


def define(registry: cloaca.Registry, *bodies: Any, name: str = "flow", **options: Any) -> None:
    """A workflow of these bodies, one after the other."""
    with cloaca.WorkflowBuilder(name, registry=registry):
        before: list[str] = []
        for body in bodies:
            settings = {"retry_attempts": 1, **options}
            cloaca.task(id=body.__name__, dependencies=before, **settings)(body)
            before = [body.__name__]


def charge(context: cloaca.Context) -> None:
    context.set("paid", context.get("amount"))


def send(context: cloaca.Context) -> None:
    context.set("sent", True)


class TestRun:
    def test_it_is_driven_to_its_end(self, h: Harness, registry: cloaca.Registry) -> None:
        define(registry, charge, send)

        run = h.run("flow", {"amount": 3})

        assert run.status == "Completed"
        assert run.context == {"amount": 3, "paid": 3, "sent": True}
        assert [result.status for result in run.tasks.values()] == ["Completed", "Completed"]
        assert run.error is None

    def test_bodies_run_on_the_thread_of_the_test_and_see_its_context_variables(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        seen: list[object] = []
        variable = contextvars.ContextVar("variable", default="unset")
        variable.set("of the test")

        def look(context: cloaca.Context) -> None:
            seen.extend([threading.current_thread(), variable.get()])
            variable.set("of the body")

        async def look_on(context: cloaca.Context) -> None:
            seen.extend([threading.current_thread(), variable.get()])

        define(registry, look, look_on)
        h.run("flow")

        assert seen == [threading.current_thread(), "of the test"] * 2
        assert variable.get() == "of the test"

    def test_the_error_of_a_body_comes_out_if_asked_for(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        error = LookupError("no account")

        def fail(context: cloaca.Context) -> None:
            raise error

        define(registry, fail)

        assert h.run("flow").status == "Failed"
        with pytest.raises(LookupError) as raised:
            h.run("flow", raises=True)
        assert raised.value is error

    @pytest.mark.parametrize("is_async", [False, True])
    @pytest.mark.parametrize("error", [KeyboardInterrupt(), pytest.skip.Exception("not here")])
    def test_an_end_of_the_test_itself_comes_out_of_a_body(
        self, h: Harness, registry: cloaca.Registry, error: BaseException, *, is_async: bool
    ) -> None:
        def child(context: cloaca.Context) -> None:
            raise error

        async def async_child(context: cloaca.Context) -> None:
            raise error

        def parent(context: cloaca.Context) -> None:
            h.runner.execute("child")

        define(registry, async_child if is_async else child, name="child")
        define(registry, parent)

        with pytest.raises(type(error)) as raised:
            h.run("flow")
        assert raised.value is error

    def test_a_run_that_times_out_has_no_error_of_a_body(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        async def hang(context: cloaca.Context) -> None:
            await asyncio.sleep(3600)

        define(registry, hang, timeout_seconds=10)
        run = h.run("flow")
        assert run.status == "Running"

        h.clock.advance(seconds=10)

        assert run.status == "Failed"
        with pytest.raises(cloaca.RunFailedError):
            run.handle.result().raise_for_status()

    def test_it_comes_back_when_the_run_waits_for_its_next_attempt(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        define(registry, charge, **MINUTE)
        h.fail("flow", "charge", TimeoutError("slow"), times=2)

        run = h.run("flow")
        states = [run.status]
        for _ in range(2):
            h.clock.advance(minutes=1)
            states.append(run.status)

        assert states == ["Waiting", "Waiting", "Completed"]
        assert [attempt.started_at for attempt in run.handle.attempts()] == [
            f"2026-03-10T12:0{minute}:00.000000+00:00" for minute in range(3)
        ]

    def test_options_are_those_of_a_submission(self, h: Harness, registry: cloaca.Registry) -> None:
        define(registry, charge)

        run = h.run("flow", delay=90, tags={"of": "test"})
        assert run.status == "Pending"
        h.clock.advance(seconds=90)

        assert run.status == "Completed"
        assert run.handle.info().tags == {"of": "test"}
        assert run.handle.info().started_at == "2026-03-10T12:01:30.000000+00:00"

    def test_it_prints_well_also_after_the_end_of_the_harness(
        self, registry: cloaca.Registry
    ) -> None:
        define(registry, charge)
        with harness(registry) as h:
            h.fail("flow", "charge", ValueError("odd"))
            run = h.run("flow")

        assert repr(run).startswith("<run of 'flow': Failed (charge Failed); ")
        assert "ValueError: odd" in str(run)


class TestBlocking:
    def test_a_step_of_a_plain_body_is_durable_when_it_returns(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        calls: list[str] = []

        def call() -> int:
            calls.append("called")
            return len(calls)

        def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            context.set("value", handle.step("call", call))
            if len(calls) == 1:
                calls.append("raised")
                raise TimeoutError

        define(registry, body, **MINUTE)
        run = h.run("flow")
        h.clock.advance(minutes=1)

        assert run.context == {"value": 1}
        assert calls == ["called", "raised"]

    def test_time_passes_where_a_step_waits_for_its_next_try(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        builder = cloaca.RetryPolicy.builder().max_attempts(3).initial_delay(60)
        policy = builder.backoff_strategy(cloaca.BackoffStrategy.fixed()).with_jitter(False).build()
        tries: list[datetime] = []

        def call() -> None:
            tries.append(h.clock.now())
            if len(tries) < 3:
                raise TimeoutError

        def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            handle.with_options(retry=policy).step("call", call)

        define(registry, body)

        assert h.run("flow").status == "Completed"
        assert tries == [NOON + timedelta(minutes=each) for each in range(3)]

    def test_a_body_waits_for_a_run_that_it_executes(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        variable = contextvars.ContextVar("variable", default="unset")

        def parent(context: cloaca.Context) -> None:
            variable.set("of the parent")
            context.set("child", h.runner.execute("child").final_context.to_dict())

        def child(context: cloaca.Context) -> None:
            context.set("seen", variable.get())

        define(registry, parent)
        define(registry, child, name="child")

        assert h.run("flow").context == {"child": {"seen": "unset"}}

    def test_an_async_body_awaits_one(self, h: Harness, registry: cloaca.Registry) -> None:
        async def parent(context: cloaca.Context) -> None:
            result = await h.async_runner.execute("child")
            context.set("child", result.final_context.get("sent"))

        define(registry, parent)
        define(registry, send, name="child")

        assert h.run("flow").context == {"child": True}

    def test_threads_of_a_body_may_wait_as_well(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            def one(number: int) -> int:
                result = h.runner.execute("child")
                return int(handle.step(f"step {number}", len, [result.status] * number))

            with ThreadPoolExecutor(3) as pool:
                context.set("values", list(pool.map(one, range(1, 4))))

        define(registry, body)
        define(registry, send, name="child")

        assert h.run("flow").context == {"values": [1, 2, 3]}

    def test_a_call_that_would_wait_for_ever_says_so(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        define(registry, charge, **MINUTE)
        h.fail("flow", "charge", TimeoutError)

        with pytest.raises(StandstillError, match=r"let time pass before, with harness\.clock"):
            h.runner.execute("flow")
        assert h.clock.now() == NOON

    def test_a_timeout_lets_so_much_time_pass(self, h: Harness, registry: cloaca.Registry) -> None:
        define(registry, charge, **MINUTE)
        h.fail("flow", "charge", TimeoutError)

        with pytest.raises(cloaca.PipelineTimeoutError):
            h.runner.execute("flow", timeout=30)
        assert h.clock.now() == NOON + timedelta(seconds=30)

    def test_an_async_body_that_drives_the_harness_is_refused(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        async def body(context: cloaca.Context) -> None:
            h.clock.advance(hours=1)

        define(registry, body)

        with pytest.raises(cloaca.RunnerUsageError, match=r"await the call"):
            h.run("flow", raises=True)

    async def test_it_works_beside_a_loop_that_runs(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        def body(context: cloaca.Context) -> None:
            context.set("value", asyncio.run(asyncio.sleep(0, "of a loop of its own")))

        define(registry, body)
        task = asyncio.current_task()

        assert h.run("flow").context == {"value": "of a loop of its own"}
        assert asyncio.current_task() is task
        await asyncio.sleep(0)

    async def test_an_async_test_awaits_the_async_runner(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        define(registry, send)

        result = await h.async_runner.execute("flow")

        assert result.status == "Completed"


class TestRealWork:
    """Done elsewhere: it takes no virtual time."""

    def test_a_coroutine_waits_for_its_thread(self, h: Harness, registry: cloaca.Registry) -> None:
        async def body(context: cloaca.Context) -> None:
            context.set("sum", await asyncio.to_thread(sum, [1, 2]))

        define(registry, body)

        assert h.run("flow").context == {"sum": 3}
        assert h.clock.now() == NOON

    def test_a_coroutine_waits_for_its_socket(self, h: Harness, registry: cloaca.Registry) -> None:
        ours, theirs = socket.socketpair()

        def answer() -> None:
            theirs.sendall(theirs.recv(10).upper())
            theirs.close()

        async def body(context: cloaca.Context) -> None:
            reader, writer = await asyncio.open_connection(sock=ours)
            writer.write(b"question")
            threading.Thread(target=answer).start()
            context.set("answer", (await reader.read()).decode())
            writer.close()
            await writer.wait_closed()

        define(registry, body)

        assert h.run("flow", raises=True).context == {"answer": "QUESTION"}


class TestDrain:
    def test_it_does_all_that_can_be_done_now_and_counts(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        define(registry, charge)
        runs = [h.submit("flow") for _ in range(3)]
        later = h.submit("flow", delay=60)
        assert [run.tasks["charge"].status for run in runs] == ["NotStarted"] * 3

        assert h.drain() == {"Completed": 3, "Pending": 1}
        h.clock.advance(minutes=1)
        assert h.drain() == {"Completed": 4}
        assert later.status == "Completed"

    def test_with_autoskip_time_passes_until_all_runs_have_ended(
        self, registry: cloaca.Registry
    ) -> None:
        define(registry, charge, **MINUTE)
        with harness(registry, autoskip=True) as h:
            h.fail("flow", "charge", TimeoutError, times=2)
            h.submit("flow", delay=3600)

            assert h.drain() == {"Completed": 1}
            assert h.clock.now() == NOON + timedelta(hours=1, minutes=2)


class TestTime:
    def test_ticks_of_a_schedule_come_at_their_instants(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        at: list[datetime] = []

        def look(context: cloaca.Context) -> None:
            at.append(h.clock.now())

        define(registry, look)
        h.runner.register_cron_workflow("flow", "30 3 * * *", "UTC")
        h.clock.advance(days=3)

        assert at == [datetime(2026, 3, day, 3, 30, tzinfo=UTC) for day in (11, 12, 13)]

    def test_triggers_are_polled_in_virtual_time(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        polls: list[datetime] = []
        define(registry, charge)

        @cloaca.trigger(name="poll", on="flow", poll_interval="10m", registry=registry)
        def poll() -> cloaca.TriggerResult:
            polls.append(h.clock.now())
            return cloaca.TriggerResult.skip()

        h.clock.advance(minutes=25)

        assert polls == [NOON + timedelta(minutes=10), NOON + timedelta(minutes=25)]

    def test_a_trigger_that_finds_something_new_is_polled_each_time(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        define(registry, charge)

        @cloaca.trigger(name="poll", on="flow", poll_interval="10m", registry=registry)
        def poll() -> bool:
            return True

        h.clock.advance(minutes=35)

        h.assert_submitted("flow", count=3)

    def test_a_trigger_that_rests_sees_what_a_body_has_done(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        """The key that it finds again is nothing new."""
        done: list[str] = []
        polls: list[datetime] = []

        def body(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            handle.sleep(1_800)
            done.append("x")

        define(registry, body)
        with cloaca.WorkflowBuilder("told", registry=registry):
            cloaca.task(id="t")(charge)

        @cloaca.trigger(name="poll", on="told", poll_interval="1s", registry=registry)
        def poll() -> list[cloaca.TriggerResult]:
            polls.append(h.clock.now())
            return [cloaca.TriggerResult.fire({"amount": 1}, idempotency_key=n) for n in done]

        h.run("flow")
        h.clock.advance(hours=1)

        h.assert_submitted("told", count=1)
        half = NOON + timedelta(minutes=30)
        assert polls == [
            NOON + timedelta(seconds=1),
            half,
            half + timedelta(seconds=1),
            NOON + timedelta(hours=1),
        ]

    def test_a_trigger_that_rests_costs_no_time_where_time_passes_by_itself(
        self, registry: cloaca.Registry
    ) -> None:
        polls: list[int] = []
        with cloaca.WorkflowBuilder("flow", registry=registry):
            cloaca.sleep("t", seconds=7_200)

        @cloaca.trigger(name="poll", on="flow", poll_interval="1s", registry=registry)
        def poll() -> bool:
            polls.append(1)
            return False

        with harness(registry, autoskip=True) as h:
            assert h.run("flow").status == "Completed"
        assert len(polls) == 1

    def test_a_trigger_is_polled_when_the_test_says_so(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        polls: list[datetime] = []
        define(registry, charge)

        @cloaca.trigger(name="poll", on="flow", poll_interval="1h", registry=registry)
        def poll() -> bool:
            polls.append(h.clock.now())
            return len(polls) == 2

        cloaca.trigger(name="nightly", on="flow", cron="0 3 * * *", registry=registry)(bool)
        h.poll("poll")
        h.poll("poll")

        assert polls == [NOON, NOON]
        h.assert_submitted("flow", count=1)
        for name, told in (("pol", "there is no trigger 'pol'"), ("nightly", "goes by the clock")):
            with pytest.raises(cloaca.ConfigError, match=told):
                h.poll(name)
        h.runner.set_trigger_enabled("poll", False)
        with pytest.raises(cloaca.ConfigError, match="is switched off"):
            h.poll("poll")

    def test_a_body_may_take_time(self, h: Harness, registry: cloaca.Registry) -> None:
        def slow(context: cloaca.Context) -> None:
            h.clock.advance(seconds=100)

        define(registry, slow, timeout_seconds=60)

        assert h.run("flow").error is not None
        assert h.clock.now() == NOON + timedelta(seconds=100)


class TestStandIns:
    def test_a_function_stands_in_for_a_body(self, h: Harness, registry: cloaca.Registry) -> None:
        define(registry, charge, send)
        h.replace("flow", "charge", lambda context: {"paid": 77})

        assert h.run("flow", {"amount": 1}).context == {"amount": 1, "paid": 77, "sent": True}

    def test_it_may_be_async_and_take_a_handle(self, h: Harness, registry: cloaca.Registry) -> None:
        async def other(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
            context.set("attempt", handle.attempt)

        define(registry, charge)
        h.replace("flow", "charge", other)

        assert h.run("flow").context == {"attempt": 1}

    def test_no_other_harness_sees_it(self, h: Harness, registry: cloaca.Registry) -> None:
        define(registry, charge)
        h.replace("flow", "charge", lambda context: {"paid": 77})

        with harness(registry) as other:
            assert other.run("flow", {"amount": 1}).context["paid"] == 1

    def test_an_unknown_task_is_refused(self, h: Harness, registry: cloaca.Registry) -> None:
        define(registry, charge, send)

        with pytest.raises(cloaca.TaskNotFoundError, match=r"'pay'; it has charge, send"):
            h.fail("flow", "pay", ValueError)


class TestUse:
    def test_nothing_is_left_behind(self, registry: cloaca.Registry) -> None:
        define(registry, charge)
        before = set(threading.enumerate())
        for _ in range(3):
            with harness(registry) as h:
                h.run("flow")

        assert set(threading.enumerate()) <= before

    def test_two_harnesses_know_nothing_of_each_other(self, registry: cloaca.Registry) -> None:
        define(registry, charge)
        with harness(registry) as one, harness(registry) as other:
            one.run("flow")
            one.clock.advance(hours=1)

            assert other.drain() == {}
            assert other.clock.now() == NOON

    def test_the_clock_starts_where_it_is_told_to(self, registry: cloaca.Registry) -> None:
        with harness(registry, now="2020-02-29T23:00:00+01:00") as h:
            assert h.clock.now() == datetime(2020, 2, 29, 22, tzinfo=UTC)

    def test_it_may_be_closed_twice(self, h: Harness) -> None:
        h.close()
        h.close()

    @each_row(
        ("options", "error"),
        [
            ({"url": "nosuch://work"}, cloaca.BackendError),  # no backend
            ({"url": "/nowhere/work.db"}, cloaca.StoreOpenError),  # no folder
            ({"now": "2026-01-01"}, cloaca.ScheduleError),  # no zone
            ({"config": {}}, TypeError),  # no config
            ({"registry": {}}, cloaca.ConfigTypeError),  # no registry
        ],
    )
    def test_one_that_cannot_be_opened_leaves_nothing(
        self, options: dict[str, Any], error: type[Exception]
    ) -> None:
        """A loop that was not closed would be a ResourceWarning, which is an error here."""
        with pytest.raises(error):
            harness(**options)
        gc.collect()

    async def test_a_wait_that_would_not_end_is_refused_in_an_async_test(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        define(registry, charge, **MINUTE)
        h.fail("flow", "charge", TimeoutError)

        with pytest.raises(StandstillError, match="still waits"):
            await h.async_runner.execute("flow")

    def test_an_error_in_the_block_comes_out(self, registry: cloaca.Registry) -> None:
        with pytest.raises(ZeroDivisionError), harness(registry) as h:
            h.submit("flow") if registry.has_name("flow") else 1 / 0


def test_three_days_of_a_schedule_and_of_retries_cost_few_operations(
    registry: cloaca.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is some tenths of a millisecond."""
    asked: list[str] = []
    operation = StoreView._by_loop

    def counted(self: StoreView, name: str, function: Any) -> Any:
        call = operation(self, name, function)

        async def count(*args: Any, **options: Any) -> Any:
            asked.append(name)
            return await call(*args, **options)

        return count

    monkeypatch.setattr(StoreView, "_by_loop", counted)
    define(registry, charge, send, **MINUTE)
    with harness(registry) as h:
        h.runner.register_cron_workflow("flow", "0 3 * * *", "UTC")
        h.fail("flow", "charge", TimeoutError, times=2)
        h.clock.advance(days=3)
        assert h.drain() == {"Completed": 3}

    assert len(asked) < 120, Counter(asked)
