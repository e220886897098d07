"""Fills a database with the runs of a shop, for tests of the web page and the docs' pictures.

The real engine runs them on a virtual clock: each task takes the time that is said here, in no
time, and the story is the same each time. It ends at a given instant; nothing runs afterwards.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import cloaca
from cloaca.testing import Harness, HarnessRun, harness

LOG: Final = logging.getLogger("shop")
COUNTRIES: Final = ("us", "uk", "de", "dk", "se", "no")
HOURS: Final = 4
"""So long before the given instant the story begins."""

Body = Callable[..., Awaitable[None]]


class PriceError(Exception):
    """A shop refuses a price."""


@dataclass(frozen=True, slots=True)
class Shop:
    """The ids of runs that a test or a picture is about, and that of a schedule."""

    failed: str
    completed: str
    paused: str
    delayed: str
    asks: str
    waits: str
    cancelled: str
    child: str
    stopped: str
    schedule: str


def fill(url: str, now: datetime, *, nights: int = 2) -> Shop:
    """Write the story into an empty database; ``now`` is when it ends. It begins ``nights`` before,
    each of which publishes prices.
    """
    photos = Photos()
    with harness(workflows(photos), url=url, now=now - timedelta(days=nights)) as h:
        photos.runner = h.async_runner
        completed = _nights(h, nights, now)
        h.clock.to(now - timedelta(hours=HOURS))
        schedule = _schedules(h)
        _orders(h)
        h.clock.to(now - timedelta(minutes=50))
        _stock(h)
        asks = [h.submit("answer_mail", {"customer": 8812 + n}) for n in range(2)]
        waits = h.submit("close_the_day")
        cancelled = _cancelled(h)
        stopped = h.submit("import_orders", {"file": "orders-0311.csv"}, tags={"shop": "dk"})
        h.clock.to(now - timedelta(minutes=12))
        paused = _paused(h)
        h.fail("price_list", "fetch_feeds", TimeoutError("no answer in 15 s"))
        failed = h.submit("price_list", {"shop_key": "k"})
        h.clock.to(now - timedelta(minutes=2))
        delayed = h.submit("newsletter", {"issue": 13}, delay=timedelta(hours=2))
        h.clock.to(now)
        (child, *_) = h.runner.list_runs(workflow_name="resize_photos", limit=1)
        return Shop(
            failed=failed.id,
            completed=completed.id,
            paused=paused.id,
            delayed=delayed.id,
            asks=asks[0].id,
            waits=waits.id,
            cancelled=cancelled.id,
            child=child.id,
            stopped=stopped.id,
            schedule=schedule,
        )


# -- the story -----------------------------------------------------------------------------------


def _nights(h: Harness, nights: int, now: datetime) -> HarnessRun:
    """A run of each night, of which some took another try, and some failed; the last one."""
    for night in range(nights):
        h.clock.to(now - timedelta(days=nights - 1 - night, hours=HOURS + 2))
        if night % 5 == 3:
            h.fail("price_list", "fetch_feeds", TimeoutError("no answer in 15 s"))
        run = h.submit("price_list", {"shop_key": "k", "good": night % 9 != 4})
    return run


def _schedules(h: Harness) -> str:
    """Three schedules, of which one is switched off, and a limit that is stopped; the id of the
    first.
    """
    first = h.runner.schedule("stock every half hour", "sync_stock", "*/30 * * * *", "UTC")
    h.runner.schedule("prices every night", "price_list", "0 2 * * *", "Europe/Copenhagen")
    weekly = h.runner.schedule("photos on Sundays", "resize_photos", "0 5 * * 0", "UTC")
    h.runner.set_cron_schedule_enabled(weekly, False)
    h.runner.set_limit("price_feed", total=0, by="ann")
    return first


def _orders(h: Harness) -> None:
    """Orders of three shops over two hours, one of which met a terminal that was off."""
    for number in range(24):
        h.submit("order", {"number": 1000 + number}, tags={"shop": ("no", "se", "dk")[number % 3]})
        h.clock.advance(minutes=4, seconds=7 * number)
    h.fail("order", "charge", ConnectionError("terminal 7 did not answer"), times=2)
    h.submit("order", {"number": 1030}, tags={"shop": "no"})
    h.clock.advance(minutes=1)


def _stock(h: Harness) -> None:
    """The stock cannot be read for a while."""
    refused = 'connection to server at "stock.example" failed: Connection refused'
    h.fail("sync_stock", "read_levels", OSError(refused), times=9)
    for _ in range(4):
        h.submit("sync_stock")
        h.clock.advance(minutes=1)


def _cancelled(h: Harness) -> HarnessRun:
    run = h.submit("order", {"number": 1040}, delay=timedelta(hours=1), tags={"shop": "se"})
    h.runner.cancel(run.id, by="bob")
    return run


def _paused(h: Harness) -> HarnessRun:
    """A run paused by a person, and a workflow that is paused."""
    run = h.submit("sync_stock", delay=timedelta(minutes=1), tags={"shop": "no"})
    h.runner.pause(run.id, reason="the shop counts its stock", by="ann")
    h.runner.pause_workflow("newsletter", reason="the address list is being cleaned", by="ann")
    h.submit("newsletter", {"issue": 12})
    return run


# -- workflows -----------------------------------------------------------------------------------


class Photos:
    """Starts the run that resizes photos, within another one. ``runner`` comes after the workflows
    that use it.
    """

    runner: cloaca.AsyncRunner

    async def body(self, context: cloaca.Context) -> None:
        """Wait for the end of that run."""
        done = await self.runner.execute("resize_photos", {"photos": 12})
        context.set("photos", done.status)


def workflows(photos: Photos) -> cloaca.Registry:
    """The workflows of the shop, in a registry of their own."""
    registry = cloaca.Registry()
    _price_list(registry, photos)
    _small_ones(registry)
    _waiting_ones(registry)
    return registry


def _takes(seconds: float, said: str = "") -> Body:
    """A body that takes so long, and logs this."""

    async def body(context: cloaca.Context) -> None:
        await asyncio.sleep(seconds)
        if said:
            LOG.info(said)

    return body


def _price_list(registry: cloaca.Registry, photos: Photos) -> None:
    with cloaca.WorkflowBuilder("price_list", registry=registry) as builder:
        builder.description("Prices of six countries, published once a night")
        cloaca.task(id="fetch_feeds", retry_attempts=2, retry_delay_ms=8_000)(_fetch_feeds)
        cloaca.task(id="parse", dependencies=["fetch_feeds"])(_takes(4, "parsed 6 feeds"))
        cloaca.task(id="photos", dependencies=["parse"])(photos.body)
        cloaca.task(id="validate", dependencies=["parse"])(_takes(3))
        bad = cloaca.context_value("bad", "exists", True)
        cloaca.task(id="quarantine", dependencies=["validate"], trigger_rules=bad)(_takes(1))
        for number, country in enumerate(COUNTRIES):
            seconds = 6 + 3.5 * number
            body = _prices_of(country, seconds)
            cloaca.task(id=f"prices_{country}", dependencies=["validate"])(body)
        prices = [f"prices_{country}" for country in COUNTRIES]
        cloaca.task(id="compare", dependencies=prices)(_compare)
        cloaca.task(id="publish", dependencies=["compare"], retry_attempts=3, retry_delay_ms=6_000)(
            _publish
        )
        cloaca.task(id="archive", dependencies=["publish"])(_takes(2))
        cloaca.task(id="notify", dependencies=["publish"])(_takes(1))
        failed = cloaca.task_failed("publish")
        cloaca.task(id="alert", dependencies=["publish"], trigger_rules=failed)(
            _takes(0.4, "told the team")
        )


async def _fetch_feeds(context: cloaca.Context) -> None:
    await asyncio.sleep(12)
    context.set("feeds", list(COUNTRIES))


def _prices_of(country: str, seconds: float) -> Body:
    async def body(context: cloaca.Context) -> None:
        await asyncio.sleep(seconds)
        prices = [{"sku": 20_470 + item, "price": 129.0 + item * 1.5} for item in range(12)]
        context.set(f"prices_{country}", prices)

    return body


async def _compare(context: cloaca.Context) -> None:
    await asyncio.sleep(5)
    LOG.info("318 prices differ from yesterday")
    context.set("changes", 318)


async def _publish(context: cloaca.Context, handle: cloaca.AsyncTaskHandle) -> None:
    upload = await handle.step("open_upload", _open_upload)
    for part in range(1, 26):
        await asyncio.sleep(0.4)
        handle.progress(part, 25, "parts")
    LOG.warning("part 23 of %s: 1 price refused", upload["id"])
    if not context.get("good", False):
        _refuse(20_481, 129.0)
    context.set("published", True)


async def _open_upload() -> dict[str, Any]:
    await asyncio.sleep(0.5)
    return {"id": "u-7712", "parts": 25}


def _refuse(sku: int, price: float) -> None:
    raise PriceError(f"422 price of SKU {sku} is below cost ({price:.2f}, at least 141.50)")


def _small_ones(registry: cloaca.Registry) -> None:
    with cloaca.WorkflowBuilder("order", registry=registry) as builder:
        builder.description("An order from its reservation to its parcel")
        cloaca.task(id="reserve")(_takes(0.6))
        cloaca.task(id="charge", dependencies=["reserve"], retry_attempts=2, retry_delay_ms=2_000)(
            _takes(1.7)
        )
        cloaca.task(id="ship", dependencies=["charge"])(_takes(2.2))
    with cloaca.WorkflowBuilder("sync_stock", registry=registry):
        cloaca.task(id="read_levels")(_takes(3))
        cloaca.task(id="write_levels", dependencies=["read_levels"])(_takes(1.4))
    with cloaca.WorkflowBuilder("resize_photos", registry=registry):
        cloaca.task(id="list_photos")(_takes(1))
        cloaca.task(id="shrink", dependencies=["list_photos"])(_takes(9))
        cloaca.task(id="upload", dependencies=["shrink"])(_takes(4))
    with cloaca.WorkflowBuilder("import_orders", registry=registry) as builder:
        builder.exhausted_policy("pause")
        cloaca.task(id="read_file")(_takes(3))
        cloaca.task(id="check_rows", dependencies=["read_file"], retry_attempts=1)(_check_rows)
        cloaca.task(id="store", dependencies=["check_rows"])(_takes(6))
    with cloaca.WorkflowBuilder("newsletter", registry=registry):
        cloaca.task(id="send_out")(_takes(30))


async def _check_rows(context: cloaca.Context) -> None:
    await asyncio.sleep(2)
    raise ValueError("row 4,117: column amount holds '12,50 kr'")


def _waiting_ones(registry: cloaca.Registry) -> None:
    with cloaca.WorkflowBuilder("answer_mail", registry=registry):
        cloaca.task(id="read_mail")(_takes(2))
        cloaca.approval(
            "send_answer",
            "Send this answer to the customer?",
            choices=["send", "rewrite", "drop"],
            timeout=timedelta(hours=23),
            dependencies=["read_mail"],
        )
        cloaca.task(id="send_it", dependencies=["send_answer"])(_takes(1))
    with cloaca.WorkflowBuilder("close_the_day", registry=registry):
        cloaca.task(id="sum_up")(_takes(2))
        cloaca.wait_for("bank_file", "bank.file", dependencies=["sum_up"])
        cloaca.task(id="post", dependencies=["bank_file"])(_takes(1))

    registry.register_limit(cloaca.Limit("price_feed", total=2, per_key=1))

    @cloaca.trigger(on="sync_stock", poll_interval="20m", registry=registry)
    def shelf_is_empty() -> bool:
        return False
