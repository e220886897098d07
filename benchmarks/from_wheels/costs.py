"""Counts what a run costs, straight from the tree and beside another revision of it.

Instructions are callgrind's, of the process of the runner alone; Python calls are counted without
it. Both are the same within a fraction of a per cent each time, whatever else the machine does.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
from psycopg import sql

from dev.console import TaskFailed, environment, run, say, step
from dev.databases import sources
from dev.project import BACKENDS, DISTRIBUTIONS, POSTGRES, ROOT

CELLS: Final = ("batch", "one", "diamond", "chain", "fan_out", "threads")
_TOTALS = re.compile(r"^totals: (\d+)$", re.MULTILINE)


class Cost(NamedTuple):
    """What one run of a cell costs."""

    calls: float
    instructions: float


def count_costs(beside: str | None = None, cells: Sequence[str] = CELLS) -> None:
    """Print the costs of a run on both backends; with ``beside``, a revision, its costs too."""
    if shutil.which("valgrind") is None:
        raise TaskFailed("valgrind is not installed; on Debian: apt-get install valgrind")
    with tempfile.TemporaryDirectory(prefix="cloaca-bench-") as name:
        folder = Path(name)
        trees = {"here": ROOT} | ({} if beside is None else {beside: _extracted(beside, folder)})
        step("counting what a run costs: Python calls and instructions")
        for backend in BACKENDS:
            with _urls(backend.backend, folder) as urls:
                for cell in cells:
                    costs = [_cost(tree, cell, urls, folder) for tree in trees.values()]
                    say(_line(backend.backend, cell, costs))


def _line(backend: str, cell: str, costs: Sequence[Cost]) -> str:
    here = costs[0]
    text = f"{backend:9} {cell:8} {here.calls:10,.1f} calls {here.instructions:14,.0f} instructions"
    for other in costs[1:]:
        calls, instructions = (a / b for a, b in zip(here, other, strict=True))
        text += f"   beside it {calls:.3f} x calls, {instructions:.3f} x instructions"
    return text


def _cost(tree: Path, cell: str, urls: Iterator[str], folder: Path) -> Cost:
    out = folder / "callgrind.out"
    under = ("valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}")
    runs, calls = _counted(tree, [cell, "calls", next(urls)])
    _counted(tree, [cell, "instructions", next(urls)], under)
    (instructions,) = _TOTALS.findall(out.read_text(encoding="utf-8"))
    return Cost(calls / runs, int(instructions) / runs)


def _counted(tree: Path, words: Sequence[str], under: Sequence[str] = ()) -> list[int]:
    paths = [*(str(tree / each.folder.relative_to(ROOT) / "src") for each in DISTRIBUTIONS)]
    done = subprocess.run(
        [*under, sys.executable, "-m", "benchmarks.instructions", *words],
        cwd=ROOT,
        # Sets of texts are in the same order each time.
        env=environment({"PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0"}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TaskFailed(f"{done.stderr.rstrip()}\n{' '.join(words[:2])} failed in {tree}")
    return [int(word) for word in done.stdout.split()]


def _extracted(revision: str, folder: Path) -> Path:
    """The tree of a revision."""
    tree, archive = folder / "beside", folder / "beside.tar"
    run(["git", "archive", f"--output={archive}", revision], cwd=ROOT, quiet=True)
    shutil.unpack_archive(archive, tree, filter="data")
    return tree


@contextmanager
def _urls(backend: str, folder: Path) -> Iterator[Iterator[str]]:
    """URLs of new databases, or of new schemas that are dropped in the end."""
    if backend != POSTGRES.backend:
        yield (f"sqlite:///{folder}/{number}.db" for number in count())
        return
    with sources.server(durable=True) as url:
        numbers = count()
        prefix = f"cloaca_bench_{os.getpid()}_"
        yield (f"{url}{'&' if '?' in url else '?'}schema={prefix}{each}" for each in numbers)
        with psycopg.connect(url, autocommit=True) as raw:
            for number in range(next(numbers)):
                schema = sql.Identifier(f"{prefix}{number}")
                raw.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(schema))
