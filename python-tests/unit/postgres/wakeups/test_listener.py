"""How announcements of changes reach the other runners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import cast

import psycopg
import pytest
import pytest_asyncio
from model.virtual_time import the_loop
from psycopg import sql
from tables import each_row
from unit.postgres.wakeups.announced import announced, named

from cloaca_core.assembly.sql_store import SqlStore
from cloaca_core.assembly.store import Store
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.store.changes import Change
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row
from cloaca_postgres import BACKEND
from cloaca_postgres.dialect import PostgresDialect
from cloaca_postgres.sessions.session import Session
from cloaca_postgres.wakeups import listener as listening_module
from cloaca_postgres.wakeups.announcements import LEAVING_S, WATCHED_APART_S, Message
from cloaca_postgres.wakeups.listener import APART_S, HEARD_FOR_S, WATCHDOG_S, Listener
from cloaca_testing.conformance.commits import record, submit
from cloaca_testing.conformance.rows import attempt, new_run, run_end, runner

SOON = 60.0


async def heard(store: Store) -> Change:
    """The next change by another store."""
    return await asyncio.wait_for(store.wait_changed(), SOON)


@pytest_asyncio.fixture
async def listener(postgres_url: str) -> AsyncIterator[Store]:
    """A store that has noticed that it listens."""
    store = await BACKEND.open(postgres_url, StoreOptions())
    await asyncio.wait_for(store.wait_changed(), SOON)
    yield store
    await store.close()


@pytest_asyncio.fixture
async def other(postgres_url: str) -> AsyncIterator[Store]:
    store = await BACKEND.open(postgres_url, StoreOptions())
    yield store
    await store.close()


# -- how it travels ------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_run_that_waits_to_be_claimed_wakes_others(listener: Store, other: Store) -> None:
    waiting = asyncio.create_task(listener.wait_changed())

    await submit(other, new_run("a", owner=None))

    await asyncio.wait_for(waiting, SOON)


@pytest.mark.asyncio
async def test_the_end_of_a_run_wakes_others(
    listener: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when no other runner is known."""
    monkeypatch.setattr(listening_module, "APART_ALONE_S", 0.0)
    await other.register(runner("r1"))
    await submit(other, new_run("a"))
    await asyncio.wait_for(listener.wait_changed(), SOON)  # of the runner
    other.set_contended(contended=False)
    waiting = asyncio.create_task(listener.wait_changed())

    await record(other, ends=[run_end("a")])

    await asyncio.wait_for(waiting, SOON)


@pytest.mark.asyncio
async def test_nobody_is_woken_by_what_it_wrote_itself(listener: Store, other: Store) -> None:
    await asyncio.wait_for(other.wait_changed(), SOON)  # now it listens
    own = asyncio.create_task(listener.wait_changed())
    await submit(listener, new_run("a", owner=None))
    await asyncio.wait_for(other.wait_changed(), SOON)  # the message has come through

    assert not own.done()
    await submit(other, new_run("b", owner=None))
    await asyncio.wait_for(own, SOON)


@pytest.mark.asyncio
async def test_who_finds_others_beside_it_tells_what_they_may_have_missed(
    listener: Store, other: Store
) -> None:
    other.set_contended(contended=False)
    waiting = asyncio.create_task(listener.wait_changed())

    other.set_contended(contended=True)

    await asyncio.wait_for(waiting, SOON)


@pytest.mark.asyncio
async def test_a_listener_that_lost_its_connection_reports_a_change_and_listens_again(
    postgres_url: str,
    other: Store,
    postgres_server: str,
    postgres_schema: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening_module, "FIRST_PAUSE_S", 0.0)
    url = f"{postgres_url}&application_name={postgres_schema}"
    store = await BACKEND.open(url, StoreOptions())
    await asyncio.wait_for(store.wait_changed(), SOON)
    waiting = asyncio.create_task(store.wait_changed())

    async with await psycopg.AsyncConnection.connect(postgres_server, autocommit=True) as raw:
        await raw.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
            [postgres_schema],
        )

    await asyncio.wait_for(waiting, SOON)
    waiting = asyncio.create_task(store.wait_changed())
    await submit(other, new_run("a", owner=None))
    await asyncio.wait_for(waiting, SOON)
    await store.close()


class FakeSession:
    """A session that notes what it was asked; ``broken`` it says only then that it was lost."""

    def __init__(self, *, broken: bool = False) -> None:
        self.notified: object = None
        self.lost: object = None
        self.closed = False
        self.broken = broken
        self.asked: list[str] = []
        self.messages: list[str] = []
        self.told = asyncio.Event()

    async def run(self, steps: Sequence[Step], deadline: float) -> list[list[Row]]:
        assert deadline > 0
        names = [step.statement.name for step in steps]
        if names == ["notify"] and self.broken:
            raise StoreUnavailableError("the connection was lost")
        self.asked += names
        self.messages += [step.params[1] for step in steps if step.statement.name == "notify"]
        if names == ["notify"]:
            self.told.set()
        return [[(0,)] for _ in steps]

    def close(self) -> None:
        self.closed = True


@pytest.mark.virtual_time
async def test_what_could_not_be_told_on_a_lost_connection_is_told_on_the_next_one() -> None:
    sessions = [FakeSession(broken=True), FakeSession()]
    opened = iter(sessions)

    async def connect() -> Session:
        return cast("Session", next(opened))

    listener = Listener(connect, announced())
    await listener.wait()  # it listens
    listener.wrote([named("end_run")], [[]])

    async with asyncio.timeout(10):
        await sessions[1].told.wait()

    assert sessions[0].closed
    assert sessions[1].asked[:3] == ["listen", "runs_written", "notify"]
    await listener.close()


async def test_after_word_from_elsewhere_a_runner_alone_tells_of_its_runs_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It came from a client, perhaps, which is no runner and waits for the end of its run."""
    monkeypatch.setattr(listening_module, "APART_ALONE_S", SOON)
    session = FakeSession()

    async def connect() -> Session:
        return cast("Session", session)

    listener = Listener(connect, announced())
    await listener.wait()  # it listens
    listener.set_contended(contended=False)
    cast("Callable[[str], None]", session.notified)("a client")
    listener.wrote([named("end_run")], [[]])

    async with asyncio.timeout(60):
        await session.told.wait()

    await listener.close()


# -- when it is closed ---------------------------------------------------------------------------


class Sessions:
    """Connects a listener; a connection that is not ``available`` is waited for."""

    def __init__(self, *sessions: FakeSession, available: bool = True) -> None:
        self._left = list(sessions)
        self.asked_for = asyncio.Event()
        self.available = asyncio.Event()
        if available:
            self.available.set()

    async def connect(self) -> Session:
        self.asked_for.set()
        await self.available.wait()
        if not self._left:
            raise StoreUnavailableError("the server is down")
        return cast("Session", self._left.pop(0))


async def listening(sessions: Sessions) -> Listener:
    """A listener that listens, and that holds its announcements back as it is alone."""
    listener = Listener(sessions.connect, announced())
    await listener.wait()
    listener.set_contended(contended=False)
    return listener


async def test_a_store_that_is_closed_at_once_announces_what_it_has_written(
    listener: Store, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening_module, "APART_ALONE_S", SOON)
    for number in range(5):
        waiting = asyncio.create_task(heard(listener))
        store = await BACKEND.open(postgres_url, StoreOptions())
        store.set_contended(contended=False)

        await submit(store, new_run(str(number), owner=None))
        await store.close()

        await waiting


@pytest.mark.virtual_time
async def test_what_is_held_back_is_announced_without_a_pause_when_it_is_closed() -> None:
    session = FakeSession()
    listener = await listening(Sessions(session))
    listener.wrote([named("end_run")], [[]])
    await asyncio.sleep(APART_S)  # it holds it back
    assert session.messages == []
    began = the_loop().time()

    await listener.close()

    assert session.messages == [listener._announcements.sender]
    assert session.closed
    assert the_loop().time() == began


@pytest.mark.virtual_time
async def test_a_listener_that_has_nothing_to_announce_is_closed_without_a_message() -> None:
    session = FakeSession()
    listener = await listening(Sessions(session))

    await listener.close()

    assert session.messages == []
    assert session.closed


@pytest.mark.virtual_time
async def test_a_listener_that_is_closed_before_it_is_connected_announces_then() -> None:
    session = FakeSession()
    sessions = Sessions(session, available=False)
    listener = Listener(sessions.connect, announced())
    waiting = asyncio.create_task(listener.wait())
    await sessions.asked_for.wait()
    listener.wrote([named("end_run")], [[]])
    closing = asyncio.create_task(listener.close())
    await asyncio.sleep(APART_S)
    assert not closing.done()

    sessions.available.set()
    await closing
    await waiting

    assert session.messages == [listener._announcements.sender]


@pytest.mark.virtual_time
async def test_a_listener_that_has_nothing_to_announce_waits_for_no_connection() -> None:
    sessions = Sessions(available=False)
    listener = Listener(sessions.connect, announced())
    waiting = asyncio.create_task(listener.wait())
    await sessions.asked_for.wait()
    began = the_loop().time()

    await listener.close()

    assert the_loop().time() == began
    await waiting


@pytest.mark.virtual_time
@each_row("next_ones", [[FakeSession], []], ids=["replaced", "server down"])
async def test_a_connection_that_is_lost_when_it_is_closed_fails_nothing(
    next_ones: list[type[FakeSession]],
) -> None:
    others = [make() for make in next_ones]
    listener = await listening(Sessions(FakeSession(broken=True), *others))
    listener.wrote([named("end_run")], [[]])

    await listener.close()

    assert [each.messages for each in others] == [[listener._announcements.sender]] * len(others)
    assert listener._task is not None
    assert listener._task.done()


@pytest.mark.virtual_time
async def test_a_listener_that_cannot_connect_is_closed_after_a_while() -> None:
    sessions = Sessions(available=False)
    listener = Listener(sessions.connect, announced())
    waiting = asyncio.create_task(listener.wait())
    await sessions.asked_for.wait()
    listener.wrote([named("end_run")], [[]])
    began = the_loop().time()

    await listener.close()

    assert the_loop().time() - began == pytest.approx(LEAVING_S)
    await waiting


@pytest.mark.virtual_time
async def test_steps_that_wait_for_their_time_are_told_when_it_is_closed() -> None:
    scene = Heard()
    await scene.listener.wait()  # it listens
    scene.hear("another watches")
    await scene.sent()
    scene.listener.wrote([named("record_lines")], [[]])
    await scene.sent()
    scene.listener.wrote([named("record_lines")], [[]])

    await scene.listener.close()

    assert await scene.sent() == ["steps"] * 3


# -- steps of runs -------------------------------------------------------------------------------


class Heard:
    """A listener on a session of its own, which is told and asked by hand."""

    def __init__(self) -> None:
        self.session = FakeSession()
        self.listener = Listener(self._connect, announced())

    async def _connect(self) -> Session:
        return cast("Session", self.session)

    def hear(self, message: str) -> None:
        cast("Callable[[str], None]", self.session.notified)(message)

    async def sent(self) -> list[str]:
        """The messages until the next one, without their sender."""
        await self.session.told.wait()
        self.session.told.clear()
        return [message.partition(" ")[2] for message in self.session.messages]


@pytest_asyncio.fixture
async def scene() -> AsyncIterator[Heard]:
    scene = Heard()
    await scene.listener.wait()  # it listens
    yield scene
    await scene.listener.close()


@pytest.mark.virtual_time
@pytest.mark.parametrize("name", ["record_attempt", "record_lines", "record_progress"])
async def test_steps_are_told_only_while_somebody_watches(scene: Heard, name: str) -> None:
    scene.listener.wrote([named(name)], [[]])
    await asyncio.sleep(1)
    assert scene.session.messages == []

    scene.hear("another watches")
    assert await scene.sent() == ["steps"], "of what was written before"
    scene.listener.wrote([named(name)], [[]])
    scene.listener.wrote([named(name)], [[]])
    assert await scene.sent() == ["steps", "steps"]

    await asyncio.sleep(HEARD_FOR_S)
    scene.listener.wrote([named(name)], [[]])
    await asyncio.sleep(1)
    assert len(scene.session.messages) == 2


@pytest.mark.virtual_time
async def test_a_move_is_heard_as_such_and_told_once_more_as_news_a_little_later(
    scene: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.hear("another moves")
    assert await scene.listener.wait() is Change.MOVES
    monkeypatch.setattr(scene.listener._announcements, "wrote", lambda *_: Message.MOVES)
    began = asyncio.get_running_loop().time()

    scene.listener.wrote([named("park_run")], [[]])

    assert await scene.sent() == [""]
    assert asyncio.get_running_loop().time() >= began + APART_S


@pytest.mark.virtual_time
async def test_a_step_is_told_at_once_and_those_that_follow_together(scene: Heard) -> None:
    scene.hear("another watches")
    await scene.sent()
    began = asyncio.get_running_loop().time()
    scene.listener.wrote([named("record_lines")], [[]])
    await scene.sent()
    assert asyncio.get_running_loop().time() - began <= 2 * APART_S

    for _ in range(3):
        scene.listener.wrote([named("record_lines")], [[]])
    assert await scene.sent() == ["steps"] * 3
    assert asyncio.get_running_loop().time() - began >= WATCHED_APART_S
    await asyncio.sleep(1)
    assert len(scene.session.messages) == 3


@pytest.mark.virtual_time
async def test_who_watches_says_so_and_hears_of_steps(scene: Heard) -> None:
    scene.hear("another steps")
    assert not scene.listener._changed.is_set()

    scene.listener.set_watched(watched=True)
    assert await scene.sent() == ["watches"]
    scene.hear("another steps")
    assert await scene.listener.wait() is Change.STEPS
    scene.hear("another steps")
    scene.hear("another")
    assert await scene.listener.wait() is Change.ANYTHING


@pytest.mark.virtual_time
async def test_who_watches_says_so_again_and_again(scene: Heard) -> None:
    scene.listener.set_watched(watched=True)
    assert await scene.sent() == ["watches"]
    scene.listener.set_watched(watched=False)
    scene.listener.set_watched(watched=True)
    await asyncio.sleep(1)
    assert len(scene.session.messages) == 1, "it said so lately"

    await asyncio.sleep(WATCHDOG_S)
    assert scene.session.messages == [scene.session.messages[0]] * 2
    scene.listener.set_watched(watched=False)
    await asyncio.sleep(2 * WATCHDOG_S)
    assert len(scene.session.messages) == 2


async def test_one_who_watches_hears_of_an_attempt_of_another(
    listener: Store, other: Store
) -> None:
    await other.register(runner("r1"))
    await submit(other, new_run("a"))
    await heard(other)  # it listens
    listener.set_watched(watched=True)
    while await heard(listener) is not Change.STEPS:
        pass

    await record(other, [attempt("a")])

    assert await heard(listener) is Change.STEPS


@pytest.mark.asyncio
async def test_behind_a_pooler_changes_are_found_by_asking(postgres_url: str, other: Store) -> None:
    often = StoreOptions(poll_interval=0.001)
    store = await BACKEND.open(f"{postgres_url}&pooler=true", often)
    await asyncio.wait_for(store.wait_changed(), SOON)  # the first one knows no earlier state
    waiting = asyncio.create_task(store.wait_changed())

    await submit(other, new_run("a", owner=None))

    await asyncio.wait_for(waiting, SOON)
    await store.close()


@pytest.mark.asyncio
async def test_who_is_behind_a_pooler_wakes_those_who_listen(
    postgres_url: str, listener: Store
) -> None:
    store = await BACKEND.open(f"{postgres_url}&pooler=true", StoreOptions())
    waiting = asyncio.create_task(listener.wait_changed())

    await submit(store, new_run("a", owner=None))

    await asyncio.wait_for(waiting, SOON)
    await store.close()


@pytest.mark.asyncio
async def test_what_nobody_has_told_is_noticed_all_the_same(
    postgres_url: str, postgres_server: str, postgres_schema: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who wrote it may have died before telling."""
    monkeypatch.setattr(listening_module, "WATCHDOG_S", 0.01)
    store = await BACKEND.open(postgres_url, StoreOptions())
    assert await heard(store) is Change.ANYTHING  # it listens

    insert_untold(postgres_server, postgres_schema)

    assert await heard(store) is Change.RUNS
    await store.close()


async def test_where_nothing_was_written_nothing_is_noticed(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look knows how much there was before."""
    monkeypatch.setattr(listening_module, "WATCHDOG_S", 0.01)
    looked, asked = asyncio.Event(), 0
    run = Session.run

    async def counted(
        self: Session, steps: Sequence[Step], deadline: float, *, begun: bool = False
    ) -> list[list[Row]]:
        nonlocal asked
        answers = await run(self, steps, deadline, begun=begun)
        asked += steps[-1].statement.name == "runs_written"
        if asked == 3:  # with the one that listens
            looked.set()
        return answers

    monkeypatch.setattr(Session, "run", counted)
    store = await BACKEND.open(postgres_url, StoreOptions())
    await heard(store)
    next_one = asyncio.create_task(store.wait_changed())
    await asyncio.wait_for(looked.wait(), SOON)
    await asyncio.sleep(0)

    assert not next_one.done()
    await store.close()
    await next_one


async def test_one_message_among_what_was_noticed_is_about_anything(
    postgres_url: str,
    other: Store,
    postgres_server: str,
    postgres_schema: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening_module, "WATCHDOG_S", 0.01)
    store = await BACKEND.open(postgres_url, StoreOptions())
    await heard(store)
    assert isinstance(store, SqlStore)
    listening = cast("PostgresDialect", store._dialect)._wakeups
    assert isinstance(listening, Listener)
    await other.register(runner("r1"))
    await asyncio.wait_for(listening._changed.wait(), SOON)  # the message, not yet read

    listening._report(Change.RUNS)

    assert await heard(store) is Change.ANYTHING
    insert_untold(postgres_server, postgres_schema)
    assert await heard(store) is Change.RUNS
    await store.close()


def insert_untold(server: str, schema: str) -> None:
    """Insert a run as a writer does that dies before its announcement."""
    insert = "INSERT INTO {} (id, workflow, version, status, epoch, created_at, tags, input)"
    values = "VALUES ('a', 'w', 'v', 'Pending', 0, 1, '{{}}', '{{}}')"
    table = sql.Identifier(schema, "cloaca_run")
    with psycopg.connect(server) as connection:
        connection.execute(sql.SQL(f"{insert} {values}").format(table))


@pytest.mark.virtual_time
async def test_who_has_much_to_tell_still_notices_what_nobody_has_told() -> None:
    session = BusySession()

    async def connect() -> Session:
        return cast("Session", session)

    listener = session.listener = Listener(connect, announced())
    await listener.wait()  # it listens
    beginning = the_loop().time()
    listener.wrote([named("end_run")], [[]])

    assert await listener.wait() is Change.RUNS
    assert the_loop().time() - beginning == pytest.approx(WATCHDOG_S, abs=APART_S)
    assert session.asked.count("notify") > 1000
    await listener.close()


class BusySession(FakeSession):
    """One whose listener has something to tell again as soon as it has told it, while others write
    without a word.
    """

    listener: Listener

    async def run(self, steps: Sequence[Step], deadline: float) -> list[list[Row]]:
        await super().run(steps, deadline)
        if steps[-1].statement.name == "notify":
            self.listener.wrote([named("end_run")], [[]])
        return [[(len(self.asked),)] for _ in steps]


# -- claim again ---------------------------------------------------------------------------------


@pytest.mark.virtual_time
async def test_who_waits_returns_after_a_time_as_well() -> None:
    """The first time counts until it is over."""
    listener = Listener(Sessions(FakeSession()).connect, announced())
    await listener.wait()  # it listens
    began = the_loop().time()
    listener.return_in(3)
    listener.return_in(1)

    assert await listener.wait() is Change.RUNS
    assert the_loop().time() - began == 3
    listener.return_in(2)
    assert await listener.wait() is Change.RUNS
    assert the_loop().time() - began == 5
    listener.return_in(9)
    await listener.close()
