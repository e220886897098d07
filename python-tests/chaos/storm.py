"""Makes worlds, one after the other, lets faults come, and judges each: for ``invoke chaos``.

``python -m chaos.storm BACKEND SEED SECONDS FOLDER``: the last line is the result as JSON; 1 if a
promise was broken, and then the folder holds the ledgers, the database and the logs.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chaos import judge, world as worlds
from own_database import PostgresSchemas, SqliteFiles

from process.fleet import Fleet
from process.postgres_server import server
from process.proxy import proxy

ROUND = 60.0
"""Seconds of faults in one world, at most."""


def main(backend: str, seed: int, seconds: float, folder: Path) -> int:
    """Let faults come for so long; 1 if a promise was broken."""
    total: dict[str, Any] = {"backend": backend, "seeds": [], "seconds": 0}
    total |= {"faults": {}, "promises": {}}
    until = time.monotonic() + seconds
    while True:
        here = folder / f"{backend}-{seed}"
        here.mkdir(parents=True)
        length = max(1.0, min(ROUND, until - time.monotonic()))
        with a_world(backend, seed, here) as world:
            broken = told(world, backend, length, total)
        if broken:
            _say(f"\nseed {seed} on {backend} has broken a promise; look into {here}")
            return 1
        if time.monotonic() >= until:
            _say(table(total))
            _say(json.dumps(total))
            return 0
        seed += 1


def told(world: worlds.World, backend: str, seconds: float, total: dict[str, Any]) -> bool:
    """A storm and its end, added to the total; whether a promise was broken."""
    seed = world._seed
    world.storm(backend, seconds)
    world.settle()
    world.close()
    judged = judge.judge(world)
    total["seeds"].append(seed)
    total["seconds"] += round(seconds)
    for each in judge.outcomes(world):
        row = total["faults"].setdefault(each.name, {"times": 0, "refused": 0, "worst": 0.0})
        row["times"] += each.times
        row["refused"] += each.refused
        row["worst"] = round(max(row["worst"], each.worst), 2)
    for one in judged:
        name = f"{one.promise}, {one.looked_at}"
        row = total["promises"].setdefault(name, {"looked_at": 0, "broken": 0})
        row["looked_at"] += one.number
        row["broken"] += len(one.broken)
    broken = [f"  {one.promise}: {text}" for one in judged for text in one.broken]
    if broken:
        _say(table(total))
        _say("\n".join(broken[:40]))
        (world.folder / "broken").write_text("\n".join(broken), encoding="utf-8")
    else:
        _say(f"seed {seed} on {backend}: {len(world.happened)} faults, nothing was broken")
    return bool(broken)


def table(total: dict[str, Any]) -> str:
    """Faults against outcomes, and promises against what was looked at."""
    lines = [
        f"{'fault':44}{'times':>7}{'refused calls':>15}{'longest until a call is answered':>36}"
    ]
    lines += [
        f"{name:44}{row['times']:7}{row['refused']:15}{row['worst']:34.2f} s"
        for name, row in total["faults"].items()
    ]
    lines += ["", f"{'promise, and what was looked at':60}{'number':>9}{'broken':>9}"]
    lines += [
        f"{name:60}{row['looked_at']:9}{row['broken']:9}" for name, row in total["promises"].items()
    ]
    return "\n".join(lines)


@contextmanager
def a_world(backend: str, seed: int, folder: Path) -> Iterator[worlds.World]:
    """A world on a database of its own; PostgreSQL behind a proxy, on a server of its own."""
    if backend == "sqlite":
        files = SqliteFiles(folder)
        fleet = worlds.make(files, files.new(), folder)
        try:
            yield worlds.World(fleet, seed)
        finally:
            _end(fleet)
        return
    with server() as own:
        schemas = PostgresSchemas(own.url)
        with proxy(own.url) as between:
            direct = PostgresSchemas(own.url)
            behind = PostgresSchemas(between.url).new()
            fleet = worlds.Behind(direct, behind, folder, own.url)
            try:
                yield worlds.World(fleet, seed, server=own, proxy=between)
            finally:
                _end(fleet)
                _keep_rows(schemas, fleet, folder)


def _end(fleet: Fleet) -> None:
    for worker in fleet.workers:
        worker.dispose()


def _keep_rows(schemas: PostgresSchemas, fleet: Fleet, folder: Path) -> None:
    """The tables as they are, since the server is gone afterwards."""
    tables = fleet.query(
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = current_schema() AND table_name LIKE 'cloaca_%'"
    )
    for (name,) in tables:
        rows = fleet.query(f"SELECT to_json(t)::text FROM {name} AS t")
        (folder / f"{name}.jsonl").write_text("\n".join(row for (row,) in rows), encoding="utf-8")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4])))
