"""The cost of a run when nothing else happens: hops to the writer's thread, commits, statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import cloaca_core.definition.task
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.registry import Registry
from cloaca_core.runner.default_runner import DefaultRunner
from cloaca_sqlite.driver import Connection
from cloaca_sqlite.file_connection import FileConnection


class Costs:
    """Counts what goes to the database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hops = 0
        self.statements: list[str] = []
        hop = Connection._hop

        async def counted(connection: Connection, function: Callable[[FileConnection], Any]) -> Any:
            self.hops += 1
            return await hop(connection, function)

        monkeypatch.setattr(Connection, "_hop", counted)
        settle = FileConnection.settle

        def traced(raw: FileConnection) -> None:
            settle(raw)
            raw.set_trace_callback(self.statements.append)

        monkeypatch.setattr(FileConnection, "settle", traced)

    def of(self, work: Callable[[], object]) -> tuple[int, int, int]:
        """Hops, commits and other statements of this work."""
        self.hops, self.statements[:] = 0, []
        work()
        frame = ("BEGIN IMMEDIATE", "COMMIT")
        others = [text for text in self.statements if text not in frame]
        return self.hops, self.statements.count("COMMIT"), len(others)


def define(registry: Registry) -> None:
    with WorkflowBuilder("one", registry=registry):
        cloaca_core.definition.task.task(id="only")(lambda context: {"done": True})
    with WorkflowBuilder("chain", registry=registry):
        before: list[str] = []
        for number in range(10):
            name = f"t{number}"
            cloaca_core.definition.task.task(id=name, dependencies=before)(lambda context: None)
            before = [name]


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> Costs:
    return Costs(monkeypatch)


@pytest.fixture
def runner(costs: Costs, tmp_path: Path) -> Iterator[DefaultRunner]:
    registry = Registry()
    define(registry)
    with DefaultRunner(tmp_path / "work.db", registry=registry) as runner:
        runner.execute("one")  # it has a lease from now on, and has looked for work
        yield runner


@pytest.mark.parametrize(
    ("workflow", "commits", "statements"),
    [
        # A submission inserts the run and asks whether it is ours. A step asks whether the run
        # still is, and writes an attempt; the last one ends the run as well.
        ("one", 1 + 1, 2 + 2 + 1),
        ("chain", 1 + 10, 2 + 10 * 2 + 1),
    ],
)
def test_a_run_is_a_commit_for_the_submission_and_one_for_each_step(
    costs: Costs, runner: DefaultRunner, workflow: str, commits: int, statements: int
) -> None:
    """Of several runs the cheapest: the runner may look after other things meanwhile."""
    found = [costs.of(lambda: runner.execute(workflow)) for _ in range(5)]

    assert min(found) == (commits, commits, statements)


WIDTH = 300


def _retry(runner: DefaultRunner, run_id: str) -> None:
    runner.retry(run_id).wait()


def test_a_retry_costs_what_runs_again_however_many_tasks_are_kept(
    costs: Costs, tmp_path: Path
) -> None:
    """As much as for a run of one task, but for a look of the steering loop that may fall into it;
    each retry is the cheapest of several.
    """
    registry, fails = Registry(), [True]

    def broken(context: object) -> None:
        if fails[0]:
            raise ValueError("no stock")

    for width in (1, WIDTH):
        with WorkflowBuilder(f"wide {width}", registry=registry):
            for number in range(width - 1):
                cloaca_core.definition.task.task(id=f"t{number}")(lambda context: None)
            cloaca_core.definition.task.task(id="broken", retry_attempts=0)(broken)

    with DefaultRunner(tmp_path / "work.db", registry=registry) as runner:
        failed = {width: [runner.submit(f"wide {width}") for _ in range(5)] for width in (1, WIDTH)}
        for handle in (*failed[1], *failed[WIDTH]):
            assert handle.result().status == "Failed"
        fails[0] = False
        found = {
            width: min([costs.of(partial(_retry, runner, handle.id)) for handle in handles])
            for width, handles in failed.items()
        }
        kept = runner.get_run(failed[WIDTH][0].id).attempts()

    assert all(abs(wide - one) <= 1 for wide, one in zip(found[WIDTH], found[1], strict=True))
    assert len(kept) == WIDTH + 1
