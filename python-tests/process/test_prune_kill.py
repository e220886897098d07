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
from process.trees import OF_TREE

WAIT = 60
TREES = 3
ITEMS = 30
GROWN = 1 + 2 * 2 + 2 + 1
"""Runs of a tree of nodes: two branches with a leaf each, two turns of a loop, a call."""
ROWS = (
    "cloaca_attempt",
    "cloaca_map",
    "cloaca_memo",
    "cloaca_message",
    "cloaca_run_tag",
    "cloaca_act",
    "cloaca_tick",
)
"""Tables with rows of runs."""


def _call(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
    handle.run_workflow("leaf")


class Database:
    """Trees of runs, a tree of nodes with maps, one run of a tick, and one that is under way."""

    def __init__(self, databases: OwnDatabases, url: str) -> None:
        self._databases = databases
        self.url = url
        self._registry = registry = cloaca.Registry()
        self._define(registry)
        with cloaca.DefaultRunner(url, registry=registry) as runner:
            self._runner = runner
            self.trees = [self._tree() for _ in range(TREES)]
            self.grown = self._grown()
            self.trees += [self.grown, self._tick()]
            self.under_way = runner.submit("leaf", delay=timedelta(hours=1)).id

    def _define(self, registry: cloaca.Registry) -> None:
        with cloaca.WorkflowBuilder("leaf", registry=registry):
            cloaca.task(id="end")(lambda context: {"ended": True})
        for name, below in (("branch", "leaf"), ("root", "branch")):
            with cloaca.WorkflowBuilder(name, registry=registry):

                @cloaca.task(id="grow")
                def grow(context: cloaca.Context, below: str = below) -> dict[str, str]:
                    return {"below": self._runner.submit(below, tags={"part": "yes"}).id}

        with cloaca.WorkflowBuilder("twig", registry=registry):
            cloaca.child("leaf", "leaf", context={})
            cloaca.task(id="items", map=[1, 2])(lambda context, item: item)
        with cloaca.WorkflowBuilder("grown", registry=registry):
            cloaca.task(id="items", map=list(range(ITEMS)))(lambda context, item: item)
            cloaca.child("each", "twig", map=["x", "y"], context={})
            twice = cloaca.context_value("turns", "==", 2)
            cloaca.loop("turns", "turn", until=twice, max_iterations=2, context={})
            cloaca.task(id="calls")(_call)
        with cloaca.WorkflowBuilder("turn", registry=registry):
            cloaca.task(id="t")(lambda context: {"turns": context.get("turns", 0) + 1})

    def _grown(self) -> list[str]:
        """A tree of nodes, and of a body that runs a workflow."""
        root = self._runner.submit("grown")
        assert root.result(WAIT).status == "Completed"
        tree = self.query(f"{OF_TREE}SELECT id FROM tree", root.id)
        assert len(tree) == GROWN
        return [str(run_id) for (run_id,) in tree]

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

    def query(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        return self._databases.query(self.url, statement, *parameters)

    def check(self) -> int:
        """Look at everything with a program that prunes nothing; how many trees are there."""
        with cloaca.Client(self.url, registry=self._registry) as client:
            seen = {run.id for run in client.list_runs(limit=1_000)}
            assert client.get_run(self.under_way).status() == "Pending"
            whole = [tree for tree in self.trees if seen.issuperset(tree)]
            gone = [tree for tree in self.trees if seen.isdisjoint(tree)]
            assert len(whole) + len(gone) == len(self.trees)
            if self.grown in whole:
                assert len(client.get_run(self.grown[0]).items("items")) == ITEMS
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
    assert trees == TREES + 2
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
