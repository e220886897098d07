"""Copies of databases from each backend to each, broken off and taken up again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from copied import fill, row_of, rows_of
from own_database import OwnDatabases

import cloaca
from cloaca_core.errors import ConfigError, RunsInFlightError, StoreError, TransferError
from cloaca_core.features.steering.records import Act
from cloaca_core.store.runner_rows import RunnerRow
from cloaca_core.store.tables import BY_NAME, TABLES, Table
from cloaca_tools.transfer.copy import CopyProgress, CopyReport, Progress, copy_database
from cloaca_tools.transfer.opened import Place

WITHOUT_PAUSES = [table for table in TABLES if table.name != "paused_workflow"]


class BrokenOffError(Exception):
    """The program is ended by its user."""


def after(phase: str, table: str, times: int) -> Progress:
    """A callback that breaks a copy off, at this batch of a phase."""
    left = [times]

    def progress(done: CopyProgress) -> None:
        if (done.phase, done.table) == (phase, table):
            left[0] -= 1
            if left[0] == 0:
                raise BrokenOffError

    return progress


def copied(report: CopyReport) -> dict[str, int]:
    return {each.table: each.copied for each in report.tables if each.copied}


@pytest.fixture
def file(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'source.db'}"


@pytest.fixture
def other_file(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'target.db'}"


@pytest.fixture(params=["to postgres", "and back", "sqlite alone"])
def way(request: pytest.FixtureRequest, file: str, other_file: str) -> tuple[str, str]:
    """The URLs of a source and of a target."""
    if request.param == "sqlite alone":
        return file, other_file
    postgres = request.getfixturevalue("postgres_url")
    return (file, postgres) if request.param == "to postgres" else (postgres, file)


def test_all_rows_of_all_tables_are_there_afterwards(way: tuple[str, str]) -> None:
    source, target = way
    asyncio.run(fill(source, range(3)))

    report = copy_database(source, target)

    assert asyncio.run(rows_of(target)) == asyncio.run(rows_of(source))
    assert copied(report) == {table.name: 3 for table in TABLES}
    assert report.rows == 3 * len(TABLES)
    assert len({each.checksum for each in report.tables}) == len(TABLES)


def test_a_copy_that_was_broken_off_goes_on_where_it_stopped(way: tuple[str, str]) -> None:
    source, target = way
    asyncio.run(fill(source, range(350)))
    with pytest.raises(BrokenOffError):
        copy_database(source, target, progress=after("copy", "attempt", 2))

    report = copy_database(source, target)

    assert asyncio.run(rows_of(target)) == asyncio.run(rows_of(source))
    done = copied(report)
    assert done["attempt"] == 50  # pages of 100 and of 200 rows were there
    assert "run" not in done
    assert done["message"] == 350


def test_a_copy_that_is_whole_is_only_compared(file: str, other_file: str) -> None:
    asyncio.run(fill(file, range(3)))
    first = copy_database(file, other_file)

    again = copy_database(file, other_file)

    assert copied(again) == {}
    assert [each.checksum for each in again.tables] == [each.checksum for each in first.tables]


@pytest.mark.parametrize("numbers", [range(1, 3), range(5), [7], [5, 6, 7]])
def test_a_target_with_other_rows_is_refused_before_anything_is_written(
    file: str, other_file: str, numbers: Iterable[int]
) -> None:
    asyncio.run(fill(file, range(3)))
    asyncio.run(fill(other_file, numbers, [BY_NAME["schedule"]]))
    before = asyncio.run(rows_of(other_file))

    with pytest.raises(TransferError, match="other rows in cloaca_schedule"):
        copy_database(file, other_file)

    assert asyncio.run(rows_of(other_file)) == before


def test_a_source_that_changes_meanwhile_is_noticed(file: str, other_file: str) -> None:
    asyncio.run(fill(file, range(3)))

    with pytest.raises(TransferError, match="4 rows in the source and 3 in the target"):
        copy_database(file, other_file, progress=adds_a_run(file))


def test_progress_is_told_by_phase_and_table(file: str, other_file: str) -> None:
    asyncio.run(fill(file, range(3)))
    told: list[CopyProgress] = []

    copy_database(file, other_file, progress=told.append)

    assert told[0] == CopyProgress("copy", "tombstone", 3)
    assert {each.phase for each in told} == {"copy", "verify"}


def test_a_runner_that_is_registered_in_the_target_is_refused(file: str, other_file: str) -> None:
    cloaca.DefaultRunner(file).shutdown()
    with (
        cloaca.DefaultRunner(other_file),
        pytest.raises(TransferError, match="registered in the target"),
    ):
        copy_database(file, other_file)


@pytest.mark.parametrize("paused", [False, True])
def test_a_runner_of_the_source_that_is_alive_is_refused(
    file: str, other_file: str, paused: bool
) -> None:
    with cloaca.DefaultRunner(file):
        with pytest.raises(TransferError, match="runners of the source are alive: "):
            copy_database(file, other_file, paused=paused)

        report = copy_database(file, other_file, paused=paused, allow_runners=True)
        assert {t.table: t.rows for t in report.tables if t.rows} == {"runner_name": 1}
    copy_database(file, other_file, paused=paused)


@pytest.mark.parametrize(
    "gone",
    [
        {"fenced": True},
        {"lease_until": 1},
        # of an earlier boot, whose clock tells nothing
        {"boot_id": "another"},
        # its process has ended
        {"process_start": 1},
    ],
    ids=str,
)
def test_a_runner_of_the_source_that_is_gone_is_none(
    file: str, other_file: str, gone: dict[str, object]
) -> None:
    with cloaca.DefaultRunner(file):
        (alive,) = asyncio.run(_runners(file))
    asyncio.run(_register(file, alive._replace(**gone)))  # type: ignore[arg-type] # of these

    copy_database(file, other_file)


def test_schedules_that_fire_in_both_databases_are_told(file: str, other_file: str) -> None:
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("order", registry=registry):
        cloaca.task(id="charge")(lambda _: None)
    with cloaca.DefaultRunner(file, registry=registry) as runner:
        for name in ("nightly", "hourly", "off"):
            made = runner.schedule(name, "order", "@hourly", "UTC")
        runner.set_cron_schedule_enabled(made, False)

    assert copy_database(file, other_file).schedules == ("hourly", "nightly")
    report = copy_database(file, f"{other_file}2", paused=True)
    assert (report.schedules, report.paused) == ((), ("public::embedded::order",))


def test_a_source_that_is_not_there_is_not_made(tmp_path: Path, file: str, other_file: str) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        copy_database(file, other_file)

    assert list(tmp_path.iterdir()) == []


def test_runs_that_have_not_ended_are_refused(file: str, other_file: str) -> None:
    cloaca.DefaultRunner(file).shutdown()
    run = BY_NAME["run"]
    row = list(row_of(run, 1))
    row[run.columns.index("status")] = "Waiting"
    row[run.columns.index("ended_at")] = None
    asyncio.run(_put(file, tuple(row)))

    with pytest.raises(
        RunsInFlightError, match="1 run of the source has not ended: let it end, "
    ) as refused:
        copy_database(file, other_file)

    assert refused.value.runs == 1


def test_runs_that_a_runner_holds_are_refused_also_when_all_is_paused(
    file: str, other_file: str
) -> None:
    cloaca.DefaultRunner(file).shutdown()
    run = BY_NAME["run"]
    row = list(row_of(run, 1))
    row[run.columns.index("status")] = "Running"
    row[run.columns.index("ended_at")] = None
    row[run.columns.index("owner")] = "r1"
    asyncio.run(_put(file, tuple(row)))

    with pytest.raises(RunsInFlightError, match=r"1 run of the source is held by runners \(r1\)"):
        copy_database(file, other_file, paused=True)


def test_a_copy_that_has_paused_workflows_goes_on_after_it_was_broken_off(
    file: str, other_file: str
) -> None:
    without_pauses = [table for table in TABLES if table.name != "paused_workflow"]
    asyncio.run(fill(file, range(3), without_pauses))
    with pytest.raises(BrokenOffError):
        copy_database(file, other_file, paused=True, progress=after("copy", "event", 1))
    first = asyncio.run(rows_of(file))

    report = copy_database(file, other_file, paused=True)

    assert asyncio.run(rows_of(file)) == first  # no further act
    assert asyncio.run(rows_of(other_file)) == first
    assert report.paused == tuple(row[0] for row in first["paused_workflow"])
    assert len(report.paused) == 2  # those of enabled schedules


def test_a_workflow_that_a_person_had_paused_is_not_told_as_paused_for_the_copy(
    file: str, other_file: str
) -> None:
    without_pauses = [table for table in TABLES if table.name != "paused_workflow"]
    asyncio.run(fill(file, range(3), without_pauses))
    asyncio.run(_pause_all(file, None))

    assert copy_database(file, other_file, paused=True).paused == ()


def test_a_workflow_that_would_go_on_by_itself_in_both_databases_is_refused(
    file: str, other_file: str
) -> None:
    without_pauses = [table for table in TABLES if table.name != "paused_workflow"]
    asyncio.run(fill(file, range(2), without_pauses))
    asyncio.run(_pause_all(file, 4_000_000_000_000_000))
    before = asyncio.run(rows_of(file))

    with pytest.raises(TransferError, match=r"\(workflow 0.* until 2096-10-02T07:06:40.*Resume"):
        copy_database(file, other_file, paused=True)

    assert asyncio.run(rows_of(file)) == before  # nothing was paused


# -- source and target are the same -------------------------------------------------------------


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize(
    "spelling",
    [
        "sqlite:///{folder}/source.db",
        # another form of URL, with an option
        "file:{folder}/source.db?_synchronous=NORMAL",
        # relative, and around a corner
        "./source.db",
        "sqlite://../{folder.name}/./source.db",
        # by links to the file and to its folder
        "{folder}/link.db",
        "{folder}/folder/source.db",
    ],
)
def test_a_file_is_not_copied_into_itself(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str, paused: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    asyncio.run(fill(file, range(2), WITHOUT_PAUSES))
    (tmp_path / "link.db").symlink_to("source.db")
    (tmp_path / "folder").symlink_to(tmp_path)
    before = asyncio.run(rows_of(file))

    with pytest.raises(ConfigError, match="source and target are the same database") as refused:
        copy_database(file, spelling.format(folder=tmp_path), paused=paused)

    assert refused.value.field == "target_url"
    assert asyncio.run(rows_of(file)) == before


def test_a_database_that_is_at_work_is_not_copied_into_itself_either(file: str) -> None:
    """No other refusal comes first, with advice that leads to this one."""
    with cloaca.DefaultRunner(file), pytest.raises(ConfigError, match="are the same database"):
        copy_database(file, file)


@pytest.mark.parametrize("spelling", ["{url}", "{url}&application_name=other", "postgres:{rest}"])
def test_a_schema_is_not_copied_into_itself(postgres_url: str, spelling: str) -> None:
    asyncio.run(fill(postgres_url, range(2)))
    same = spelling.format(url=postgres_url, rest=postgres_url.partition(":")[2])

    with pytest.raises(ConfigError, match="source and target are the same database"):
        copy_database(postgres_url, same)


def test_a_schema_that_is_named_beside_the_url_is_not_copied_into_itself(
    postgres_url: str,
) -> None:
    asyncio.run(fill(postgres_url, range(2)))
    without, _, query = postgres_url.partition("?")
    (schema,) = parse_qs(query)["schema"]

    with pytest.raises(ConfigError, match="source and target are the same database"):
        copy_database(postgres_url, without, target_schema=schema)


def test_a_schema_is_copied_into_another_one_of_its_database(
    postgres_url: str, postgres_schemas: OwnDatabases
) -> None:
    target = postgres_schemas.new()
    asyncio.run(fill(postgres_url, range(2)))
    asyncio.run(fill(target, []))  # its tables are there

    assert copy_database(postgres_url, target).rows == 2 * len(TABLES)


# -- a copy that is refused leaves nothing paused ------------------------------------------------


@pytest.fixture
def source_with_schedules(file: str) -> str:
    """A source with two schedules that are enabled, so that a copy pauses their workflows."""
    asyncio.run(fill(file, range(3), WITHOUT_PAUSES))
    return file


def test_a_target_with_other_rows_is_refused_before_a_workflow_is_paused(
    source_with_schedules: str, other_file: str
) -> None:
    asyncio.run(fill(other_file, [7], [BY_NAME["schedule"]]))
    before = asyncio.run(rows_of(source_with_schedules))

    with pytest.raises(TransferError, match="other rows in cloaca_schedule"):
        copy_database(source_with_schedules, other_file, paused=True)

    assert asyncio.run(rows_of(source_with_schedules)) == before


def test_a_target_that_cannot_be_opened_is_refused_before_a_workflow_is_paused(
    source_with_schedules: str, tmp_path: Path
) -> None:
    before = asyncio.run(rows_of(source_with_schedules))

    with pytest.raises(StoreError):
        copy_database(source_with_schedules, f"{tmp_path}/no such folder/x.db", paused=True)

    assert asyncio.run(rows_of(source_with_schedules)) == before


def test_a_target_with_a_runner_is_refused_before_a_workflow_is_paused(
    source_with_schedules: str, other_file: str
) -> None:
    before = asyncio.run(rows_of(source_with_schedules))

    with cloaca.DefaultRunner(other_file), pytest.raises(TransferError, match="registered"):
        copy_database(source_with_schedules, other_file, paused=True)

    assert asyncio.run(rows_of(source_with_schedules)) == before


def test_a_copy_that_will_be_refused_for_a_pause_makes_no_target(
    source_with_schedules: str, other_file: str
) -> None:
    asyncio.run(_pause_all(source_with_schedules, 4_000_000_000_000_000))

    with pytest.raises(TransferError, match="are paused until an instant"):
        copy_database(source_with_schedules, other_file, paused=True)

    assert not Path(other_file.removeprefix("sqlite:///")).exists()


def test_workflows_go_on_when_a_copy_is_refused_after_they_were_paused(
    source_with_schedules: str, other_file: str
) -> None:
    with pytest.raises(TransferError, match="changed meanwhile"):
        copy_database(
            source_with_schedules,
            other_file,
            paused=True,
            progress=adds_a_run(source_with_schedules),
        )

    assert asyncio.run(_paused(source_with_schedules)) == set()


def test_a_workflow_that_a_person_pauses_during_a_copy_that_is_refused_stays_paused(
    source_with_schedules: str, other_file: str
) -> None:
    adds = adds_a_run(source_with_schedules)

    def progress(done: CopyProgress) -> None:
        adds(done)
        if (done.phase, done.table) == ("copy", "schedule"):
            elsewhere(lambda: _pause_anew(source_with_schedules, "workflow 000001 äß漢"))

    with pytest.raises(TransferError, match="changed meanwhile"):
        copy_database(source_with_schedules, other_file, paused=True, progress=progress)

    assert asyncio.run(_paused(source_with_schedules)) == {"workflow 000001 äß漢"}


def test_a_copy_that_goes_on_and_is_refused_leaves_alone_what_the_first_call_has_paused(
    source_with_schedules: str, other_file: str
) -> None:
    with pytest.raises(BrokenOffError):
        copy_database(
            source_with_schedules, other_file, paused=True, progress=after("copy", "tombstone", 1)
        )
    paused = asyncio.run(_paused(source_with_schedules))
    assert len(paused) == 2

    with pytest.raises(TransferError, match="changed meanwhile"):
        copy_database(
            source_with_schedules,
            other_file,
            paused=True,
            progress=adds_a_run(source_with_schedules),
        )

    assert asyncio.run(_paused(source_with_schedules)) == paused


def test_a_target_that_a_further_pause_makes_another_is_refused_before_anything_is_written(
    source_with_schedules: str, other_file: str
) -> None:
    """Its key comes before those that the target has."""
    copy_database(source_with_schedules, other_file, paused=True)
    schedule = BY_NAME["schedule"]
    row = list(row_of(schedule, 9))
    row[schedule.columns.index("workflow")] = "a workflow"
    asyncio.run(_put(source_with_schedules, tuple(row), schedule))
    paused = asyncio.run(_paused(source_with_schedules))
    before = asyncio.run(rows_of(other_file))

    with pytest.raises(TransferError, match="other rows in cloaca_paused_workflow"):
        copy_database(source_with_schedules, other_file, paused=True)

    assert asyncio.run(_paused(source_with_schedules)) == paused
    assert asyncio.run(rows_of(other_file)) == before


def adds_a_run(url: str) -> Progress:
    """A callback that adds a run to the source when runs have been copied."""
    added: list[CopyProgress] = []

    def progress(done: CopyProgress) -> None:
        if (done.phase, done.table) == ("copy", "schedule") and not added:
            added.append(done)
            elsewhere(lambda: fill(url, [9], [BY_NAME["run"]]))

    return progress


def elsewhere(work: Callable[[], Coroutine[None, None, None]]) -> None:
    """Do this on a loop of its own, and wait for it."""
    other = threading.Thread(target=lambda: asyncio.run(work()))
    other.start()
    other.join()


async def _paused(url: str) -> set[str]:
    async with Place.of(url).opened(read_only=True) as store:
        return set(await store.paused_workflows())


async def _pause_anew(url: str, workflow: str) -> None:
    """Have a person take a pause over."""
    async with Place.of(url).opened() as store:
        await store.resume_workflow(workflow, Act("resumed", "ann", None, "resumed", 1))
        await store.pause_workflow(workflow, Act("paused", "ann", None, "paused", 1), None)


def test_that_nothing_is_pruned_is_copied_as_well(file: str, other_file: str) -> None:
    cloaca.DefaultRunner(file).shutdown()

    async def keep() -> None:
        async with Place.of(file).opened() as store:
            await store.transfer().keep_all()

    async def keeps() -> bool:
        async with Place.of(other_file).opened() as store:
            return (await store.upkeep()).keeps_all

    asyncio.run(keep())
    copy_database(file, other_file)

    assert asyncio.run(keeps())


async def _pause_all(url: str, until: int | None) -> None:
    """Have a person pause each workflow with a schedule."""
    async with Place.of(url).opened() as store:
        for row in await store.list_schedules(enabled_only=True, limit=10, offset=0):
            act = Act(f"pause {row.workflow}", "ann", None, "paused", 1)
            await store.pause_workflow(row.workflow, act, until)


async def _runners(url: str) -> Sequence[RunnerRow]:
    async with Place.of(url).opened(read_only=True) as store:
        return await store.runners()


async def _register(url: str, row: RunnerRow) -> None:
    """Have a runner be registered, in this state."""
    async with Place.of(url).opened() as store:
        await store.register(row)
        await store.beat(row.id, row.lease_until)
        if row.fenced:
            await store.fence(row.id, 1)


async def _put(url: str, row: tuple[object, ...], table: Table = BY_NAME["run"]) -> None:
    async with Place.of(url).opened() as store:
        await store.transfer().put(table, [row])
