"""A world of real processes that meet faults: workers and clients on one database, an observer, and
a tenant beside them with a database of its own.

All chance comes from one seed. (What the processes make of it depends on the machine as well: a
seed gives the same faults in the same order, not the same story.)
"""

from __future__ import annotations

import hashlib
import heapq
import json
import random
import shutil
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from chaos import faults, moved_clock
from own_database import OwnDatabases

from process.chance import LONG, SHORT, place
from process.fleet import Fleet, Worker
from process.limited_runs import LIMITS, SAMPLE, check_rows
from process.postgres_server import Server
from process.proxy import Proxy

PLACES = {"steady": False, "second": True, "third": True, "client": False, "steerer": False}
"""The members, each with whether its lease is short."""
WORKERS = ("steady", "second", "third")
POINTS = {
    "submit.after_commit": 6,
    "claim.after_commit": 12,
    "body.before": 60,
    "body.after": 60,
    "journal.before_commit": 40,
    "journal.after_commit": 40,
    "run.before_end": 20,
    "run.after_end": 20,
    "child.after_end": 10,
    "map.after_open": 6,
    "wait.after_open": 10,
    "wait.before_close": 8,
    "run.after_park": 3,
    "places.after_ask": 20,
    "takeover.after_fence": 2,
    "steer.after_level": 4,
    "send.after_commit": 4,
    "retry.before_commit": 2,
    "schedule.before_commit": 3,
    "schedule.after_commit": 3,
    "prune.before_hide": 1,
    "prune.after_hide": 1,
    "prune.after_erase": 1,
}
"""Points of the engine at which members die, and up to which time of them."""
PATIENCE = 120.0
"""Seconds in which all must come to an end when no fault comes any more."""
SEEN = 20.0
"""Seconds after its end that a run may be pruned: the observer has seen it by then, also if the
clock was set meanwhile.
"""
ENDED = (
    "SELECT id, round, status, coalesce(final_context, ''), ended_at FROM cloaca_run"
    " WHERE ended_at IS NOT NULL"
)


class Happened(NamedTuple):
    """A fault that was done, at an instant of the monotonic clock."""

    at: float
    name: str
    until: float


class Ending(NamedTuple):
    """What a run has become, as the observer has seen it."""

    round: int
    status: str
    digest: str


class Member:
    """A process, and what was done to it."""

    def __init__(self, name: str, worker: Worker, *, fault: str | None) -> None:
        self.name = name
        self.worker = worker
        self.fault = fault
        self.is_short = PLACES[name]
        self.was_ended = False

    def tell(self, *words: object) -> None:
        with suppress(BrokenPipeError):
            self.worker.tell(*words)


class World:
    """The processes, until ``close``."""

    def __init__(
        self,
        fleet: Fleet,
        seed: int,
        *,
        server: Server | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self.fleet = fleet
        self.chance = random.Random(f"world {seed}")  # noqa: S311 - no secret
        self.folder = fleet.ledger_path.parent
        self.is_away = False
        self.happened: list[Happened] = []
        self.left_out: dict[int | str, int] = {}
        self.endings: dict[str, Ending] = {}
        self.broken: list[str] = []
        """What was found to be against a promise, each with the name of the promise."""
        self.samples = 0
        self.power_cuts = 0
        self._server = server
        self._proxy = proxy
        self._seed = seed
        self._births = count(1)
        self._clock = self.folder / "clock"
        moved_clock.move(self._clock, 0)
        self._members: dict[str, Member] = {}
        self._observer = threading.Thread(target=self._observe, daemon=True)
        self._is_over = threading.Event()

    @property
    def server(self) -> Server:
        assert self._server is not None
        return self._server

    @property
    def proxy(self) -> Proxy:
        assert self._proxy is not None
        return self._proxy

    # -- the storm -------------------------------------------------------------------------------

    def storm(self, backend: str, seconds: float) -> None:
        """Let faults come for so long."""
        for name in PLACES:
            self._born(name, armed=False)
        steady = self._members["steady"].worker
        steady.hear("ready")
        steady.tell("schedule", "one", 1)
        steady.hear("scheduled")
        self._observer.start()
        possible = [each for each in faults.FAULTS if each.backend in (None, backend)]
        order = [each.weight for each in possible]
        under_way: list[tuple[float, int, Iterator[float]]] = []
        numbers = count()
        until = time.monotonic() + seconds
        first = iter(self.chance.sample(possible, len(possible)))  # each of them once at first
        while time.monotonic() < until:
            self._replace_dead()
            fault = next(first, None) or self.chance.choices(possible, order)[0]
            course = fault.course(self)
            lasts = next(course, None)
            now = time.monotonic()
            if lasts is not None:
                self.happened.append(Happened(now, fault.name, now + lasts))
                heapq.heappush(under_way, (now + lasts, next(numbers), course))
            pause = now + self.chance.expovariate(2)
            while under_way and under_way[0][0] <= pause:
                due, _, course = heapq.heappop(under_way)
                self._wait(due)
                next(course, None)
            self._wait(min(pause, until))
        while under_way:
            due, _, course = heapq.heappop(under_way)
            self._wait(due)
            next(course, None)

    def _wait(self, due: float) -> None:
        time.sleep(max(0.0, due - time.monotonic()))

    def settle(self) -> bool:
        """Let all that was accepted come to its end without faults; whether it does."""
        self._replace_dead()
        for member in self._members.values():
            member.tell("rest")
            member.tell("limit", "none")
        for member in self._members.values():
            with suppress(AssertionError):  # one that was armed has died
                member.worker.hear("resting")
        last = self.fleet.start(max_recovery_attempts=1000)
        until = time.monotonic() + PATIENCE
        open_runs = "SELECT id, status, workflow FROM cloaca_run WHERE ended_at IS NULL"
        last.tell("schedules_off")
        last.hear("off")
        while left := self.fleet.query(open_runs):
            if time.monotonic() > until:
                text = f"P1: {len(left)} runs did not end in {PATIENCE} s: {left[:5]}"
                self.broken.append(text)
                return False
            for run_id, status, workflow in left:
                if status == "Paused":
                    last.steer("resume", run_id)
                elif workflow.endswith(("::waiting", "::mailed")):
                    last.try_to_send(run_id, f"last-{time.monotonic_ns()}")
            self._replace_dead(is_over=True)
            time.sleep(0.05)
        return True

    def close(self) -> None:
        """End all; the last look of the observer is over."""
        self._is_over.set()
        if self._observer.is_alive():
            self._observer.join()
        for member in self._members.values():
            member.worker.kill()

    # -- for faults ------------------------------------------------------------------------------

    def some_member(self) -> Member:
        """One that lives, as far as is known."""
        return self._members[self.chance.choice(list(self._members))]

    def disturb(self, member: Member) -> None:
        """What this process has under way from now on may be another's as well."""
        self.left_out.setdefault(member.worker.pid, self._lines() - 1)

    def move_clock(self, seconds: float) -> None:
        moved_clock.move(self._clock, seconds)

    @contextmanager
    def hog(self) -> Iterator[None]:
        """Another program writes, and does not end its transaction."""
        path = self.fleet.url.removeprefix("sqlite://")
        with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as raw:
            with suppress(sqlite3.OperationalError):
                raw.execute("BEGIN IMMEDIATE")
            yield

    def cut_power(self) -> None:
        """Judge the file as it would be found: all that callers were told before is in it."""
        for member in self._members.values():
            member.worker.signal(signal.SIGSTOP)
        for member in self._members.values():
            member.worker.await_stillness()
        self.power_cuts += 1
        path = Path(self.fleet.url.removeprefix("sqlite://"))
        copy = self.folder / f"power-{self.power_cuts}"
        copy.mkdir()
        try:
            for suffix in ("", "-wal"):
                if (source := Path(f"{path}{suffix}")).exists():
                    shutil.copy(source, copy / source.name)
            told = {each["run"] for each in self.answers("submit") if "run" in each}
        finally:
            for member in self._members.values():
                member.worker.signal(signal.SIGCONT)
        with closing(sqlite3.connect(copy / path.name)) as raw:
            found = raw.execute("PRAGMA integrity_check").fetchall()
            there = {run_id for (run_id,) in raw.execute("SELECT id FROM cloaca_run")}
        lost = told - there - set(self.endings)
        if found != [("ok",)] or lost:
            self.broken.append(f"P7: after power cut {self.power_cuts}: {found}, lost {lost}")
        else:
            shutil.rmtree(copy)

    # -- members ---------------------------------------------------------------------------------

    def _replace_dead(self, *, is_over: bool = False) -> None:
        """Let others come in the place of those that have ended; they ask for nothing once the
        storm ``is_over``.
        """
        for name, member in self._members.items():
            if not member.worker.has_ended:
                continue
            if member.fault and member.worker.pid not in self.left_out:
                self.happened.append(Happened(time.monotonic(), faults.POINTED, time.monotonic()))
            self.left_out.setdefault(member.worker.pid, self._last_line(member.worker.pid))
            self._born(name, armed=not is_over, acts=not is_over)

    def _born(self, name: str, *, armed: bool, acts: bool = True) -> None:
        number = next(self._births)
        fault = place(self.chance, POINTS) if armed and self.chance.random() < 0.4 else None
        settings: dict[str, Any] = {"shutdown_grace_seconds": 0.5}
        if name in WORKERS:
            settings |= {
                "lease_seconds": SHORT if PLACES[name] else LONG,
                "max_recovery_attempts": 1000,
                "evict_after_seconds": self.chance.choice([0, 0.2, 10]),
            }
        else:
            settings["works"] = False
        worker = self.fleet.launch(fault=fault, clock=self._clock, **settings)
        self._members[name] = Member(name, worker, fault=fault)
        if PLACES[name]:
            self.left_out[worker.pid] = -1
        if acts and name != "steady":
            self._members[name].tell("act", f"{self._seed}-{number}")

    # -- what is written down --------------------------------------------------------------------

    def _lines(self) -> int:
        path = self.fleet.ledger_path
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def _last_line(self, pid: int) -> int:
        lines = enumerate(self.fleet.ledger())
        return max((number for number, entry in lines if entry.pid == pid), default=0)

    def answers(self, ask: str | None = None) -> list[dict[str, Any]]:
        """What callers were told."""
        path = self.folder / "answers"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        found = []
        for line in lines:
            with suppress(ValueError):  # a process was killed as it wrote, or the disk was full
                found.append(json.loads(line))
        return [each for each in found if ask is None or each["ask"] == ask]

    def _observe(self) -> None:
        """Look again and again at what has ended, and at the places of limits."""
        while not self._is_over.wait(0.2):
            try:
                self.look()
            except AssertionError as error:
                self.broken.append(f"limits: {error}")
            except Exception as error:
                if type(error).__name__ not in ("OperationalError", "AdminShutdown"):
                    self.broken.append(f"the observer: {error!r}")

    def look(self) -> None:
        """Compare what has ended with what it was; note what is new."""
        check_rows(self.fleet.query(SAMPLE), LIMITS | _OTHERS)
        latest, limit = 0, (time.time() - SEEN) * 1e6
        for run_id, round_, status, context, ended_at in self.fleet.query(ENDED):
            digest = hashlib.sha256(context.encode()).hexdigest()
            ending = Ending(round_, status, digest)
            before = self.endings.get(run_id)
            if before is not None and before.round == ending.round and before != ending:
                self.broken.append(f"P2: run {run_id} was {before} and is {ending}")
            self.endings[run_id] = ending
            if ended_at < limit:
                latest = max(latest, ended_at)
        self.samples += 1
        if latest:
            new = self.folder / "seen.new"
            new.write_text(str(latest), encoding="utf-8")
            new.replace(self.folder / "seen")

    def counts(self) -> Counter[str]:
        """How many faults of each kind there were."""
        return Counter(each.name for each in self.happened)


def _others() -> dict[str, Any]:
    from cloaca_core.values.limits.settings import LimitSettings

    return {"crowd": LimitSettings(total=2), "nights": LimitSettings(total=1)}


_OTHERS = _others()


class Behind(Fleet):
    """Workers that reach their server through a proxy; the observer does not."""

    def __init__(self, databases: OwnDatabases, url: str, folder: Path, direct: str) -> None:
        super().__init__(databases, url, folder)
        parts = urlsplit(url)
        self._direct = urlunsplit(parts._replace(netloc=urlsplit(direct).netloc))

    def query(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._databases.query(self._direct, sql, *parameters)


def make(databases: OwnDatabases, url: str, folder: Path) -> Fleet:
    """The processes of a world, which note what they do in this folder."""
    return Fleet(databases, url, folder)
