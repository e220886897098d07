"""The figures of README's comparison: each engine in an environment of its own.

Every engine is installed as the first page of its documentation says and does the same: one run of
one step. They are measured in turns, so that a busy machine slows all of them. A failed measurement
is reported and left out of the table. The time of a process to its first result is measured from
outside, with separate processes that end after it.
"""

from __future__ import annotations

import random
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.from_wheels.peers import PEERS, Peer
from benchmarks.from_wheels.table import Pair, Row, table
from benchmarks.peers.timing import FIRST_ONLY
from dev.console import environment, say, step
from dev.databases import maintenance, sources
from dev.environments.sandbox import Sandbox
from dev.packaging.artefacts import package
from dev.project import ROOT, version

ROUNDS = 3
STARTS = 15
IMPORTS = 7
SECONDS = 300


@dataclass(frozen=True, slots=True)
class Place:
    """Places of homes and databases."""

    folder: Path
    server: str


def compare() -> None:
    """Measure all engines and print the table."""
    package()
    with (
        tempfile.TemporaryDirectory(prefix="cloaca-peers-") as name,
        sources.server(durable=True) as server,
    ):
        boxes = [(peer, _installed(peer, Path(name) / peer.name)) for peer in _fitting()]
        step(f"measuring {len(boxes)} engines, {ROUNDS} rounds; this wants the machine to itself")
        place = Place(Path(name), server)
        runs = _in_turns(boxes, ROUNDS, lambda peer, box: _latencies(peer, box, place))
        step(f"starting each of them {STARTS} times")
        starts = _in_turns(boxes, STARTS + 1, lambda peer, box: _starts(peer, box, place))
        rows = [
            Row(
                peer.name,
                megabytes(box),
                import_ms(box, peer.imports),
                _medians(starts[peer][1:]),  # without the first, which compiled it
                _medians(runs[peer]),
            )
            for peer, box in boxes
        ]
    say(table(rows))
    say(f"cloaca {version()}; {', '.join(_pins(peer for peer, _ in boxes))}")


def _fitting() -> list[Peer]:
    """Engines that work with this Python; another Python would have another starting time."""
    for peer in PEERS:
        if sys.version_info < peer.python:
            newer = ".".join(map(str, peer.python))
            say(f"  {peer.name}: left out, it needs Python {newer}; run this with that one")
    return [peer for peer in PEERS if sys.version_info >= peer.python]


def _in_turns(
    boxes: Sequence[tuple[Peer, Sandbox]], rounds: int, once: Callable[[Peer, Sandbox], Pair]
) -> dict[Peer, list[Pair]]:
    """Times of each engine in each round; the order changes from round to round."""
    found: dict[Peer, list[Pair]] = {peer: [] for peer, _ in boxes}
    for _ in range(rounds):
        for peer, box in random.sample(boxes, len(boxes)):
            found[peer].append(once(peer, box))
    return found


def _pins(peers: Iterable[Peer]) -> Iterator[str]:
    for peer in peers:
        if not isinstance(peer.install, str):
            yield peer.install[0]


# -- one engine ----------------------------------------------------------------------------------


def _installed(peer: Peer, folder: Path) -> Sandbox:
    step(f"installing {peer.name}")
    box = Sandbox(folder).create()
    if isinstance(peer.install, str):
        box.install_for(peer.install)
    else:
        box.install_third_party(*peer.install)
    return box


def megabytes(box: Sandbox) -> float:
    """The size of the installation, before running it compiles anything."""
    files = (path for path in box.folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files if path.suffix != ".pyc") / 1e6


def import_ms(box: Sandbox, wanted: str) -> float:
    """The median of new processes, after one that compiled it."""
    module, _, name = wanted.rpartition(".")
    statement = f"from {module} import {name}"
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    seconds = [float(box.run(code).stdout) for _ in range(IMPORTS + 1)]
    return statistics.median(seconds[1:]) * 1000


def _latencies(peer: Peer, box: Sandbox, place: Place) -> Pair:
    """Median times of a run, in ms, on SQLite and on PostgreSQL."""

    def median(home: Path, url: str) -> float | None:
        started = time.monotonic()
        said = _said(peer, box, home, url)
        found = None if said is None else median_in(said)
        if found is not None:
            say(f"  {peer.name}: {found:.2f} ms in {time.monotonic() - started:.0f} s")
        return found

    return _on_both(peer, place, median)


def _starts(peer: Peer, box: Sandbox, place: Place) -> Pair:
    """Times from the start of a process to its first result, in ms, on both databases."""

    def start(home: Path, url: str) -> float | None:
        started = time.monotonic()
        said = _said(peer, box, home, url, **{FIRST_ONLY: "1"})
        first = None if said is None else first_in(said)
        return None if first is None else (first - started) * 1000

    return _on_both(peer, place, start)


def _on_both(peer: Peer, place: Place, once: Callable[[Path, str], float | None]) -> Pair:
    """Measure on both databases, each time in an empty home and on an empty database."""
    on_sqlite = on_postgres = None
    with tempfile.TemporaryDirectory(dir=place.folder) as name:
        if peer.sqlite:
            on_sqlite = once(Path(name), f"{peer.sqlite}{Path(name) / 'runs.db'}")
    with (
        tempfile.TemporaryDirectory(dir=place.folder) as name,
        _database(peer, place.server) as url,
    ):
        if url:
            on_postgres = once(Path(name), url)
    return on_sqlite, on_postgres


@contextmanager
def _database(peer: Peer, server: str) -> Iterator[str]:
    if not peer.postgres:
        yield ""
        return
    with maintenance.temporary(server, f"cloaca_peer_{secrets.token_hex(8)}") as url:
        yield url


def _said(peer: Peer, box: Sandbox, home: Path, url: str, **variables: str) -> str | None:
    """Run an engine's program; its output, or None with a report if it failed.

    All of its files are in ``home``.
    """
    command: list[str | Path] = [
        box.python,
        "-c",
        _START,
        ROOT,
        f"benchmarks.peers.{peer.module}",
        url,
    ]
    try:
        done = subprocess.run(
            command,
            cwd=home,
            env=environment({"HOME": str(home), **variables}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        say(f"  {peer.name}: nothing within {SECONDS} s")
        return None
    told = first_in if variables else median_in
    if told(done.stdout) is None:
        said = (done.stdout + done.stderr).rstrip().splitlines()[-5:]
        say("\n".join([f"  {peer.name}: exit code {done.returncode}", *said]))
        return None
    return done.stdout


def median_in(output: str) -> float | None:
    """The median that a program printed with ``benchmarks.peers.timing``, among other output."""
    found = re.search(r"(?m)^median_ms ([0-9.]+) of \d+$", output)
    return float(found[1]) if found else None


def first_in(output: str) -> float | None:
    """The time of its first result, by ``time.monotonic``, printed in the same way."""
    found = re.search(r"(?m)^first_result_at ([0-9.]+)$", output)
    return float(found[1]) if found else None


# The repository goes to the end of the path, where it cannot shadow what is installed.
_START = """
import runpy, sys
root, module, url = sys.argv[1:]
sys.path.append(root)
sys.argv = [module, url]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


# -- all engines ---------------------------------------------------------------------------------


def _medians(found: Sequence[Pair]) -> Pair:
    on_sqlite = [each for each, _ in found if each is not None]
    on_postgres = [each for _, each in found if each is not None]
    return (
        statistics.median(on_sqlite) if on_sqlite else None,
        statistics.median(on_postgres) if on_postgres else None,
    )
