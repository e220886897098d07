"""Fills a database with runs whose every text is a script, and is long: what the page must show as
text, and within its width.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, Final

import cloaca
from browser.shop import Shop
from cloaca.testing import Harness, harness

SCRIPT: Final = '<img src=x onerror="window.ran=1"><script>window.ran=1</script>'
TEXT: Final = f"{SCRIPT}{'long' * 40}"
LIMIT: Final = f"<script>window.ran++</script>{'long' * 15}"
"""The name of a limit is shorter, and has no equals sign."""
LOG: Final = logging.getLogger("odd")


def fill(url: str, now: datetime) -> Shop:
    """Write the runs into an empty database; ``now`` is when they have happened."""
    with harness(_workflows(), url=url, now=now - timedelta(hours=1)) as h:
        schedule = h.runner.schedule(TEXT, TEXT, "0 5 * * *", "UTC", params={TEXT: TEXT})
        failed = _submitted(h)
        h.fail(TEXT, TEXT, ValueError(TEXT))
        h.clock.advance(seconds=1)
        completed, asks, waits, paused, delayed, cancelled = (_submitted(h) for _ in range(6))
        h.runner.pause(paused, reason=TEXT, by=SCRIPT)
        h.runner.cancel(cancelled, by=SCRIPT)
        h.clock.to(now - timedelta(minutes=1))
        h.runner.send(waits, TEXT, {TEXT: TEXT}, key=SCRIPT)
        h.runner.approve(completed, "decision", TEXT, note=TEXT, by=SCRIPT, data={TEXT: TEXT})
        h.runner.send(completed, TEXT, TEXT)
        h.runner.pause_workflow(TEXT, reason=TEXT, by=SCRIPT)
        h.runner.set_limit(LIMIT, total=0, by=SCRIPT)
        h.clock.to(now)
        return Shop(
            failed=failed,
            completed=completed,
            paused=paused,
            delayed=delayed,
            asks=asks,
            waits=waits,
            cancelled=cancelled,
            child=completed,
            stopped=paused,
            schedule=schedule,
        )


def _submitted(h: Harness) -> str:
    run = h.submit(TEXT, {TEXT: TEXT, "list": [TEXT] * 3}, tags={SCRIPT: SCRIPT})
    return run.id


def _workflows() -> cloaca.Registry:
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder(TEXT, registry=registry) as builder:
        builder.description(TEXT)
        cloaca.task(id=TEXT, retry_attempts=1)(_body)
        cloaca.wait_for("event", TEXT, dependencies=[TEXT])
        cloaca.approval("decision", TEXT, choices=[TEXT, "reject"], dependencies=[TEXT])

    registry.register_limit(cloaca.Limit(LIMIT, total=2, per_key=1))

    @cloaca.trigger(on=TEXT, name=TEXT, poll_interval="20m", registry=registry)
    def never() -> bool:
        return False

    return registry


def _body(context: cloaca.Context, handle: cloaca.TaskHandle) -> Any:
    handle.step(SCRIPT, lambda: TEXT)
    LOG.error(TEXT)
    handle.progress(1, 2, SCRIPT)
    context.set(TEXT, f"{TEXT} changed")
    return {"state": {TEXT: TEXT}, SCRIPT: TEXT}
