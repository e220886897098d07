"""Fixtures for every test: the backend of this run, and a database of the test's own.

A test that is about one backend's own matters, a file or a server, says so with
``@pytest.mark.backend(name, reason=…)`` and is deselected on the other. In the folders of tests
that need a backend's package, what is named after a backend, a file or a folder, is collected only
on that one.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from model.virtual_time import VirtualLoop
from own_database import OwnDatabases, PostgresSchemas, SqliteFiles
from used_schemas import UsedSchemas

import cloaca
from dev.databases import maintenance, sources

BACKENDS = ("sqlite", "postgres")
NAMED_AFTER_BACKENDS = ("conformance", "process", "unit")
COLLECT_AFTER = 20_000
"""New objects after which the garbage collector looks for cycles among them."""
NewUrl: TypeAlias = Callable[[], str]

# A shell that starts something in the background has it ignore Ctrl-C, and nohup has it ignore the
# end of its terminal. So would every program that a test starts, those that are to be ended by such
# a signal among them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if os.name != "nt" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


# -- which tests ---------------------------------------------------------------------------------


def chosen_backend() -> str | None:
    """The one that this run is on; None means no narrowing, with SQLite as the default."""
    return os.environ.get("CLOACA_TEST_BACKEND")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out what is of a backend that this run is not on, and that need not be installed."""
    chosen = chosen_backend()
    if chosen is None or collection_path.parent.name not in NAMED_AFTER_BACKENDS:
        return None
    others = tuple(name for name in BACKENDS if name != chosen)
    return collection_path.name.removeprefix("test_").startswith(others) or None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what belongs to another backend; pytest counts and reports it as such."""
    chosen = chosen_backend() or "sqlite"
    elsewhere = [item for item in items if not _belongs_to(item, chosen)]
    if elsewhere:
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if item not in elsewhere]


def pytest_collection_finish() -> None:
    """Have the garbage collector pass over the collected tests, which stay: looking at all of them
    again and again took 8 % of the time of quick tests. What tests make is small, so it also looks
    more seldom, as that of ``cloaca worker`` does.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])


def _belongs_to(item: pytest.Item, chosen: str) -> bool:
    return all(_named(*mark.args, **mark.kwargs) == chosen for mark in item.iter_markers("backend"))


def _named(name: str, *, reason: str) -> str:
    """The backend that the marker names; a marker without a reason is an error."""
    if name not in BACKENDS:
        raise pytest.UsageError(f"backend({name!r}, reason={reason!r}): none of {BACKENDS}")
    return name


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path: Path) -> None:
    """Before a module with property tests is imported: no example of them has a time limit, which
    a busy machine would exceed. Other processes do not import the library, which takes a while.
    """
    if "hypothesis" in module_path.read_text(encoding="utf-8"):
        from hypothesis import HealthCheck, settings

        patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
        settings.register_profile("patient", patient)
        settings.load_profile("patient")


# -- whose time it is ----------------------------------------------------------------------------


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Give each async test the loop that it is to run on; those of ``virtual_time`` wait for none
    of their timers.
    """
    if item.get_closest_marker("virtual_time"):
        return {"virtual": VirtualLoop}
    return {"real": asyncio.new_event_loop}


# -- a test that hangs ---------------------------------------------------------------------------

# The path of a file that names the running test. The process that started this run of pytest reads
# it after killing a run that hangs. Programs that a test starts, other runs of pytest among them,
# must not write to it.
_NOTE = os.environ.pop("CLOACA_TEST_RUNNING", None)
_STDERR = pytest.StashKey[int]()
_ENDS = pytest.StashKey[tuple[float, float]]()
"""When the process is to be ended, and the seconds that a test had until then."""


def pytest_configure(config: pytest.Config) -> None:
    """Keep hold of stderr, which is captured while tests run."""
    config.stash[_STDERR] = os.dup(2)
    config.stash[_ENDS] = (0.0, 0.0)


def pytest_unconfigure() -> None:
    """Note how long it and its programs have used a processor: the load does not change that."""
    if _NOTE is not None:
        used = os.times()
        spent = used.user + used.system + used.children_user + used.children_system
        Path(_NOTE).with_name("cpu").write_text(f"{spent:.1f}", encoding="utf-8")


def pytest_runtest_logstart(nodeid: str) -> None:
    """Note which test is running."""
    if _NOTE is not None:
        Path(_NOTE).write_text(nodeid, encoding="utf-8")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """End the process should a test outlive its time limit twice.

    pytest-timeout raises an exception in the main thread, once. That is better, since the other
    tests still run; but what it interrupts may then be waited for without a limit, as by
    pytest-asyncio, which waits for tasks that it cancelled, or not be interruptible at all.

    This begins a thread, so tests share one, as long as it leaves them most of their time.
    """
    seconds = 2 * _limit(item)
    until, had = item.config.stash[_ENDS]
    if had != seconds or until - time.monotonic() < 0.95 * seconds:
        _end_after(item, seconds)


@pytest.hookimpl(trylast=True)
def pytest_exception_interact(node: pytest.Item | pytest.Collector) -> None:
    """Once more: pytest has called it off if the test failed, as it did at its time limit."""
    if isinstance(node, pytest.Item):
        _end_after(node, _limit(node))


def pytest_sessionfinish() -> None:
    """What is left to be done after all tests may take longer than a test may."""
    faulthandler.cancel_dump_traceback_later()


def _end_after(item: pytest.Item, seconds: float) -> None:
    item.config.stash[_ENDS] = (time.monotonic() + seconds, seconds)
    if seconds:
        stderr = item.config.stash[_STDERR]
        faulthandler.dump_traceback_later(seconds, exit=True, file=stderr)
    else:
        faulthandler.cancel_dump_traceback_later()


def _limit(item: pytest.Item) -> float:
    """The time limit of pytest-timeout, in seconds; 0 for none."""
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0] if mark else item.config.getini("timeout"))


# -- a database ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def backend_name() -> str:
    """The backend under test, as ``invoke test --backend`` names it."""
    return chosen_backend() or "sqlite"


@pytest.fixture(scope="session")
def postgres_database(request: pytest.FixtureRequest) -> str:
    """The URL of a database that only this run of pytest uses, on the server that is available.

    It is dropped after all tests, and not as a part of the last one: of hundreds of schemas that
    may take longer than a test may.
    """
    if chosen_backend() == "sqlite":
        pytest.skip("this run was narrowed to SQLite, so there need be no PostgreSQL")
    with ExitStack() as stack:
        server = stack.enter_context(sources.server())
        name = maintenance.name_for_tests()
        url = stack.enter_context(maintenance.temporary(server, name))
        request.config.add_cleanup(stack.pop_all().close)
    return url


@pytest.fixture(scope="session")
def used_schemas(postgres_database: str) -> Iterator[UsedSchemas]:
    """Schemas of tests that have ended, for later ones."""
    used = UsedSchemas(postgres_database)
    yield used
    used.close()


@pytest.fixture
def postgres_schemas(postgres_database: str, used_schemas: UsedSchemas) -> Iterator[OwnDatabases]:
    """Databases on PostgreSQL, also when the run is on another backend."""
    schemas = PostgresSchemas(postgres_database, used_schemas)
    yield schemas
    schemas.close()


@pytest.fixture
def postgres_url(postgres_schemas: OwnDatabases) -> str:
    """A URL of a database without a run on PostgreSQL, also when the run is on another backend."""
    return postgres_schemas.new()


@pytest.fixture(scope="session")
def databases_in(
    backend_name: str,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[Path], OwnDatabases]:
    """Where databases come from, those that are files in a given folder."""
    if backend_name == "sqlite":
        migrated = tmp_path_factory.mktemp("migrated") / "test.db"
        cloaca.DefaultRunner(f"sqlite:///{migrated}").shutdown()
        return lambda folder: SqliteFiles(folder, migrated)
    url, used = map(request.getfixturevalue, ("postgres_database", "used_schemas"))
    return lambda folder: PostgresSchemas(url, used)


@pytest.fixture
def own_databases(
    databases_in: Callable[[Path], OwnDatabases], tmp_path: Path
) -> Iterator[OwnDatabases]:
    """Where this test gets its databases."""
    databases = databases_in(tmp_path)
    yield databases
    databases.close()


@pytest.fixture
def new_database_url(own_databases: OwnDatabases) -> NewUrl:
    """Gives a URL of a database without a run at each call, for a test that needs several."""
    return own_databases.new


@pytest.fixture
def database_url(new_database_url: NewUrl) -> str:
    """A URL of a database without a run in it, which no other test uses at the same time.

    It may have its tables already, but for tests that say ``empty_database_url``.
    """
    return new_database_url()


@pytest.fixture
def empty_database_url(own_databases: OwnDatabases) -> str:
    """The same, where nothing is yet: for a test of what opening it makes."""
    return own_databases.new_empty()


# -- runners -------------------------------------------------------------------------------------


@pytest.fixture
def open_runner(database_url: str) -> Iterator[Callable[..., cloaca.DefaultRunner]]:
    """Opens runners on the test's database with these settings; all are closed at its end."""
    opened: list[cloaca.DefaultRunner] = []

    def open_one(*, start: bool = True, **settings: Any) -> cloaca.DefaultRunner:
        # A failed test may leave a body that waits for ever: do not wait for it as long.
        config = cloaca.DefaultRunnerConfig(**{"shutdown_grace_seconds": 5, **settings})
        opened.append(cloaca.DefaultRunner(database_url, config=config, start=start))
        return opened[-1]

    yield open_one
    for runner in opened:
        runner.shutdown()


@pytest.fixture
def runner(open_runner: Callable[..., cloaca.DefaultRunner]) -> cloaca.DefaultRunner:
    """A runner on the test's database with the default settings."""
    return open_runner()


@pytest.fixture(scope="module")
def shared_runner(
    databases_in: Callable[[Path], OwnDatabases], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[cloaca.DefaultRunner]:
    """One runner for a whole file, where a database for each row would only cost time."""
    url = databases_in(tmp_path_factory.mktemp("shared")).new()
    with cloaca.DefaultRunner(url) as runner:
        yield runner
