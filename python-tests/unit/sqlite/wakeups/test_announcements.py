"""Stores of one file that wake one another. No test waits for a look that is due by time."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cloaca_core.assembly.sql_store import SqlStore
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.features.steering.records import Act
from cloaca_core.run.rows import Park
from cloaca_core.store.changes import Change
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.sql.dialect import Step
from cloaca_sqlite import dialect
from cloaca_sqlite.dialect import SqliteDialect
from cloaca_sqlite.driver import Connection
from cloaca_sqlite.opening import open_dialect
from cloaca_sqlite.url import parse
from cloaca_sqlite.wakeups import announcements, wake_socket
from cloaca_sqlite.wakeups.announcements import Wakeups
from cloaca_sqlite.wakeups.wake_socket import Delivery, WakeSocket
from cloaca_testing.conformance.commits import batch_with, record, submit
from cloaca_testing.conformance.rows import NOW, attempt, new_run, run_end, runner

pytestmark = pytest.mark.asyncio

SOON = 60.0
AN_HOUR = 3600.0
DAY_US = 86_400_000_000


class Stores:
    """Opens stores of one file."""

    def __init__(self, stack: AsyncExitStack, path: Path) -> None:
        self._stack = stack
        self.path = path

    async def open(self, query: str = "") -> SqlStore:
        """A store that nothing but word of others wakes for an hour."""
        options = StoreOptions(poll_interval=AN_HOUR)
        store = SqlStore(await open_dialect(parse(f"{self.path}{query}"), options))
        self._stack.push_async_callback(store.close)
        return store

    async def listening(self, query: str = "") -> SqlStore:
        """A store that listens, and knows of those that came before it."""
        store = await self.open(query)
        await heard(store)
        return store

    def query(self, sql: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as raw:
            return raw.execute(sql, values).fetchall()

    def listed(self) -> set[str]:
        return {path for (path,) in self.query("SELECT path FROM cloaca_listener")}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def heard(store: SqlStore) -> Change:
    """The next change by another store."""
    return await asyncio.wait_for(store.wait_changed(), SOON)


async def heard_of(one: SqlStore, other: SqlStore) -> None:
    """Return when the first store knows of the second."""
    while path_of(other) not in wakeups_of(one)._others:
        await heard(one)


async def heard_of_run(store: SqlStore, run_id: str) -> None:
    """Return when the store was woken after the run was committed."""
    await heard(store)
    while await store.get_run(run_id) is None:
        await heard(store)


def tell_now(store: SqlStore) -> None:
    """Send what waits until some time has passed since the last message."""
    wakeups = wakeups_of(store)
    while wakeups._untold is not None:
        wakeups._tell_more()


def wakeups_of(store: SqlStore) -> Wakeups:
    wakeups = dialect_of(store)._wakeups
    assert wakeups is not None
    return wakeups


def dialect_of(store: SqlStore) -> SqliteDialect:
    found = store._dialect
    assert isinstance(found, SqliteDialect)
    return found


def path_of(store: SqlStore) -> str:
    path = wakeups_of(store)._socket.path
    assert path is not None
    return path


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files: a short path, as sockets need. pytest has its own by then."""
    with tempfile.TemporaryDirectory(prefix="wake") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


@pytest.fixture
def own_folder(temporary: Path) -> Path:
    return temporary / f"cloaca-{os.geteuid()}"


@pytest_asyncio.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    async with AsyncExitStack() as stack:
        yield Stores(stack, tmp_path / "work.db")


@pytest_asyncio.fixture
async def listener(stores: Stores) -> SqlStore:
    return await stores.listening()


@pytest_asyncio.fixture
async def other(stores: Stores, listener: SqlStore) -> SqlStore:
    """A store that knows of the listener, and that the listener knows of."""
    other = await stores.listening()
    await heard_of(listener, other)
    return other


# -- news ----------------------------------------------------------------------------------------


async def test_a_run_that_waits_to_be_claimed_wakes_others(
    listener: SqlStore, other: SqlStore
) -> None:
    waiting = asyncio.create_task(listener.wait_changed())

    await submit(other, new_run("a", owner=None))

    assert await asyncio.wait_for(waiting, SOON) is Change.RUNS


async def test_the_end_of_a_run_wakes_others(listener: SqlStore, other: SqlStore) -> None:
    await other.register(runner("r1"))
    assert await heard(listener) is Change.ANYTHING
    await submit(other, new_run("a"))
    await record(other, [attempt("a")])

    await record(other, ends=[run_end("a")])

    assert await heard(listener) is Change.RUNS


async def test_a_run_that_moves_wakes_others_at_once_and_once_more_later(
    listener: SqlStore, other: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if other changes have to wait for the next message."""
    monkeypatch.setattr(announcements, "APART_S", AN_HOUR)
    await other.register(runner("r1"))
    for run_id in "ab":
        await submit(other, new_run(run_id))
    wakeups, sent = wakeups_of(other), list[Change]()
    if wakeups._resting is not None:
        wakeups._resting.cancel()
    wakeups._resting = wakeups._untold = None
    monkeypatch.setattr(wakeups, "_send", sent.append)
    await record(other, ends=[run_end("a")])
    assert sent == [Change.RUNS]

    parks = [Park("b", None, NOW, queue="gpu")]
    await other.commit(batch_with("r1", [], [], [], {"b": 1}, parks=parks))

    assert sent == [Change.RUNS, Change.MOVES]
    wakeups._tell_more()
    assert sent == [Change.RUNS, Change.MOVES, Change.RUNS]


async def test_who_steers_a_run_wakes_its_owner(listener: SqlStore, other: SqlStore) -> None:
    await listener.register(runner("r1"))
    await submit(listener, new_run("a"))

    await other.cancel(["a"], Act("1", "test", None, "cancelled by test", 5), 9, children=False)

    assert await heard(listener) is Change.ANYTHING


async def test_a_runner_that_leaves_wakes_others(listener: SqlStore, other: SqlStore) -> None:
    await other.register(runner("r1"))
    assert await heard(listener) is Change.ANYTHING

    await other.unregister("r1")

    assert await heard(listener) is Change.ANYTHING


async def test_steps_of_a_run_wake_no_other_store(
    listener: SqlStore, other: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await other.register(runner("r1"))
    tell_now(other)
    sent: list[Change] = []
    monkeypatch.setattr(wakeups_of(other), "_tell", sent.append)

    await submit(other, new_run("a"))
    await record(other, [attempt("a")])

    assert sent == []


async def test_no_store_is_woken_by_its_own_commit(listener: SqlStore, other: SqlStore) -> None:
    own = asyncio.create_task(listener.wait_changed())

    await submit(listener, new_run("a", owner=None))
    await heard(other)

    assert not own.done()
    own.cancel()


async def test_all_of_many_listeners_are_woken(stores: Stores, other: SqlStore) -> None:
    many = [await stores.listening() for _ in range(20)]
    for each in many:
        await heard_of(other, each)

    waiting = [asyncio.create_task(heard_of_run(each, "a")) for each in many]

    await submit(other, new_run("a", owner=None))

    await asyncio.gather(*waiting)


async def test_a_store_that_only_submits_wakes_others(listener: SqlStore, stores: Stores) -> None:
    """It reads in its first transaction who listens."""
    submitting = await stores.open()

    await submit(submitting, new_run("a", owner=None))

    assert await heard(listener) is Change.RUNS
    assert stores.listed() == {path_of(listener)}


async def test_a_store_that_comes_says_so(
    listener: SqlStore, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    newcomer, sent = await stores.open(), list[Change]()
    monkeypatch.setattr(wakeups_of(newcomer), "_send", sent.append)

    await heard(newcomer)

    assert sent == [Change.ANYTHING]


async def test_what_comes_soon_after_a_message_is_told_together(
    listener: SqlStore, other: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    wakeups, sent = wakeups_of(other), list[Change]()
    monkeypatch.setattr(wakeups, "_send", sent.append)
    monkeypatch.setattr(wakeups, "_resting", None)
    for change in (Change.RUNS, Change.RUNS, Change.ANYTHING, Change.RUNS):
        wakeups._tell(change)
    assert sent == [Change.RUNS]

    wakeups._tell_more()
    assert sent == [Change.RUNS, Change.ANYTHING]

    wakeups._tell_more()
    assert sent == [Change.RUNS, Change.ANYTHING]


async def test_a_store_that_closes_tells_what_is_untold(
    listener: SqlStore, other: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    wakeups, sent = wakeups_of(other), list[Change]()
    monkeypatch.setattr(wakeups, "_send", sent.append)
    monkeypatch.setattr(wakeups, "_resting", asyncio.get_running_loop().call_later(AN_HOUR, id, 0))
    wakeups._tell(Change.RUNS)
    assert sent == []

    await other.close()

    assert sent == [Change.RUNS]


# -- rows ----------------------------------------------------------------------------------------


async def test_a_runner_is_noted_and_forgotten_in_transactions_that_are_made_anyway(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    transactions: list[Connection] = []
    transact = Connection.transact

    async def counted(connection: Connection, *arguments: Any) -> Any:
        transactions.append(connection)
        return await transact(connection, *arguments)

    store = await stores.open()
    monkeypatch.setattr(Connection, "transact", counted)
    await store.register(runner("r1"))
    assert stores.listed() == {path_of(store)}
    await heard(store)
    await store.unregister("r1")
    assert stores.listed() == set()
    await store.close()

    assert len(transactions) == 2


async def test_a_store_that_waits_is_noted(listener: SqlStore, stores: Stores) -> None:
    assert stores.listed() == {path_of(listener)}


async def test_a_store_that_closes_is_forgotten(
    listener: SqlStore, stores: Stores, own_folder: Path
) -> None:
    await listener.close()

    assert stores.listed() == set()
    assert names(own_folder) == set()


async def test_a_store_that_neither_waits_nor_is_a_runners_is_not_noted(stores: Stores) -> None:
    store = await stores.open()

    await submit(store, new_run("a", owner=None))

    assert stores.listed() == set()


async def test_a_store_that_is_alone_sends_nothing_and_adds_nothing_to_its_transactions(
    listener: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await listener.register(runner("r1"))
    wakeups, sent = wakeups_of(listener), list[Change]()
    monkeypatch.setattr(wakeups, "_send", sent.append)
    asked: list[Sequence[Step]] = []
    with monkeypatch.context() as patch:
        patch.setattr(wakeups, "within", asked.append)
        await submit(listener, new_run("a", owner=None))

    assert asked == []
    assert sent == []


async def test_a_read_only_store_writes_nothing_and_finds_changes_by_looking(
    listener: SqlStore, stores: Stores
) -> None:
    looking = await stores.open("?mode=ro")
    await heard(looking)

    await submit(listener, new_run("a", owner=None))

    assert await heard(looking) is Change.ANYTHING
    assert stores.listed() == {path_of(listener)}


async def test_a_store_that_cannot_be_noted_waits_all_the_same(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await stores.open()

    async def refused(connection: Connection, *arguments: Any) -> Any:
        raise StoreUnavailableError("the disk is full")

    with monkeypatch.context() as failing:
        failing.setattr(Connection, "transact", refused)
        await heard(store)
    assert stores.listed() == set()

    await submit(store, new_run("a", owner=None))

    assert stores.listed() == {path_of(store)}


async def test_a_store_without_a_place_for_its_socket_polls_and_sends(
    listener: SqlStore, stores: Stores, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    deaf = await stores.open()
    await heard(deaf)
    assert not wakeups_of(deaf).listens

    await submit(deaf, new_run("a", owner=None))
    assert await heard(listener) is Change.RUNS

    await submit(listener, new_run("b", owner=None))
    assert await heard(deaf) is Change.ANYTHING


async def test_closing_does_not_wait_for_a_file_that_is_locked(
    listener: SqlStore, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row stays, and the others remove it."""
    monkeypatch.setattr(dialect, "_LEAVING_S", 0.001)
    with closing(sqlite3.connect(stores.path, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")

        await asyncio.wait_for(listener.close(), SOON)

        raw.execute("ROLLBACK")
    assert len(stores.listed()) == 1


# -- those that have gone ------------------------------------------------------------------------


async def test_a_dead_listener_is_removed_with_the_next_transaction(
    listener: SqlStore, other: SqlStore, stores: Stores, own_folder: Path
) -> None:
    """A socket whose process was killed: its file is there, and refuses messages."""
    socket = wakeups_of(listener)._socket._socket
    assert socket is not None
    asyncio.get_running_loop().remove_reader(socket)
    socket.close()

    await submit(other, new_run("a", owner=None))
    tell_now(other)
    assert wakeups_of(other)._others == {}
    await submit(other, new_run("b", owner=None))

    assert stores.listed() == {path_of(other)}
    assert names(own_folder) == {Path(path_of(other)).name}


async def test_a_row_without_a_socket_is_removed_when_its_process_has_ended(
    stores: Stores, listener: SqlStore, own_folder: Path
) -> None:
    stores.query(
        "INSERT INTO cloaca_listener"
        " SELECT ?, boot_id, pid_namespace, pid, process_start - 1, uid, noted_at"
        " FROM cloaca_listener",
        str(own_folder / "gone"),
    )
    await heard_anything_new(listener)

    await submit(listener, new_run("a", owner=None))
    tell_now(listener)
    await submit(listener, new_run("b", owner=None))

    assert stores.listed() == {path_of(listener)}


async def test_a_row_without_a_socket_stays_while_its_process_lives(
    stores: Stores, listener: SqlStore, own_folder: Path
) -> None:
    """The process may have a temporary folder of its own, where the socket is. It is tried once."""
    hidden = str(own_folder / "hidden")
    stores.query(
        "INSERT INTO cloaca_listener"
        " SELECT ?, boot_id, pid_namespace, pid, process_start, uid, noted_at"
        " FROM cloaca_listener",
        hidden,
    )
    await heard_anything_new(listener)
    assert hidden in wakeups_of(listener)._others

    await submit(listener, new_run("a", owner=None))
    tell_now(listener)
    await submit(listener, new_run("b", owner=None))
    stores.query("UPDATE cloaca_run SET claimable_at = 1")
    await heard_anything_new(listener)

    assert stores.listed() == {path_of(listener), hidden}
    assert wakeups_of(listener)._others == {}


async def heard_anything_new(store: SqlStore) -> None:
    """A change of the file by a program that sends no word: look at once."""
    dialect_of(store)._watch._look_at = 0.0
    await heard(store)


async def test_no_message_goes_to_a_place_where_other_users_may_listen(
    stores: Stores, listener: SqlStore, temporary: Path
) -> None:
    stores.query(
        "INSERT INTO cloaca_listener"
        " SELECT ?, boot_id, pid_namespace, pid, process_start, uid, noted_at"
        " FROM cloaca_listener",
        str(temporary / "open" / "socket"),
    )
    (temporary / "open").mkdir(0o755)

    await heard_anything_new(listener)

    assert wakeups_of(listener)._others == {}


@pytest.mark.parametrize(
    ("column", "value", "age_us", "stays"),
    [
        ("boot_id", "'an earlier one'", 0, False),
        ("pid_namespace", "'of a container'", 0, True),
        ("pid_namespace", "'of a container'", DAY_US + 1, False),  # it notes itself again
        ("uid", "uid + 1", 0, True),
        ("uid", "uid + 1", DAY_US + 1, False),
        ("pid", "pid", DAY_US + 1, True),
    ],
)
async def test_strangers_get_no_message_and_are_removed_when_that_cannot_hurt(
    stores: Stores, listener: SqlStore, column: str, value: str, age_us: int, stays: bool
) -> None:
    row = dict.fromkeys(("boot_id", "pid_namespace", "pid", "process_start", "uid"), "")
    columns = ", ".join(value if name == column else name for name in row)
    stores.query(
        f"INSERT INTO cloaca_listener SELECT 'x', {columns}, noted_at - {age_us}"
        " FROM cloaca_listener"
    )

    newcomer = await stores.listening()

    assert ("x" in stores.listed()) is stays
    assert wakeups_of(newcomer)._others.keys() == {path_of(listener)}


# -- healing -------------------------------------------------------------------------------------


async def test_a_listener_whose_folder_was_removed_listens_elsewhere(
    listener: SqlStore, other: SqlStore, stores: Stores, own_folder: Path
) -> None:
    before = {path_of(listener), path_of(other)}
    shutil.rmtree(own_folder)
    await submit(other, new_run("a", owner=None))
    tell_now(other)  # that is lost
    assert wakeups_of(other)._unreachable == {path_of(listener)}

    await heard_anything_new(listener)  # a wait begins with a look at the socket's file
    await heard_anything_new(other)
    await heard_of(listener, other)

    assert stores.listed() == {path_of(listener), path_of(other)}
    assert not before & stores.listed()
    waiting = asyncio.create_task(heard_of_run(listener, "b"))
    await submit(other, new_run("b", owner=None))
    await waiting


async def test_a_listener_whose_row_was_removed_notes_itself_again(
    listener: SqlStore, stores: Stores
) -> None:
    stores.query("DELETE FROM cloaca_listener")
    await heard_anything_new(listener)
    assert not wakeups_of(listener).listens

    waiting = asyncio.create_task(listener.wait_changed())
    newcomer = await stores.listening()
    await asyncio.wait_for(waiting, SOON)

    assert stores.listed() == {path_of(listener), path_of(newcomer)}


async def test_changes_by_others_before_a_listener_has_noted_itself_again_are_seen(
    listener: SqlStore, stores: Stores
) -> None:
    """They could send it no word."""
    stores.query("DELETE FROM cloaca_listener")
    await heard_anything_new(listener)
    newcomer = await stores.listening()

    assert await heard(listener) is Change.ANYTHING
    assert stores.listed() == {path_of(listener), path_of(newcomer)}


async def test_a_lease_that_began_while_the_store_was_alone_is_news_to_a_newcomer(
    listener: SqlStore, stores: Stores
) -> None:
    await listener.register(runner("r1"))
    await listener.beat("r1", 5)
    newcomer = await stores.listening()
    await heard_of(listener, newcomer)

    await listener.beat("r1", 6)

    assert await heard(newcomer) is Change.ANYTHING


async def test_a_message_that_fails_fails_no_commit(
    listener: SqlStore, other: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise OSError("no more descriptors")

    wakeups_of(other)._socket.close()
    monkeypatch.setattr(wake_socket, "_new_socket", broken)

    await submit(other, new_run("a", owner=None))

    assert await other.get_run("a") is not None
    assert WakeSocket(lambda _: None).send(path_of(listener), Change.RUNS) is Delivery.FAILED
