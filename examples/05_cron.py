"""Step 5: workflows that start by the clock.

A schedule is a cron expression in a time zone for a workflow. The runner starts the workflow at
each tick; the run's context says which tick it is. Six fields begin with seconds, five
with minutes.
"""

from __future__ import annotations

import time
from datetime import datetime

import cloaca

ticks: list[str] = []

with cloaca.WorkflowBuilder("heartbeat") as builder:
    builder.description("Notes when it was meant to run, not when it did")

    @cloaca.task(id="note")
    def note(context: cloaca.Context) -> cloaca.Context:
        """Use the scheduled time: a run may start late, and its tick stays what it is."""
        ticks.append(context.get("scheduled_time"))
        return context


def settings() -> cloaca.DefaultRunnerConfig:
    """Set the polling interval of cloaca 0.2; this version sleeps until a tick is due."""
    return cloaca.DefaultRunnerConfig(cron_poll_interval_seconds=1)


def await_ticks(count: int, seconds: float = 30) -> None:
    """Wait until so many runs have started."""
    deadline = time.monotonic() + seconds
    while len(ticks) < count and time.monotonic() < deadline:
        time.sleep(0.05)


def look_at(runner: cloaca.DefaultRunner, schedule_id: str) -> None:
    """Print the facts about a schedule."""
    schedule = runner.get_cron_schedule(schedule_id)
    print("workflow:", schedule["workflow_name"])
    print("when:", schedule["cron_expression"], "in", schedule["timezone"])
    print("enabled:", schedule["enabled"])


def look_at_ticks() -> None:
    """Print when the runs were meant to start."""
    first, second, *_ = sorted(datetime.fromisoformat(tick) for tick in ticks)
    print("on the second:", first.microsecond == second.microsecond == 0)
    print("at least a second apart:", (second - first).total_seconds() >= 1)


def main() -> None:
    """Make schedules, let one tick, look at what it did, and remove them."""
    runner = cloaca.DefaultRunner.with_config("sqlite://:memory:", settings())
    try:
        ticking = runner.register_cron_workflow("heartbeat", "* * * * * *", "UTC")
        nightly = runner.register_cron_workflow("heartbeat", "30 2 * * *", "Europe/Berlin")
        look_at(runner, nightly)

        await_ticks(2)
        runner.set_cron_schedule_enabled(ticking, False)
        look_at_ticks()

        history = runner.get_cron_execution_history(ticking, 10, 0)
        print("in the history:", set(ticks) <= {each["scheduled_time"] for each in history})
        stats = runner.get_cron_execution_stats("2020-01-01T00:00:00Z")
        print("success rate:", stats["success_rate"], "%")

        runner.update_cron_schedule(nightly, "0 9 * * MON-FRI", "Europe/Berlin")
        look_at(runner, nightly)
        enabled = runner.list_cron_schedules(True, 100, 0)
        print("only that one is enabled:", [each["id"] for each in enabled] == [nightly])

        for wrong in (("every day", "UTC"), ("0 9 * * *", "Mars/Olympus")):
            try:
                runner.register_cron_workflow("heartbeat", *wrong)
            except ValueError as error:
                print("refused:", "Failed to register cron workflow" in str(error))

        runner.delete_cron_schedule(ticking)
        runner.delete_cron_schedule(nightly)
        print("left:", len(runner.list_cron_schedules(False, 100, 0)))
    finally:
        runner.shutdown()


if __name__ == "__main__":
    main()
