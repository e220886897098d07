"""One process of the arena: it submits runs of one task at a rate, works on them, and prints what
it measures as lines of JSON, until SIGTERM.

``CONTRIBUTING_ADAPTERS.md`` of the arena has the variables and the lines. Samples are printed for
the time since the last ones, latencies for the last 30 s.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import cloaca

WINDOW_S: Final = 30
KEPT: Final = 65_536
"""Latencies that are kept at most: a larger sample changes no percentile that is printed."""
STEP_S: Final = 0.05
"""Between two submissions of what is due by the rate."""
MOST_AT_ONCE: Final = 1_000
"""Runs in one submission."""
WAIT_S: Final = 0.5
"""After a submission that failed, until it is sent again."""
DRAIN_S: Final = 3.0
"""For bodies under way when the process is told to end. The arena waits for 5 s."""
_MANIFEST: Final = Path(__file__).with_name("adapter.json")


class Settings(NamedTuple):
    """What the arena asks for."""

    database_url: str
    rate: float
    rate_file: str | None
    """Where the arena writes another rate while the process works."""
    target_depth: int | None
    """Submit as many as keep this backlog, at any rate."""
    workers: int
    payload_bytes: int
    work_ms: float
    sample_every_s: float
    instance: int

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Settings:
        """Read the variables of a process."""
        is_by_depth = environ.get("PRODUCER_MODE", "fixed") == "depth-target"
        return cls(
            environ["DATABASE_URL"],
            float(environ.get("PRODUCER_RATE", "200")),
            environ.get("PRODUCER_RATE_CONTROL_FILE"),
            int(environ.get("TARGET_DEPTH", "1000")) if is_by_depth else None,
            int(environ.get("WORKER_COUNT", "8")),
            int(environ.get("JOB_PAYLOAD_BYTES", "256")),
            float(environ.get("JOB_WORK_MS", "1")),
            float(environ.get("SAMPLE_EVERY_S", "5")),
            int(environ.get("BENCH_INSTANCE_ID", "0")),
        )

    def rate_now(self) -> float:
        """Runs a second, by the file where there is one."""
        with suppress(OSError, ValueError):
            if self.rate_file is not None:
                return max(0.0, float(Path(self.rate_file).read_text()))
        return self.rate


class Counted:
    """What has happened, and the latest latencies with their times.

    The counts only grow: the loop of the bodies and that of the samples are two threads.
    """

    def __init__(self) -> None:
        self.accepted = self.completed = self.depth = 0
        self._told_accepted = self._told_completed = 0
        self._latencies: deque[tuple[float, float]] = deque(maxlen=KEPT)

    def began(self, latency_ms: float) -> None:
        """A body has begun so long after its submission."""
        self._latencies.append((time.monotonic(), latency_ms))

    def metrics(self, seconds: float) -> Iterator[tuple[str, float, float]]:
        """Each name, value and window in seconds, rates since they were told the last time."""
        since = time.monotonic() - WINDOW_S
        while self._latencies and self._latencies[0][0] < since:
            self._latencies.popleft()
        ordered = sorted(latency for _, latency in list(self._latencies))
        for percent in (50, 95, 99):
            yield f"claim_p{percent}_ms", _percentile(ordered, percent), WINDOW_S
        accepted, completed = self.accepted, self.completed
        yield "enqueue_rate", (accepted - self._told_accepted) / seconds, seconds
        yield "completion_rate", (completed - self._told_completed) / seconds, seconds
        yield "queue_depth", self.depth, 0
        self._told_accepted, self._told_completed = accepted, completed


def _percentile(ordered: list[float], percent: int) -> float:
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else 0.0


class Adapter:
    """A producer, a runner and a sampler in one loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._counted = Counted()
        self._said_rate = settings.rate
        with cloaca.WorkflowBuilder("arena"):
            cloaca.task(id="only")(self._body)

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT."""
        settings = self._settings
        config = cloaca.DefaultRunnerConfig(
            max_concurrent_tasks=settings.workers, shutdown_grace_seconds=DRAIN_S
        )
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        async with AsyncExitStack() as stack:
            runner = await stack.enter_async_context(
                cloaca.AsyncRunner(settings.database_url, config=config)
            )
            _tell(_descriptor())
            parts: list[asyncio.Task[object]] = [
                asyncio.create_task(each) for each in (self._produce(runner), self._sample())
            ]
            if settings.instance == 0:
                parts.append(asyncio.create_task(self._look(runner)))
            waiting: asyncio.Task[object] = asyncio.create_task(ended.wait())
            done, _ = await asyncio.wait([*parts, waiting], return_when=asyncio.FIRST_COMPLETED)
            for each in parts:
                each.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            self._tell_samples(settings.sample_every_s)
            for each in done - {waiting}:
                each.result()  # raises what has ended it

    async def _body(self, context: cloaca.Context) -> None:
        sent = context.get("sent_at")
        self._counted.began((time.time() - sent) * 1_000)
        await asyncio.sleep(self._settings.work_ms / 1_000)
        self._counted.completed += 1

    async def _produce(self, runner: cloaca.AsyncRunner) -> None:
        owed, last = 0.0, time.monotonic()
        while True:
            await asyncio.sleep(STEP_S)
            self._said_rate = self._settings.rate_now()
            now = time.monotonic()
            owed, last = owed + (now - last) * self._said_rate, now
            if self._settings.target_depth is not None:
                owed = float(max(0, self._settings.target_depth - self._counted.depth))
            while owed >= 1:
                number = min(int(owed), MOST_AT_ONCE)
                await self._submit(runner, number)
                owed -= number

    async def _submit(self, runner: cloaca.AsyncRunner, number: int) -> None:
        """Submit so many runs, again and again until the database has them."""
        payload = "x" * self._settings.payload_bytes
        while True:
            context = {"sent_at": time.time(), "payload": payload}
            try:
                await runner.submit_many("arena", [context] * number)
            except cloaca.StoreError as error:
                print(f"submitted again: {error}", file=sys.stderr)
                await asyncio.sleep(WAIT_S)
            else:
                self._counted.accepted += number
                return

    async def _look(self, runner: cloaca.AsyncRunner) -> None:
        """Count the runs that wait, half as often as samples are told."""
        while True:
            with suppress(cloaca.StoreError):
                self._counted.depth = await runner.count_runs(status="Pending")
            await asyncio.sleep(self._settings.sample_every_s / 2)

    async def _sample(self) -> None:
        """Tell the samples at each multiple of the interval by the wall clock."""
        every = self._settings.sample_every_s
        while True:
            await asyncio.sleep(every - time.time() % every)
            self._tell_samples(every)

    def _tell_samples(self, seconds: float) -> None:
        rate = ("producer_target_rate", self._said_rate, 0.0)
        for metric, value, window in [*self._counted.metrics(seconds), rate]:
            _tell(
                {
                    "t": _now(),
                    "system": _manifest()["system"],
                    "kind": "adapter",
                    "instance_id": self._settings.instance,
                    "subject_kind": "adapter",
                    "subject": "",
                    "metric": metric,
                    "value": round(value, 3),
                    "window_s": window,
                }
            )


def _manifest() -> dict[str, object]:
    manifest: dict[str, object] = json.loads(_MANIFEST.read_text())
    return manifest


def _descriptor() -> dict[str, object]:
    manifest = _manifest()
    facts = {name: manifest[name] for name in ("system", "db_name", "event_tables", "extensions")}
    version = cloaca.__version__
    return {
        "kind": "descriptor",
        **facts,
        "version": version,
        "schema_version": version,
        "started_at": _now(),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _tell(record: Mapping[str, object]) -> None:
    print(json.dumps(record), flush=True)


if __name__ == "__main__":
    asyncio.run(Adapter(Settings.of(os.environ)).run())
