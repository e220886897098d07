"""66: metrics of a runner, as text that Prometheus reads."""

from __future__ import annotations

import threading
from typing import TypeAlias

import pytest
from prometheus_client.parser import text_string_to_metric_families

import cloaca

Series: TypeAlias = dict[tuple[str, tuple[tuple[str, str], ...]], float]
WAIT = 60.0


def read(text: str) -> Series:
    """The value of each series."""
    return {
        (each.name, tuple(sorted(each.labels.items()))): each.value
        for family in text_string_to_metric_families(text)
        for each in family.samples
    }


def value(series: Series, name: str, **labels: str) -> float:
    return series[name, tuple(sorted(labels.items()))]


class Held:
    """A body that says that it is inside, and waits to be let go."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, _: cloaca.Context) -> None:
        self.inside.set()
        assert self.go_on.wait(WAIT)


def define_orders(held: Held | None = None) -> None:
    fails = [True]

    def charge(context: cloaca.Context) -> dict[str, int]:
        if fails:
            fails.pop()
            raise ConnectionError("the bank is busy")
        return {"paid": 1}

    with cloaca.WorkflowBuilder("order"):
        cloaca.task(id="charge", retry_attempts=2, retry_delay_ms=1)(charge)
        cloaca.task(id="send", dependencies=["charge"])(lambda context: None)
    with cloaca.WorkflowBuilder("held"):
        cloaca.task(id="hold")(held or Held())


@pytest.mark.each_backend
def test_runs_attempts_and_slots_are_shown(database_url: str) -> None:
    held = Held()
    define_orders(held)
    with cloaca.DefaultRunner(database_url) as runner:
        before = read(cloaca.metrics.render(runner))
        runner.execute("order", timeout=WAIT)
        run = runner.submit("held")
        later = runner.submit("order", delay=3600)
        assert held.inside.wait(WAIT)
        now = read(cloaca.metrics.render(runner))
        held.go_on.set()
        run.result(WAIT)
        later.cancel()
        after = read(cloaca.metrics.render(runner))

    assert value(before, "cloaca_runs", status="Running") == 0
    assert value(now, "cloaca_runs_total", workflow="order", status="Completed") == 1
    assert value(now, "cloaca_slots", kind="threads", state="used") == 1
    assert value(now, "cloaca_runs", status="Running") == 1
    assert value(now, "cloaca_runs", status="Pending") == 1
    attempts = "cloaca_task_attempts_total"
    assert value(now, attempts, workflow="order", task="charge", status="Failed") == 1
    assert value(now, attempts, workflow="order", task="charge", status="Completed") == 1
    assert value(now, "cloaca_task_duration_seconds_count", workflow="order", task="send") == 1
    assert value(now, "cloaca_schedule_to_start_seconds_count", workflow="order") == 2
    assert value(now, "cloaca_run_duration_seconds_count", workflow="order") == 1
    assert value(now, "cloaca_journal_commit_seconds_count") > 0
    assert value(now, "cloaca_database_bytes") > 0
    assert value(now, "cloaca_oldest_pending_seconds") == 0  # it waits for its time, not for us
    assert value(now, "cloaca_loop_last_success_seconds", loop="journal") > 1e9
    assert value(after, "cloaca_runs_total", workflow="held", status="Completed") == 1
    assert value(after, "cloaca_slots", kind="threads", state="used") == 0


def test_no_id_is_a_label(runner: cloaca.DefaultRunner) -> None:
    define_orders()
    cloaca.metrics.render(runner)
    run = runner.submit("order")
    run.result(WAIT)

    assert run.id not in cloaca.metrics.render(runner)


def test_the_lag_of_a_schedule_is_shown(runner: cloaca.DefaultRunner) -> None:
    done = threading.Event()
    with cloaca.WorkflowBuilder("tick"):
        cloaca.task(id="t")(lambda context: done.set())
    cloaca.metrics.render(runner)
    runner.register_cron_workflow("tick", "* * * * * *", "UTC")
    assert done.wait(WAIT)

    shown = read(cloaca.metrics.render(runner))
    assert value(shown, "cloaca_tick_lag_seconds_count", workflow="tick") >= 1


async def test_an_async_runner_and_a_client_show_theirs(database_url: str) -> None:
    define_orders()
    async with cloaca.AsyncRunner(database_url) as runner:
        await cloaca.metrics.render_async(runner)
        await runner.execute("order")
        shown = read(await cloaca.metrics.render_async(runner))
        with cloaca.Client(database_url) as client:
            seen = read(cloaca.metrics.render(client))

    assert value(shown, "cloaca_runs_total", workflow="order", status="Completed") == 1
    assert value(seen, "cloaca_runs", status="Running") == 0
    assert not [name for name, _ in seen if name == "cloaca_slots"]  # it has none


def test_a_closed_runner_has_no_metrics(database_url: str) -> None:
    with cloaca.DefaultRunner(database_url) as runner:
        pass
    with pytest.raises(cloaca.RunnerClosedError):
        cloaca.metrics.render(runner)
