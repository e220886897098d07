"""Runs the arena's scenarios of chaos and pressure, and a snapshot that is held for ten minutes,
on servers of this machine with fsync.

``python -m benchmarks.arena [SCENARIO …] [--unit SECONDS]`` prints a line for each: whether
cloaca came back, how many runs were lost, how long it took, latencies and dead rows. The scenarios
are those of the arena's ``docs/method.md``, with shorter phases.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, LiteralString, NamedTuple

import psycopg

from benchmarks.arena import phases
from benchmarks.arena.phases import Phase, Place
from benchmarks.arena.replicas import SAMPLE_EVERY_S, Replicas
from dev.databases import programs
from dev.databases.cluster import Cluster, url_of
from dev.docs import proof

UNIT_S: Final = 15.0
DRAIN_S: Final = 120.0
"""For the runs that still wait as a scenario ends."""
RATE: Final = 200.0
WORKERS: Final = 8
REPLICAS: Final = 2
BACK: Final = 0.9
"""Of the rate: so many runs complete each second once cloaca has come back."""
LOG: Final = 4_000
"""Characters of the server's log that are printed where a phase fails by the server."""
_CLEAN, _RECOVERY = Phase("clean"), Phase("recovery", 2)

CHAOS: Final = {
    "chaos_crash_recovery": (_CLEAN, Phase("kill-worker"), Phase("start-worker"), _RECOVERY),
    "chaos_postgres_restart": (_CLEAN, Phase("postgres-restart"), _RECOVERY),
    "chaos_repeated_kills": (_CLEAN, Phase("repeated-kill", 2), _RECOVERY),
    "chaos_pg_backend_kill": (_CLEAN, Phase("pg-backend-kill"), _RECOVERY),
    "chaos_pool_exhaustion": (_CLEAN, Phase("pool-exhaustion"), _RECOVERY),
}
PRESSURE: Final = {
    "idle_in_tx_saturation": (_CLEAN, Phase("idle-in-tx", 3), _RECOVERY),
    "sustained_high_load": (_CLEAN, Phase("high-load", 3), _RECOVERY),
    "active_readers": (_CLEAN, Phase("active-readers", 3), _RECOVERY),
    "event_delivery_burst": (_CLEAN, Phase("high-load", 4), Phase("recovery", 3)),
}
OWN: Final = {"snapshot_of_ten_minutes": (_CLEAN, Phase("snapshot", 40), _RECOVERY)}
SCENARIOS: Final = {**CHAOS, **PRESSURE, **OWN}


class Outcome(NamedTuple):
    """Of one scenario."""

    recovered_s: float | None
    """From the end of what was done to the processes; None if they did not come back."""
    accepted: int
    """Runs in the table."""
    lost: int
    """Of the runs in the table and those that a living process knows as accepted: not completed."""
    rates: tuple[float, float]
    """Runs completed a second: before, and while it was done."""
    p95s: tuple[float, float]
    """Latencies in ms: before, and while it was done."""
    dead: int
    """Dead rows of the table of runs just before the recovery."""

    @property
    def holds(self) -> bool:
        """Whether cloaca came back, and nothing was lost."""
        return self.recovered_s is not None and not self.lost

    def __str__(self) -> str:
        back = "never" if self.recovered_s is None else f"{self.recovered_s:.0f} s"
        return (
            f"{'ok' if self.holds else 'FAILED':<8}{back:>6}{self.accepted:>9,}{self.lost:>6,}"
            f"{self.rates[0]:>8.0f}{self.rates[1]:>7.0f}{self.p95s[0]:>9.0f}{self.p95s[1]:>8.0f}"
            f"{self.dead:>10,}"
        )


HEAD: Final = (
    f"{'scenario':<26}{'':<8}{'back':>6}{'runs':>9}{'lost':>6}{'runs/s':>8}{'then':>7}"
    f"{'p95 ms':>9}{'then':>8}{'dead':>10}"
)


def play(scenario: Sequence[Phase], unit: float) -> Outcome:
    """Play a scenario on a new server."""
    with tempfile.TemporaryDirectory(prefix="cloaca-arena-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL does not run as root
        with _server(folder / "server") as (cluster, port, url):
            replicas = Replicas(url, folder, REPLICAS, RATE, WORKERS)
            with replicas.running():
                return _played(scenario, Place(cluster, port, url, replicas), unit)


@contextmanager
def _server(folder: Path) -> Iterator[tuple[Cluster, int, str]]:
    binaries = programs.installed()
    if binaries is None:
        raise SystemExit(programs.what_to_do())
    cluster = Cluster(folder, binaries)
    try:
        password = cluster.create()
        port = cluster.start(durable=True)
        yield cluster, port, url_of(password, port)
    except psycopg.Error:
        print(cluster.log.read_text(errors="replace")[-LOG:], file=sys.stderr)
        raise
    finally:
        cluster.remove()


def _played(scenario: Sequence[Phase], place: Place, unit: float) -> Outcome:
    replicas = place.replicas
    _wait_until(lambda: bool(replicas.between("completion_rate", 0, time.monotonic())), DRAIN_S)
    marks = [time.monotonic()]
    for phase in scenario[:-1]:
        phases.run(phase, place, phase.units * unit)
        marks.append(time.monotonic())
    dead = _one(place, "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'cloaca_run'")
    phases.run(scenario[-1], place, scenario[-1].units * unit)
    end = time.monotonic()
    replicas.set_rate(0)
    left = "SELECT count(*) FROM cloaca_run WHERE ended_at IS NULL"
    _wait_until(lambda: not _one(place, left), DRAIN_S)
    completed = _one(place, "SELECT count(*) FROM cloaca_run WHERE status = 'Completed'")
    accepted = _one(place, "SELECT count(*) FROM cloaca_run")
    told = sum(replicas.between("enqueue_rate", 0, time.monotonic())) * SAMPLE_EVERY_S
    before, then = (marks[0], marks[1]), (marks[1], marks[-1])
    return Outcome(
        _recovered(replicas, marks[-1], end),
        accepted,
        max(round(told), accepted) - completed,
        (_rate(replicas, *before), _rate(replicas, *then)),
        (_p95(replicas, *before), _p95(replicas, *then)),
        dead,
    )


def _recovered(replicas: Replicas, begin: float, end: float) -> float | None:
    """Seconds until so many runs complete as are submitted, or None."""
    at = begin
    while at + 2 * SAMPLE_EVERY_S <= end:
        if _rate(replicas, at, at + 2 * SAMPLE_EVERY_S) >= BACK * RATE and not replicas.ended():
            return at - begin
        at += SAMPLE_EVERY_S
    return None


def _rate(replicas: Replicas, begin: float, end: float) -> float:
    told = replicas.between("completion_rate", begin, end)
    return sum(told) * SAMPLE_EVERY_S / (end - begin)


def _p95(replicas: Replicas, begin: float, end: float) -> float:
    return max(replicas.between("claim_p95_ms", begin, end), default=0.0)


def _one(place: Place, query: LiteralString) -> int:
    with place.connect() as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def _wait_until(holds: Callable[[], bool], seconds: float) -> None:
    """Wait at most so long."""
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(SAMPLE_EVERY_S / 2)


def main() -> int:
    """Play the scenarios and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.arena")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--unit", type=float, default=UNIT_S, help="seconds of a short phase")
    parser.add_argument(
        "--keep", action="store_true", help="keep the snapshot's result for the page of promises"
    )
    given = parser.parse_args()
    if unknown := set(given.scenarios) - set(SCENARIOS):
        parser.error(f"unknown scenarios: {', '.join(sorted(unknown))}")
    print(HEAD)
    outcomes = []
    for name in given.scenarios or SCENARIOS:
        outcomes.append(play(SCENARIOS[name], given.unit))
        print(f"{name:<26}{outcomes[-1]}", flush=True)
        if given.keep and name in OWN:
            proof.keep("snapshot", outcomes[-1]._asdict())
    return 0 if all(each.holds for each in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
