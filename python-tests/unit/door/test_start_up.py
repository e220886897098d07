"""Modules that a program loads on its way to its first result, and modules that it does not.

The time of that way is the time of its imports, above all. It is not measured here, where others
share the machine; a module that one of these programs has come to load is named instead.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tables import each_row

import cloaca
from cloaca_core.assembly.host import EngineHost
from cloaca_core.assembly.store import Store
from cloaca_core.store.protocol import StoreOptions
from cloaca_sqlite.backend import SqliteBackend

SOON_S = 60.0
PROGRAM = """
import json, sys
import cloaca
{rest}
print(json.dumps(sorted(sys.modules)))
"""
FIRST_RESULT = """
with cloaca.WorkflowBuilder("one"):
    @cloaca.task(id="step")
    def step(context):
        return context

with cloaca.DefaultRunner({url!r}) as runner:
    assert runner.execute("one", cloaca.Context({{}})).status == "Completed"
"""

DOOR = {
    "cloaca", "cloaca._check", "cloaca._version", "cloaca.greeting",
    "cloaca_core", "cloaca_core._version", "cloaca_core.clean_records", "cloaca_core.config",
    "cloaca_core.definition", "cloaca_core.definition.builder", "cloaca_core.definition.callables",
    "cloaca_core.definition.context", "cloaca_core.definition.fingerprint",
    "cloaca_core.definition.graph", "cloaca_core.definition.limits",
    "cloaca_core.definition.limits.limit", "cloaca_core.definition.maps",
    "cloaca_core.definition.maps.options",
    "cloaca_core.definition.queues",
    "cloaca_core.definition.registry",
    "cloaca_core.definition.retries.policy", "cloaca_core.definition.retries.retry_after",
    "cloaca_core.definition.retries.condition", "cloaca_core.definition.rules",
    "cloaca_core.definition.task", "cloaca_core.definition.written_rules",
    "cloaca_core.definition.task_block", "cloaca_core.definition.handles.task_handle",
    "cloaca_core.definition.workflow", "cloaca_core.errors", "cloaca_core.logs",
    "cloaca_core.distributions", "cloaca_core.values.states",
    "cloaca_core.settings",
    "cloaca_core.store", "cloaca_core.store.backends", "cloaca_core.store.urls",
    "cloaca_core.values", "cloaca_core.values.arguments", "cloaca_core.values.times.durations",
    "cloaca_core.values.payloads.json_values", "cloaca_core.values.log_levels",
    "cloaca_core.values.missing",
    "cloaca_core.values.namespace",
    "cloaca_core.values.times.no_limit",
    "cloaca_core.values.node", "cloaca_core.values.queue_names",
    "cloaca_core.values.option_names", "cloaca_core.values.times.retention",
    "cloaca_core.values.times.time_limits",
    # Folders.
    "cloaca_core.definition.handles", "cloaca_core.definition.retries",
    "cloaca_core.values.payloads", "cloaca_core.values.times",
}  # fmt: skip
"""All of ours that ``import cloaca`` loads."""
PARTS = (
    "cloaca_core.engine.claim.claimer",
    "cloaca_core.engine.orchestrate.orchestrator",
    "cloaca_core.features.schedules.schedule_loop",
    "cloaca_core.engine.record.journal",
    "cloaca_core.engine.recover.lease",
    "cloaca_core.run.planner",
    "cloaca_core.features.triggers.trigger_loop",
    "cloaca_core.engine.recover.takeover",
)
"""Some of the modules that an engine is made of."""
UNUSED = (
    # For cron and time zones.
    "cronsim", "zoneinfo", "tzdata", "calendar", "cloaca_core.definition.cron.expression",
    "cloaca_core.definition.cron.zones", "cloaca_core.features.schedules.timing.timing",
    "cloaca_core.features.schedules.operations.schedules",
    "cloaca_core.features.schedules.operations.schedule_table",
    "cloaca_core.features.schedules.operations.backfill",
    "cloaca_core.features.triggers.operations",
    "cloaca_core.features.triggers.trigger_table",
    "cloaca_core.features.schedules.tick_rows",
    # For triggers and tenants.
    "cloaca_core.definition.trigger", "cloaca_core.definition.triggers.definition",
    "cloaca_core.features.triggers.trigger_times", "cloaca_core.features.tenants.credentials",
    "cloaca_core.client.database_admin",
    # For computation graphs, and what else programs of 0.12 use beside workflows.
    "cloaca_core.definition.computation", "cloaca_core.features.cloacina",
    # For transactional tasks.
    "cloaca_core.features.transactional", "cloaca_core.store.transactions",
    "cloaca_sqlite.transactions", "cloaca_postgres.transactions",
    # To search the installed distributions and zip files.
    "importlib.metadata", "importlib.resources", "email", "zipfile", "tempfile", "lzma", "bz2",
    # For a rare error, an uncommon value, a retry or a file of settings.
    "difflib", "uuid", "platform", "decimal", "fractions", "tomllib",
)  # fmt: skip
"""Modules that no program loads before its first result for our sake."""


def loaded(rest: str = "") -> set[str]:
    """The modules of a program of its own, at its end."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", PROGRAM.format(rest=rest)],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def of(modules: set[str], *names: str) -> list[str]:
    """Those of the modules that have these names, or lie in packages of these names."""
    return sorted(
        each for each in modules for name in names if each == name or each.startswith(f"{name}.")
    )


def test_import_cloaca_loads_of_ours_what_a_definition_needs_and_no_third_party() -> None:
    modules = loaded()

    assert {each for each in modules if each.startswith("cloaca")} <= DOOR
    assert of(modules, "aiosqlite", "psycopg", "cronsim", "asyncio", "sqlite3") == []
    assert of(modules, *UNUSED) == []


@pytest.mark.parametrize("place", [":memory:", "runs.db"])
def test_a_first_result_on_sqlite_loads_nothing_of_postgresql(place: str, tmp_path: Path) -> None:
    url = place if place == ":memory:" else f"sqlite:///{tmp_path / place}"
    modules = loaded(FIRST_RESULT.format(url=url))

    assert of(modules, "cloaca_sqlite.driver") != []  # it did run there
    assert of(modules, "psycopg", "psycopg_binary", "cloaca_postgres", "typing_extensions") == []
    assert of(modules, *UNUSED) == []


def test_a_first_result_on_postgresql_loads_nothing_of_sqlite(postgres_url: str) -> None:
    modules = loaded(FIRST_RESULT.format(url=postgres_url))

    assert of(modules, "cloaca_postgres.sessions.session") != []
    assert of(modules, "sqlite3", "aiosqlite", "cloaca_sqlite") == []
    # psycopg itself loads time zones and what is installed, and the URL names a schema.
    ours = {name for name in UNUSED if name.startswith("cloaca")} - {
        "cloaca_core.features.tenants.credentials"
    }
    assert of(modules, "cronsim", "cloaca_postgres.administration.tenants", *ours) == []


def test_what_the_engine_is_made_of_is_loaded_while_the_database_opens() -> None:
    before = loaded("cloaca.DefaultRunner, cloaca.AsyncRunner")
    after = loaded(FIRST_RESULT.format(url=":memory:"))

    assert of(after, *PARTS) == sorted(PARTS)
    assert of(before, "cloaca_core.assembly.engine", *PARTS) == []


@pytest.mark.parametrize("kind", [cloaca.DefaultRunner, cloaca.AsyncRunner])
def test_both_kinds_of_runner_load_it_before_they_wait(
    kind: type[cloaca.DefaultRunner | cloaca.AsyncRunner], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_loaded, opens = threading.Event(), SqliteBackend.open

    async def open_afterwards(self: SqliteBackend, url: str, options: StoreOptions) -> Store:
        assert await asyncio.to_thread(is_loaded.wait, SOON_S)
        return await opens(self, url, options)

    monkeypatch.setattr(SqliteBackend, "open", open_afterwards)
    monkeypatch.setattr(EngineHost, "load_engine", is_loaded.set)

    if issubclass(kind, cloaca.DefaultRunner):
        kind(":memory:", registry=cloaca.Registry()).shutdown()
    else:
        asyncio.run(_open_and_close(kind(":memory:", registry=cloaca.Registry())))


async def _open_and_close(runner: cloaca.AsyncRunner) -> None:
    async with runner:
        pass


def test_the_default_of_the_pool_looks_for_both_backends_when_it_is_read() -> None:
    modules = loaded("cloaca.DefaultRunnerConfig().db_pool_size")

    assert of(modules, "cloaca_sqlite.backend", "importlib.metadata") != []


# -- the command line ----------------------------------------------------------------------------

LIST = """
from cloaca_core.command import main
from cloaca_tools.cli.root import cli
cli([*{arguments!r}], standalone_mode=False)
"""
TO_LOOK = """
import json, sys
{rest}
print(json.dumps(sorted(sys.modules)))
"""
LISTS = (
    ("runs", "list"), ("workflows", "list"), ("schedules", "list"), ("runners", "list"),
    ("actions", "list"), ("status",),
)  # fmt: skip
NEVER_TO_LOOK = (
    # What executes, claims, records and fires.
    "cloaca_core.engine.claim", "cloaca_core.engine.orchestrate.orchestrator",
    "cloaca_core.features.schedules.schedule_loop", "cloaca_core.features.triggers.trigger_loop",
    "cloaca_core.engine.record.journal", "cloaca_core.engine.recover.takeover",
    "cloaca_core.assembly.engine", "cloaca_core.assembly.parts", "cloaca_core.engine.kernel",
    "cloaca_core.engine.lifecycle", "cloaca_core.features.steering.steering",
    "cloaca_core.engine.execute.executor", "cloaca_core.features.upkeep.pruner",
    "cloaca_core.client.default_runner", "cloaca_tools.cli.services.watched_runner",
    # What a person's terminal needs, other programs' formats, and rare commands.
    "rich", "opentelemetry", "prometheus_client", "mcp", "tomllib", "cloaca",
    "cloaca_tools.transfer", "cloaca_tools.doctor", "cloaca_core.features.telemetry.run_metrics",
)  # fmt: skip
NEVER_TO_LIST_RUNS = (
    *NEVER_TO_LOOK, "cloaca_core.engine.observe.run_reader", "cloaca_core.run.restore",
    "cloaca_core.features.explain.explainer", "cloaca_core.engine.orchestrate",
    "cloaca_tools.views.run.tree", "cloaca_tools.views.run.graph", "cloaca_tools.views.run.changes",
    "cloaca_tools.views.workflows.statistics", "cloaca_tools.views.run.timeline",
    "cloaca_core.views.explain",
    "cloaca_core.views.history", "cloaca_core.features.steering.operations",
    "cloaca_core.features.schedules.timing",
    "cronsim", "zoneinfo",
    # Definitions, bodies and submissions: there are none.
    "cloaca_core.definition.workflow", "cloaca_core.definition.task",
    "cloaca_core.definition.recorded", "cloaca_core.definition.rules",
    "cloaca_core.definition.retries.policy", "cloaca_core.definition.graph",
    "cloaca_core.definition.handles.task_handle", "cloaca_core.definition.waits",
    "cloaca_core.engine.execute.attempt", "cloaca_core.engine.execute.work",
    "cloaca_core.run.merge", "cloaca_core.engine.submit.request",
    "cloaca_core.assembly.commit_parts", "cloaca_core.store.sql.batch",
    "cloaca_core.features.task_logs.capture", "cloaca_core.features.task_logs.task_log",
)  # fmt: skip
MOST_OF_OURS = 221
"""Modules of ours that a list of runs may load, folders among them: each takes half a
millisecond or more.
"""


def modules_of(url: str, arguments: tuple[str, ...]) -> set[str]:
    """The modules that a command has loaded at its end."""
    program = TO_LOOK.format(rest=LIST.format(arguments=["--database-url", url, *arguments]))
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database that is there."""
    url = f"sqlite:///{tmp_path_factory.mktemp('looked_at') / 'runs.db'}"
    with cloaca.Client(url, registry=cloaca.Registry()):
        return url


@each_row("arguments", LISTS)
def test_a_command_that_lists_loads_no_engine(looked_at: str, arguments: tuple[str, ...]) -> None:
    modules = modules_of(looked_at, arguments)

    assert of(modules, *NEVER_TO_LOOK) == []
    assert of(modules, "psycopg", "cloaca_postgres") == []


def test_a_list_of_runs_loads_no_view_but_its_own(looked_at: str) -> None:
    modules = modules_of(looked_at, ("runs", "list"))

    assert of(modules, *NEVER_TO_LIST_RUNS) == []
    assert of(modules, "cloaca_tools.views.lists.listing") != []
    assert len(of(modules, "cloaca_core", "cloaca_sqlite", "cloaca_tools")) <= MOST_OF_OURS


def test_on_postgresql_neither(postgres_url: str) -> None:
    with cloaca.Client(postgres_url, registry=cloaca.Registry()):
        pass

    modules = modules_of(postgres_url, ("runs", "list"))

    assert of(modules, *set(NEVER_TO_LIST_RUNS) - {"zoneinfo"}) == []
    assert of(modules, "cloaca_sqlite", "aiosqlite", "sqlite3") == []


def test_the_help_loads_no_command() -> None:
    modules = modules_of("sqlite://none.db", ("--help",))

    assert {each for each in modules if each.startswith("cloaca")} <= {
        "cloaca_core", "cloaca_core._version", "cloaca_core.clean_records", "cloaca_core.command",
        "cloaca_core.errors", "cloaca_core.logs", "cloaca_core.distributions",
        "cloaca_tools", "cloaca_tools.cli", "cloaca_tools.cli.exits", "cloaca_tools.cli.lazy",
        "cloaca_tools.cli.root",
    }  # fmt: skip
    assert of(modules, "asyncio", "rich", "sqlite3") == []
