"""A process dies in the middle of a prune: whole trees are gone or there, and nothing that is under
way is touched.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from own_database import OwnDatabases

import cloaca
from process import pruning
from process.nursery import Nursery

WAIT = 60
TREES = 4
ROWS = ("cloaca_attempt", "cloaca_run_tag", "cloaca_act", "cloaca_tick")
"""Tables with rows of runs."""


class Database:
    """Trees of runs, one run of a tick, and one that is under way."""

    def __init__(self, databases: OwnDatabases, url: str) -> None:
        self._databases = databases
        self.url = url
        self._registry = registry = cloaca.Registry()
        self._define(registry)
        with cloaca.DefaultRunner(url, registry=registry) as runner:
            self._runner = runner
            self.trees = [self._tree() for _ in range(TREES)]
            self.trees.append(self._tick())
            self.under_way = runner.submit("leaf", delay=timedelta(hours=1)).id

    def _define(self, registry: cloaca.Registry) -> None:
        with cloaca.WorkflowBuilder("leaf", registry=registry):
            cloaca.task(id="end")(lambda context: {"ended": True})
        for name, below in (("branch", "leaf"), ("root", "branch")):
            with cloaca.WorkflowBuilder(name, registry=registry):

                @cloaca.task(id="grow")
                def grow(context: cloaca.Context, below: str = below) -> dict[str, str]:
                    return {"below": self._runner.submit(below, tags={"part": "yes"}).id}

    def _tree(self) -> list[str]:
        run = self._runner.submit("root", tags={"part": "root"})
        ids = [run.id]
        for _ in range(2):
            run = self._runner.get_run(run.result(WAIT).final_context["below"])
            ids.append(run.id)
        run.result(WAIT)
        run.cancel(by="ann")
        return ids

    def _tick(self) -> list[str]:
        self._runner.schedule("daily", "leaf", "0 0 * * *", "UTC")
        filled = self._runner.backfill("daily", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
        for run_id in filled.run_ids:
            self._runner.get_run(run_id).result(WAIT)
        return list(filled.run_ids)

    def query(self, statement: str) -> list[tuple[object, ...]]:
        return self._databases.query(self.url, statement)

    def check(self) -> int:
        """Look at everything with a program that prunes nothing; how many trees are there."""
        with cloaca.Client(self.url, registry=self._registry) as client:
            seen = {run.id for run in client.list_runs(limit=1_000)}
            assert client.get_run(self.under_way).status() == "Pending"
            whole = [tree for tree in self.trees if seen.issuperset(tree)]
            gone = [tree for tree in self.trees if seen.isdisjoint(tree)]
            assert len(whole) + len(gone) == len(self.trees)
            for run_id in [run_id for tree in whole for run_id in tree]:
                assert client.get_run(run_id).outputs()
                assert client.get_run(run_id).result(WAIT).status == "Completed"
        return len(whole)


@pytest.fixture
def database(own_databases: OwnDatabases, database_url: str) -> Database:
    return Database(own_databases, database_url)


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    """Where the processes come from that prune."""
    found = Nursery(Path(pruning.__file__))
    yield found
    found.close()


def prune(nursery: Nursery, url: str, place: int) -> int:
    """Prune in a process that dies before this statement; its exit code."""
    process = nursery.start([url, str(place)], dict(os.environ))
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdin, process.stdout, process.stderr as errors:
        code = process.wait(WAIT)
        sys.stderr.write(errors.read())
    return code


def test_a_prune_that_is_killed_at_each_statement(database: Database, nursery: Nursery) -> None:
    trees = database.check()
    assert trees == TREES + 1
    place = 1
    while (code := prune(nursery, database.url, place)) == -signal.SIGKILL:
        left = database.check()
        assert left <= trees
        trees, place = left, place + 1

    assert (code, database.check()) == (0, 0)
    assert place > 15
    assert database.query("SELECT id FROM cloaca_run") == [(database.under_way,)]
    assert database.query("SELECT root_id FROM cloaca_tombstone") == []
    for table in ROWS:
        # an act on no run tells who has pruned
        assert database.query(f"SELECT run_id FROM {table} WHERE run_id <> ''") == []
