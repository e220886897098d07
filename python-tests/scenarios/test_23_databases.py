"""23: a file that cannot be used is refused by name when it is opened, and left as it is."""

from __future__ import annotations

import itertools
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

import cloaca

pytestmark = pytest.mark.backend("sqlite", reason="all of it is about files")


def make(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def refused(url: str, message: str) -> cloaca.CloacaError:
    with pytest.raises(cloaca.StoreError, match=message) as caught:
        cloaca.DefaultRunner(url)
    return caught.value


def define() -> None:
    with cloaca.WorkflowBuilder("quick"):
        cloaca.task(id="only")(lambda context: {"ran": True})


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "notes.db"
    file.write_text("these are notes, and no database\n" * 100)
    before = file.read_bytes()
    error = refused(f"sqlite:///{file}", "notes.db")
    assert isinstance(error, cloaca.NotADatabaseError)
    assert isinstance(error, ValueError)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["notes.db"]


def test_a_file_of_cloaca_0x(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    make(
        file,
        "CREATE TABLE __diesel_schema_migrations (version TEXT)",
        "CREATE TABLE contexts (id TEXT)",
        "CREATE TABLE task_executions (id TEXT)",
        "INSERT INTO contexts VALUES ('kept')",
    )
    error = refused(f"sqlite:///{file}", r"old\.db was made by cloaca 0\.x")
    assert isinstance(error, cloaca.ForeignDatabaseError)
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT id FROM contexts").fetchall() == [("kept",)]
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (3,)


def test_a_database_of_another_program(tmp_path: Path) -> None:
    file = tmp_path / "browser.db"
    make(file, "CREATE TABLE history (url TEXT)")
    error = refused(f"sqlite:///{file}", r"browser\.db is another program's database")
    assert isinstance(error, cloaca.ForeignDatabaseError)


def test_a_newer_schema(tmp_path: Path) -> None:
    file = tmp_path / "newer.db"
    cloaca.DefaultRunner(f"sqlite:///{file}").shutdown()
    with closing(sqlite3.connect(file)) as connection, connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(cloaca_migration)")]
        number = columns[0]
        (known,) = connection.execute(f"SELECT max({number}) FROM cloaca_migration").fetchone()
        others = ", ".join(columns[1:])
        connection.execute(
            f"INSERT INTO cloaca_migration SELECT {number} + 1000, {others} "
            f"FROM cloaca_migration WHERE {number} = ?",
            (known,),
        )
    error = refused(f"sqlite:///{file}", "newer")
    assert isinstance(error, cloaca.NewerSchemaError)
    assert (error.found, error.known) == (known + 1000, known)


def test_a_directory_in_place_of_a_file(tmp_path: Path) -> None:
    error = refused(f"sqlite:///{tmp_path}", "it is a directory")
    assert isinstance(error, cloaca.StoreOpenError)


def test_a_file_in_place_of_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    refused(f"sqlite:///{tmp_path}/file/work.db", "the directory .*file does not exist")


def test_a_missing_folder(tmp_path: Path) -> None:
    refused(f"sqlite:///{tmp_path}/nowhere/work.db", "the directory .*nowhere does not exist")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_that_may_not_be_made(tmp_path: Path) -> None:
    refused(f"sqlite:///{tmp_path}/work.db?mode=rw", "does not exist")
    assert list(tmp_path.iterdir()) == []


def test_a_word_before_a_colon_is_part_of_a_files_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with cloaca.DefaultRunner("data:2026.db"):
        assert (tmp_path / "data:2026.db").exists()


def test_an_empty_file_is_a_new_database(tmp_path: Path) -> None:
    file = tmp_path / "empty.db"
    file.touch()
    define()
    with cloaca.DefaultRunner(f"sqlite:///{file}") as runner:
        assert runner.execute("quick").status == "Completed"


def test_three_slashes_are_absolute_and_the_error_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nosuchroot").mkdir()
    refused("sqlite:///nosuchroot/work.db", "sqlite://nosuchroot/work.db would be the file")


def test_urls_of_one_file_in_all_their_forms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    define()
    urls = [
        "work.db", "sqlite://work.db", f"{tmp_path}/work.db", f"sqlite:///{tmp_path}/work.db",
        f"sqlite:///{str(tmp_path)[1:]}/work.db", f"file:{tmp_path}/work.db",
        "file:work.db?mode=rwc",
        "sqlite://work.db?_synchronous=NORMAL&_busy_timeout=1000&_journal_mode=WAL",
    ]  # fmt: skip
    for url in urls:
        with cloaca.DefaultRunner(url) as runner:
            assert runner.execute("quick").status == "Completed"
    with cloaca.DefaultRunner("work.db") as runner:
        assert len(runner.list_runs()) == len(urls)
    assert {path.name.partition("-")[0] for path in tmp_path.iterdir()} == {"work.db"}


def test_a_path_is_a_file_and_never_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    Path("home").mkdir()
    define()
    paths = [Path("work.db"), tmp_path / "a b?.db", Path(":memory:"), Path("~/work.db")]
    config = cloaca.DefaultRunnerConfig()
    for path in paths:
        with cloaca.DefaultRunner(path) as runner:
            assert runner.execute("quick").status == "Completed"
        with cloaca.DefaultRunner.with_config(path, config) as runner:
            assert len(runner.list_runs()) == 1
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.db")}
    assert made == {"work.db", "a b?.db", "home/work.db"}
    assert Path(":memory:").is_file()


async def test_an_async_runner_takes_a_path_too(tmp_path: Path) -> None:
    define()
    async with cloaca.AsyncRunner(tmp_path / "work.db") as runner:
        assert (await runner.execute("quick")).status == "Completed"
    assert (tmp_path / "work.db").exists()


def test_the_home_directory_is_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    define()
    for url in ("~/work.db", "sqlite://~/work.db?_synchronous=NORMAL"):
        with cloaca.DefaultRunner(url) as runner:
            assert runner.execute("quick").status == "Completed"
    assert [path.name for path in tmp_path.iterdir()] == ["work.db"]


@pytest.mark.parametrize(
    "url", ["", " ", "\n", ":memory: ", " :memory:", "work.db\n", "sqlite:// "]
)
def test_white_space_makes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert isinstance(refused(url, "names no file|white space|did you mean"), cloaca.StoreOpenError)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_file_of_its_own_is_refused(tmp_path: Path) -> None:
    refused("/dev/null", "/dev/null cannot be opened: it is a device, not a file")
    os.mkfifo(tmp_path / "fifo")
    refused(f"{tmp_path}/fifo", "it is a FIFO, not a file")
    (tmp_path / "link").symlink_to(tmp_path / "gone.db")
    refused(f"{tmp_path}/link", r"a symbolic link to .*gone\.db, which does not exist")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fifo", "link"]


def test_a_file_with_two_names_is_refused_until_it_has_one(tmp_path: Path) -> None:
    """SQLite keeps a log for each name: what is written by one is lost to the other."""
    file, other = tmp_path / "work.db", tmp_path / "other.db"
    define()
    with cloaca.DefaultRunner(file) as runner:
        assert runner.execute("quick").status == "Completed"
        other.hardlink_to(file)
        refused(str(other), r"other\.db cannot be opened: the file has a second name, a hard link")
        with pytest.raises(cloaca.StoreError, match=r"work\.db: the file has a second name"):
            runner.execute("quick")
        other.unlink()
        assert runner.execute("quick").status == "Completed"


def test_a_program_may_read_its_own_file(tmp_path: Path) -> None:
    """Other processes come and go meanwhile, and none of them is the last."""
    file = tmp_path / "work.db"
    define()
    with cloaca.DefaultRunner(file) as runner:
        for _ in range(3):
            runs = [runner.execute("quick").execution_id for _ in range(3)]
            file.read_bytes()
            assert set(runs) <= seen_by_another_process(file)
        run = runner.execute("quick").execution_id
        assert run in seen_by_another_process(file)
    assert [path.name for path in tmp_path.iterdir()] == ["work.db"]


def seen_by_another_process(file: Path) -> set[str]:
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        " print(*[run for run, in c.execute('SELECT id FROM cloaca_run')]); c.close()"
    )
    command = [sys.executable, "-c", program, str(file)]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_a_log_that_is_deleted_takes_nothing_with_it(tmp_path: Path) -> None:
    file = tmp_path / "work.db"
    define()
    with cloaca.DefaultRunner(file) as runner:
        runs = [runner.execute("quick").execution_id for _ in range(3)]
        for each in ("work.db-wal", "work.db-shm"):
            (tmp_path / each).unlink()
        runs += [runner.execute("quick").execution_id for _ in range(3)]
        assert {info.id for info in runner.list_runs()} == set(runs)
        assert seen_by_another_process(file) == set(runs)
    assert [path.name for path in tmp_path.iterdir()] == ["work.db"]


def test_a_runner_keeps_its_file_when_the_program_changes_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    define()
    monkeypatch.chdir(tmp_path)
    with cloaca.DefaultRunner("work.db") as runner:
        (tmp_path / "elsewhere").mkdir()
        os.chdir(tmp_path / "elsewhere")  # monkeypatch puts it back
        assert runner.execute("quick").status == "Completed"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_that_is_moved_away_is_told_of_and_waited_for(tmp_path: Path) -> None:
    file, begun, go_on = tmp_path / "work.db", threading.Event(), threading.Event()
    define()
    with cloaca.WorkflowBuilder("slow"):

        @cloaca.task
        def only(context: cloaca.Context) -> None:
            begun.set()
            go_on.wait()

    with cloaca.DefaultRunner(f"sqlite:///{file}") as runner:
        handle = runner.submit("slow")
        begun.wait()
        away = file.rename(tmp_path / "away.db")
        with pytest.raises(
            cloaca.StoreError, match=r"work\.db: the file was deleted, moved"
        ) as told:
            runner.execute("quick")
        assert told.value.database == str(file)
        go_on.set()
        while runner.health()["journal_error"] is None:  # until the journal has met it
            runner.health()
        away.rename(file)
        assert handle.result().status == "Completed"
        assert runner.execute("quick").final_context.to_dict() == {"ran": True}


def test_a_runner_whose_file_is_gone_closes_at_once(tmp_path: Path) -> None:
    with cloaca.DefaultRunner(f"sqlite:///{tmp_path / 'work.db'}") as runner:
        define()
        runner.execute("quick")
        for file in tmp_path.iterdir():
            file.unlink()


def test_a_refused_file_keeps_no_lock(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    make(file, "CREATE TABLE history (url TEXT)")
    refused(f"sqlite:///{file}", "another program")
    with closing(sqlite3.connect(file, timeout=0)) as connection, connection:
        connection.execute("BEGIN EXCLUSIVE")


# -- rows that were damaged between two runners --------------------------------------------------

BROKEN = [
    "CAST(x'7b22ff223a317d' AS TEXT)",  # JSON, but for a byte that is no UTF-8
    "'{broken'",
]
FIRST = "(SELECT min(id) FROM cloaca_run)"
IDLE = cloaca.DefaultRunnerConfig(shutdown_grace_seconds=1)


def damage(file: Path, statement: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        assert connection.execute(statement).rowcount == 1


def ends(url: str, runs: list[str]) -> list[cloaca.PipelineResult]:
    """The results of the runs in the next runner, which lists all of them and runs others."""
    with cloaca.DefaultRunner(url) as runner:
        results = [runner.get_run(run).result(60) for run in runs]
        assert [info.id for info in runner.list_runs()] == runs[::-1]
        assert [info.id for info in runner.list_runs(tags={"team": "x"})] == runs[::-1]
        assert runner.execute("quick").status == "Completed"
    return results


def waiting(url: str) -> list[str]:
    """Three runs that no runner has begun."""
    define()
    with cloaca.DefaultRunner(url, start=False) as runner:
        return [run.id for run in runner.submit_many("quick", [{"n": 1}] * 3, tags={"team": "x"})]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_run_whose_input_is_damaged_fails_alone(tmp_path: Path, broken: str) -> None:
    file = tmp_path / "work.db"
    runs = waiting(f"sqlite:///{file}")
    damage(file, f"UPDATE cloaca_run SET input = {broken} WHERE id = {FIRST}")
    damaged, *others = ends(f"sqlite:///{file}", runs)
    assert damaged.status == "Failed"
    assert "the rows of this run cannot be read" in str(damaged.error_message)
    assert [result.status for result in others] == ["Completed"] * 2


@pytest.mark.parametrize("broken", BROKEN)
def test_a_run_of_which_a_finished_step_is_damaged_fails_alone(tmp_path: Path, broken: str) -> None:
    file = tmp_path / "work.db"
    begun, go_on = threading.Barrier(4), threading.Event()

    def second(context: cloaca.Context) -> None:
        if not go_on.is_set():
            begun.wait(60)
            go_on.wait(60)

    define()
    with cloaca.WorkflowBuilder("chain"):
        cloaca.task(id="first")(lambda context: {"n": 1})
        cloaca.task(id="second", dependencies=["first"])(second)
    with cloaca.DefaultRunner(f"sqlite:///{file}", config=IDLE) as runner:
        handles = runner.submit_many("chain", [None] * 3, tags={"team": "x"})
        begun.wait(60)
    go_on.set()
    statement = "UPDATE cloaca_attempt SET change = {} WHERE task_id = 'first' AND run_id = {}"
    damage(file, statement.format(broken, FIRST))
    damaged, *others = ends(f"sqlite:///{file}", [handle.id for handle in handles])
    assert damaged.status == "Failed"
    assert "the rows of this run cannot be read" in str(damaged.error_message)
    assert [result.final_context.to_dict() for result in others] == [{"n": 1}] * 2


@pytest.mark.parametrize(
    ("column", "broken"),
    [
        *itertools.product(["tags", "version", "parent_id"], BROKEN),
        ("created_at", "created_at | 1 << 62"),  # beyond the year 9999
    ],
)
def test_damage_that_no_task_would_see_fails_no_run(
    tmp_path: Path, column: str, broken: str
) -> None:
    file = tmp_path / "work.db"
    runs = waiting(f"sqlite:///{file}")
    damage(file, f"UPDATE cloaca_run SET {column} = {broken} WHERE id = {FIRST}")
    assert [result.status for result in ends(f"sqlite:///{file}", runs)] == ["Completed"] * 3


def test_a_damaged_id_keeps_nobody_else_from_work(tmp_path: Path) -> None:
    file = tmp_path / "work.db"
    runs = waiting(f"sqlite:///{file}")
    damage(file, f"UPDATE cloaca_run SET id = CAST(x'30ff' AS TEXT) WHERE id = {FIRST}")
    with cloaca.DefaultRunner(f"sqlite:///{file}", config=IDLE) as runner:
        assert [runner.get_run(run).result(60).status for run in runs[1:]] == ["Completed"] * 2
        assert len(runner.list_runs()) == 3
        assert runner.execute("quick").status == "Completed"
