"""Runs of a harness wait for time, for events and for people, in nodes and in bodies."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import cloaca
from cloaca.testing import Harness, HarnessRun, StandstillError, crash_at_every_point, harness
from cloaca_testing.store_view import StoreView

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = 86_400.0

Context = cloaca.Context
Handle = cloaca.TaskHandle
AsyncHandle = cloaca.AsyncTaskHandle


@pytest.fixture
def registry() -> cloaca.Registry:
    return cloaca.Registry()


@pytest.fixture
def h(registry: cloaca.Registry) -> Iterator[Harness]:
    with harness(registry) as made:
        yield made


def define(registry: cloaca.Registry, body: Callable[..., Any], name: str = "flow") -> None:
    """A workflow of one body."""
    with cloaca.WorkflowBuilder(name, registry=registry):
        cloaca.task(id="t", retry_attempts=1)(body)


def define_node(
    registry: cloaca.Registry, make: Callable[[], cloaca.Node], name: str = "flow"
) -> None:
    """A workflow of one node, and a task below it that notes the time."""
    with cloaca.WorkflowBuilder(name, registry=registry):

        @cloaca.task(dependencies=[make()])
        def after(context: Context) -> None: ...


def waits_for_go(context: Context, handle: Handle) -> dict[str, Any]:
    return {"found": handle.wait_for("go")}


async def awaits_go(context: Context, handle: AsyncHandle) -> dict[str, Any]:
    return {"found": await handle.wait_for("go")}


def begun(h: Harness, run: HarnessRun) -> int:
    """How often the body of a task of this run was called."""
    return h._stand_ins.calls[run.id, "t"]


class TestNodes:
    def test_a_run_that_sleeps_goes_on_at_its_instant(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        define_node(registry, lambda: cloaca.sleep("nap", seconds=3 * DAY))

        run = h.run("flow")
        h.clock.advance(days=2, hours=23)
        assert (run.status, h.clock.now()) == ("Waiting", NOON + timedelta(days=2, hours=23))
        h.clock.advance(hours=1)

        assert run.status == "Completed"
        assert run.tasks["after"].started_at == "2026-03-13T12:00:00.000000+00:00"

    @pytest.mark.parametrize("named_by", ["run", "handle", "id"])
    def test_an_event_drives_its_run_on(
        self, h: Harness, registry: cloaca.Registry, named_by: str
    ) -> None:
        define_node(registry, lambda: cloaca.wait_for("paid"))
        run = h.run("flow")
        assert run.tasks["paid"].status == "Waiting"

        names: dict[str, Any] = {"run": run, "handle": run.handle, "id": run.id}
        same = h.send(names[named_by], "paid", {"amount": 5})

        assert same == run
        assert (run.status, run.context) == ("Completed", {"paid": {"amount": 5}})

    def test_an_event_with_a_key_counts_once(self, h: Harness, registry: cloaca.Registry) -> None:
        with cloaca.WorkflowBuilder("flow", registry=registry):
            one = cloaca.wait_for("one", "tick")
            cloaca.wait_for("two", "tick", dependencies=[one])
        run = h.run("flow")

        h.send(run, "tick", 1, key="first")
        h.send(run, "tick", 2, key="first")
        h.send(run, "tick", 3)

        assert run.context == {"one": 1, "two": 3}

    def test_the_first_event_comes_with_the_run(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        define_node(registry, lambda: cloaca.wait_for("paid"))

        assert h.run("flow", send=("paid", 7)).context == {"paid": 7}

    def test_a_person_decides(self, h: Harness, registry: cloaca.Registry) -> None:
        define_node(registry, lambda: cloaca.approval("signed", "Pay?"))
        run = h.run("flow")
        (asked,) = h.runner.waiting_for_people()
        assert (asked.run_id, asked.prompt, run.status) == (run.id, "Pay?", "Waiting")

        h.clock.advance(days=20)
        h.approve(run, "signed", note="late", by="ann")

        assert run.status == "Completed"
        decision = run.context["signed"]
        assert (decision["by"], decision["note"]) == ("ann", "late")
        assert decision["at"].startswith("2026-03-30")
        h.assert_path(run, ["after"])

    def test_a_rejection_skips(self, h: Harness, registry: cloaca.Registry) -> None:
        define_node(registry, lambda: cloaca.approval("signed", "Pay?"))
        run = h.run("flow")

        h.approve(run, "signed", "reject")

        h.assert_path(run, [], skipped=["after"])
        with pytest.raises(cloaca.AlreadyDecidedError):
            h.approve(run, "signed")

    def test_time_decides_in_place_of_a_person(self, h: Harness, registry: cloaca.Registry) -> None:
        define_node(registry, lambda: cloaca.approval("signed", "?", timeout=DAY, default="reject"))
        run = h.run("flow")
        h.clock.advance(days=1, seconds=-1)
        assert run.status == "Waiting"
        h.clock.advance(seconds=1)

        assert run.context["signed"]["choice"] == "reject"

    def test_a_path_has_only_tasks_with_a_body(self, h: Harness, registry: cloaca.Registry) -> None:
        define_node(registry, lambda: cloaca.wait_for("paid"))
        run = h.run("flow", send=("paid", 7))

        with pytest.raises(AssertionError, match="without a body, as they only wait: paid"):
            h.assert_path(run, ["paid", "after"])

    def test_a_node_has_no_body_to_replace(self, h: Harness, registry: cloaca.Registry) -> None:
        define_node(registry, lambda: cloaca.wait_for("paid"))

        with pytest.raises(cloaca.ConfigError, match="'paid' of 'flow' only waits"):
            h.fail("flow", "paid", ValueError)


class TestBodies:
    def test_a_sync_body_leaves_at_once_and_no_time_passes(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        def body(context: Context, handle: Handle) -> dict[str, Any]:
            handle.sleep(5)
            return {"found": handle.wait_for("go")}

        define(registry, body)
        run = h.run("flow")
        assert (begun(h, run), h.clock.now()) == (1, NOON)
        h.clock.advance(seconds=5)
        assert begun(h, run) == 2

        h.send(run, "go", "now")

        assert (run.status, run.context) == ("Completed", {"found": "now"})
        assert (begun(h, run), h.clock.now()) == (3, NOON + timedelta(seconds=5))

    def test_a_sync_body_finds_an_event_that_is_there(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        define(registry, waits_for_go)

        run = h.run("flow", send=("go", 1))

        assert (run.context, begun(h, run)) == ({"found": 1}, 1)

    def test_an_async_body_stays_as_long_as_in_a_runner(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        define(registry, awaits_go)
        stays, leaves = h.run("flow"), h.run("flow")

        h.clock.advance(seconds=9)
        h.send(stays, "go")
        h.clock.advance(seconds=1)
        h.send(leaves, "go")

        assert [begun(h, run) for run in (stays, leaves)] == [1, 2]

    @pytest.mark.parametrize("body", [waits_for_go, awaits_go])
    def test_every_wait_of_a_body_may_end_its_call(
        self, registry: cloaca.Registry, body: Callable[..., Any]
    ) -> None:
        define(registry, body)
        config = cloaca.DefaultRunnerConfig(evict_after_seconds=100)
        with harness(registry, evict="always", config=config) as h:
            run = h.run("flow")
            assert run.status == "Waiting"  # out of memory
            h.send(run, "go", 1)

            assert (run.context, begun(h, run)) == ({"found": 1}, 2)
        assert config.evict_after_seconds == 100

    def test_many_may_wait_at_once(self, h: Harness, registry: cloaca.Registry) -> None:
        """Bodies that stood one on the other would be too many for the stack."""
        define(registry, waits_for_go)
        runs = [h.submit("flow") for _ in range(150)]

        h.drain()
        for run in runs:
            run.handle.send("go")

        assert h.drain() == {"Completed": 150}

    def test_one_body_sends_what_another_waits_for(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        define(registry, waits_for_go)
        waits = h.submit("flow")

        def sends(context: Context) -> None:
            waits.handle.send("go", "from a body")

        define(registry, sends, "other")
        h.submit("other")

        assert h.drain() == {"Completed": 2}
        assert waits.context == {"found": "from a body"}

    def test_a_body_that_leaves_has_raised_nothing(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        define(registry, waits_for_go)

        assert h.run("flow", raises=True).tasks["t"].status == "Waiting"

    def test_threads_of_a_body_wait_where_they_are(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        def body(context: Context, handle: Handle) -> dict[str, Any]:
            with ThreadPoolExecutor(2) as pool:
                return {"found": list(pool.map(handle.wait_for, ["a", "b"]))}

        define(registry, body)
        run = h.submit("flow")
        for event in ("b", "a"):
            run.handle.send(event, event.upper())

        assert h.drain() == {"Completed": 1}
        assert (run.context, begun(h, run)) == ({"found": ["A", "B"]}, 1)

    def test_an_unknown_way_to_evict_is_refused(self) -> None:
        with pytest.raises(cloaca.ConfigError, match="evict must be 'always' or None, got 'never'"):
            harness(evict="never")  # type: ignore[arg-type]  # what is tested


class TestAutoskip:
    @pytest.fixture
    def h(self, registry: cloaca.Registry) -> Iterator[Harness]:
        with harness(registry, autoskip=True) as made:
            yield made

    @pytest.mark.parametrize("is_async", [False, True])
    def test_time_passes_where_a_body_waits(
        self, h: Harness, registry: cloaca.Registry, *, is_async: bool
    ) -> None:
        def body(context: Context, handle: Handle) -> None:
            handle.sleep(DAY)
            handle.wait_for("go", timeout=60, default=None)

        async def async_body(context: Context, handle: AsyncHandle) -> None:
            await handle.sleep(DAY)
            await handle.wait_for("go", timeout=60, default=None)

        define(registry, async_body if is_async else body)

        assert h.run("flow").status == "Completed"
        assert h.clock.now() == NOON + timedelta(days=1, minutes=1)

    def test_time_ends_no_wait_for_a_message(self, h: Harness, registry: cloaca.Registry) -> None:
        define(registry, awaits_go)
        h.runner.register_cron_workflow("flow", "0 0 * * *", "UTC")

        run = h.run("flow")

        assert (run.status, h.clock.now()) == ("Waiting", NOON + timedelta(seconds=10))
        assert h.send(run, "go").status == "Completed"

    def test_time_passes_while_another_run_may_send_it(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        define(registry, awaits_go)
        define_node(registry, lambda: cloaca.sleep("nap", seconds=DAY), "other")
        run = h.submit("flow")

        def send(context: Context) -> None:
            run.handle.send("go", 1)

        h.replace("other", "after", send)
        h.submit("other")

        assert h.drain() == {"Completed": 2}
        assert run.context == {"found": 1}
        assert h.clock.now() == NOON + timedelta(days=1)


class TestOnlyTask:
    def test_time_passes_while_its_body_sleeps(self, h: Harness, registry: cloaca.Registry) -> None:
        async def body(context: Context, handle: AsyncHandle) -> dict[str, Any]:
            await asyncio.sleep(10)
            await handle.sleep(DAY)
            return {"slept": True}

        define(registry, body)

        assert h.only_task("flow", "t") == {"slept": True}
        assert h.clock.now() == NOON

    def test_it_may_be_sent_its_event(self, h: Harness, registry: cloaca.Registry) -> None:
        define(registry, waits_for_go)

        assert h.only_task("flow", "t", {"n": 1}, send=("go", 2)) == {"n": 1, "found": 2}

    def test_a_body_that_waits_for_a_message_in_vain_is_told(
        self, h: Harness, registry: cloaca.Registry
    ) -> None:
        define(registry, waits_for_go)

        with pytest.raises(StandstillError, match=r"the body of 't' has not ended: Waiting"):
            h.only_task("flow", "t")


class TestCrashes:
    @pytest.mark.parametrize(
        "point",
        ["send.before_commit", "send.after_commit", "journal.before_commit", "run.before_end"],
    )
    def test_what_is_sent_is_sent_once(
        self, h: Harness, registry: cloaca.Registry, point: str
    ) -> None:
        with cloaca.WorkflowBuilder("flow", registry=registry):
            signed = cloaca.approval("signed", "Pay?")
            one = cloaca.wait_for("one", "tick", dependencies=[signed])
            cloaca.wait_for("two", "tick", dependencies=[one])
        run = h.run("flow")

        h.crash_at(point)
        h.approve(run, "signed", by="ann")
        h.crash_at(point)
        h.send(run, "tick", 1)
        h.send(run, "tick", 2)

        assert run.status == "Completed"
        found = run.context
        assert (found["signed"]["by"], found["one"], found["two"]) == ("ann", 1, 2)
        assert [event.kind for event in run.handle.events()].count("sent") == 2

    @pytest.mark.parametrize("evict", [None, "always"])
    def test_every_point_of_runs_that_wait(self, registry: cloaca.Registry, evict: Any) -> None:
        def body(context: Context, handle: Handle) -> dict[str, Any]:
            handle.sleep(60)
            return {"found": [handle.wait_for("go"), handle.wait_for("go")]}

        with cloaca.WorkflowBuilder("flow", registry=registry):
            signed = cloaca.approval("signed", "Pay?", timeout=600, default="reject")
            cloaca.task(id="t", dependencies=[signed])(body)

        def meanwhile(h: Harness, run: HarnessRun) -> None:
            h.approve(run, "signed", by="ann")
            h.send(run, "go", 2)

        report = crash_at_every_point(
            "flow", registry=registry, evict=evict, meanwhile=meanwhile, send=("go", 1)
        )

        assert report.status == "Completed"
        assert (report.context["signed"]["by"], report.context["found"]) == ("ann", [1, 2])
        assert (report.different, report.twice) == ((), ("t",))
        assert {"send.after_commit", "claim.after_commit"} <= {c.point for c in report.crashes}


@pytest.mark.parametrize("evict", [None, "always"])
def test_every_point_of_a_map(registry: cloaca.Registry, evict: Any) -> None:
    """Few steps, as each point that is met is a run of its own."""

    def body(context: Context, item: str, handle: Handle) -> object:
        if item == "waits":
            return handle.wait_for("go")
        if handle.attempt == 1:
            raise RuntimeError("again")
        return item

    with cloaca.WorkflowBuilder("flow", registry=registry):
        cloaca.task(id="each", map=["waits", "fails"], retry_delay_ms=1000)(body)

    def meanwhile(h: Harness, run: HarnessRun) -> None:
        h.send(run, "go", 1)

    report = crash_at_every_point("flow", registry=registry, evict=evict, meanwhile=meanwhile)

    assert (report.status, report.context["each"]) == ("Completed", [1, "fails"])
    assert report.different == ()
    assert set(report.twice) <= {"each[0]", "each[1]"}
    assert {"map.after_open", "map.before_end"} <= {crash.point for crash in report.crashes}


def test_a_body_of_items_is_replaced(registry: cloaca.Registry) -> None:
    with cloaca.WorkflowBuilder("flow", registry=registry):
        cloaca.task(id="each", map=[1, 2])(lambda context, item: item)

    with harness(registry) as h:
        h.replace("flow", "each", lambda context, handle, item: (item, handle.index))
        h.fail("flow", "each", RuntimeError("no"), times=1)
        run = h.run("flow")
        h.clock.advance(seconds=1)

    assert run.context["each"] == [[1, 0], [2, 1]]


def test_a_claim_does_not_wait_for_more_places(registry: cloaca.Registry, tmp_path: Path) -> None:
    """Time stands still, so it would wait for ever."""

    async def slow(context: Context) -> None:
        await asyncio.sleep(100)

    define(registry, slow)
    define(registry, lambda context: None, "other")
    url = tmp_path / "work.db"
    with harness(registry, url=url, config=cloaca.DefaultRunnerConfig(max_active_runs=8)) as h:
        for _ in range(7):
            h.submit("flow")
        h.drain()
        with cloaca.Client(url, registry=registry) as client:
            for _ in range(3):
                client.submit("other")

        assert h.drain() == {"Running": 7, "Completed": 3}


def test_days_of_a_run_that_waits_cost_few_operations(
    registry: cloaca.Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    operation = StoreView._by_loop

    def counted(self: StoreView, name: str, function: Any) -> Any:
        call = operation(self, name, function)

        async def count(*args: Any, **options: Any) -> Any:
            asked.append(name)
            return await call(*args, **options)

        return count

    monkeypatch.setattr(StoreView, "_by_loop", counted)
    with cloaca.WorkflowBuilder("flow", registry=registry):
        nap = cloaca.sleep("nap", seconds=DAY)
        signed = cloaca.approval("signed", "?", timeout=2 * DAY, default="approve")
        cloaca.sleep("rest", seconds=DAY, dependencies=[nap, signed])
    with harness(registry) as h:
        run = h.run("flow")
        h.clock.advance(days=3)
        assert run.status == "Completed"

    assert len(asked) < 120, Counter(asked)
