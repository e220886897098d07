"""Long payloads lie beside the rows of runs: what happens to a run does not write them again."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from cloaca_core.assembly.store import Store
from cloaca_core.features.steering.records import Reopening
from cloaca_core.features.upkeep.records import Shift
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.values.states import RunStatus
from cloaca_sqlite import BACKEND
from cloaca_testing.conformance.commits import claimed, fire, park, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    attempt,
    new_run,
    new_tick,
    run_end,
    runner,
    schedule,
)

pytestmark = pytest.mark.asyncio

LONG = '{"of":"' + "long" * 64_000 + '"}'
FEW = 64 * 1024
"""Bytes of the log that a change of some rows may take; the payload is four times as long."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "payloads.db"


@pytest_asyncio.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    store = await BACKEND.open(str(path), StoreOptions())
    await store.register(runner())
    yield store
    await store.close()


@pytest.fixture
def raw(store: Store, path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        yield raw


def kept(raw: sqlite3.Connection) -> list[tuple[str, int]]:
    return raw.execute("SELECT run_id, round FROM cloaca_payload ORDER BY 1, 2").fetchall()


class Log:
    """Counts the bytes that go into the write-ahead log."""

    def __init__(self, raw: sqlite3.Connection, path: Path) -> None:
        self._raw = raw
        self._file = path.with_name(path.name + "-wal")

    async def written(self, work: Callable[[], Awaitable[object]]) -> int:
        assert self._raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        await work()
        return self._file.stat().st_size


async def test_what_happens_to_a_run_writes_its_input_no_more(
    store: Store, raw: sqlite3.Connection, path: Path
) -> None:
    log = Log(raw, path)
    run = new_run("a", owner=None)._replace(input=LONG)
    assert await log.written(lambda: submit(store, run)) > len(LONG)

    written = [
        await log.written(lambda: claimed(store)),
        await log.written(lambda: park(store, "a", None)),
        await log.written(lambda: store.pause(["a"], act("p"), None, children=False)),
        await log.written(lambda: store.resume(["a"], act("r"))),
        await log.written(lambda: store.cancel(["a"], act("c"), LATER, children=True)),
        await log.written(lambda: store.retry([Reopening("a", 1, {})], act("t"))),
        await log.written(lambda: claimed(store)),
        await log.written(lambda: record(store, [attempt("a", epoch=5)])),
    ]

    assert (await stored(store, "a")).epoch == 5
    assert [number for number in written if number > FEW] == []


async def test_a_long_final_context_is_written_once(
    store: Store, raw: sqlite3.Connection, path: Path
) -> None:
    log = Log(raw, path)
    await submit(store, new_run("a")._replace(input=LONG))
    end = run_end("a", status=RunStatus.FAILED, final_context=LONG)

    assert len(LONG) < await log.written(lambda: record(store, ends=[end])) < len(LONG) + FEW
    assert await log.written(lambda: store.retry([Reopening("a", 1, {})], act())) < FEW

    assert kept(raw) == [("a", 0), ("a", 1)]
    (ended,) = await store.rounds("a")
    assert ended.final_context == LONG


async def test_a_context_that_a_run_has_not_changed_is_not_written(
    store: Store, raw: sqlite3.Connection, path: Path
) -> None:
    log = Log(raw, path)
    await submit(store, new_run("a")._replace(input=LONG))

    end = run_end("a", final_context=None)
    assert await log.written(lambda: record(store, ends=[end])) < FEW

    assert kept(raw) == [("a", 0)]


async def test_runs_that_were_not_inserted_and_ends_that_were_refused_leave_nothing(
    store: Store, raw: sqlite3.Connection
) -> None:
    await store.put_schedule(schedule())
    await submit(store, new_run("a", key="k"))
    await submit(store, new_run("b", key="k")._replace(input=LONG))
    await store.insert_when_free(new_run("c", key="k")._replace(input=LONG))
    await fire(store, new_tick("s", "d")._replace(input=LONG, generation=7))
    await record(store, ends=[run_end("a", epoch=7, final_context=LONG)])
    await store.cancel(["a"], act(), LATER, children=True)
    await record(store, ends=[run_end("a", final_context=LONG)])

    assert (await stored(store, "a")).status == RunStatus.CANCELLED
    assert kept(raw) == []


async def test_an_end_of_a_runner_that_was_fenced_leaves_nothing(
    store: Store, raw: sqlite3.Connection
) -> None:
    await submit(store, new_run("a"))
    await store.fence("r1", 0)

    await record(store, ends=[run_end("a", final_context=LONG)])

    assert kept(raw) == []


async def test_payloads_that_an_earlier_version_wrote_into_the_row_are_read(
    store: Store, raw: sqlite3.Connection
) -> None:
    raw.execute(
        "INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, ended_at, tags,"
        " input, final_context) VALUES ('a', ?, 'v', 'Failed', 1, 1, 2, '{}', ?, ?)",
        (WORKFLOW, LONG, LONG + " "),
    )

    run = await stored(store, "a")
    assert (run.input, run.final_context) == (LONG, LONG + " ")
    assert await store.ended(["a"]) == [run]
    await store.retry([Reopening("a", 1, {})], act())
    assert [each.final_context for each in await store.rounds("a")] == [LONG + " "]
    (again,) = await store.claim("r1", [WORKFLOW], 1, NOW, 0)
    assert (again.input, again.final_context) == (LONG, None)


async def test_people_see_payloads_wherever_they_lie(store: Store, raw: sqlite3.Connection) -> None:
    ids = ("short", "long", "cancelled", "unchanged", "under way")
    await submit(store, *[new_run(name)._replace(input=LONG) for name in ids[1:]])
    await submit(store, new_run("short"))
    await store.cancel(["cancelled"], act(), LATER, children=True)
    long = [run_end(name, final_context=LONG + " ") for name in ("long", "cancelled")]
    unchanged = run_end("unchanged", final_context=None)
    await record(store, ends=[run_end("short"), *long, unchanged])

    found = raw.execute("SELECT id, input, final_context FROM cloaca_run_readable")

    assert {name: texts for name, *texts in found} == {
        "short": ['{"amount":1}', '{"x":1}'],
        "long": [LONG, LONG + " "],
        "cancelled": [LONG, LONG],
        "unchanged": [LONG, LONG],
        "under way": [LONG, None],
    }


async def test_a_run_that_is_pruned_leaves_no_payload(
    store: Store, raw: sqlite3.Connection
) -> None:
    for run_id in ("a", "b"):
        await submit(store, new_run(run_id)._replace(input=LONG))
        await record(store, ends=[run_end(run_id, final_context=LONG)])
    shift = Shift("r1", LATER + 9)
    assert await store.take_upkeep(shift, LATER, LATER, LATER + 9)
    await store.hide_trees(shift, ["a"], LATER, LATER)

    await store.erase_runs(shift, ["a"])

    assert kept(raw) == [("b", 0), ("b", 1)]
