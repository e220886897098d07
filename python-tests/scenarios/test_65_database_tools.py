"""65: a database as a whole: what is wrong with it, and a copy of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from durability import beside_durability
from own_database import OwnDatabases
from scenarios.steering import until

import cloaca
from cloaca import databases
from cloaca.testing import harness
from cloaca_core.store.migrate import load_before_base

pytestmark = pytest.mark.each_backend

WAIT = 60
DATA = Path(__file__).parent.parent / "data"
AGES_AGO = 1_000_000_000
"""An instant of 1970, in µs."""


@pytest.fixture(autouse=True)
def _workflow() -> None:
    with cloaca.WorkflowBuilder("wait"):

        @cloaca.task
        def step(context: cloaca.Context) -> None:
            pass


@pytest.fixture
def run(database_url: str) -> str:
    """The id of a run that has not begun; no runner is there any more."""
    with cloaca.DefaultRunner(database_url) as runner:
        runner.stop()
        return runner.submit("wait").id


@pytest.fixture
def change(own_databases: OwnDatabases, database_url: str) -> Callable[..., None]:
    """Executes a statement in the database, as a user with a shell could."""

    def execute(statement: str, *values: object) -> None:
        if database_url.startswith("postgres"):
            own_databases.query(database_url, statement, *values)
            return
        with closing(own_databases.connect(database_url, autocommit=True)) as connection:
            connection.execute(statement, values)

    return execute


def codes(found: databases.Diagnosis) -> list[str]:
    return [each.code for each in beside_durability(found.findings)]


def test_a_database_in_use_is_sound(database_url: str) -> None:
    with cloaca.DefaultRunner(database_url) as runner:
        runner.execute("wait")

        found = databases.diagnose(database_url, deep=True)

    assert codes(found) == []
    assert found.is_sound is (found.findings == ())
    assert found.size > 0
    assert len(found.versions) == 2
    assert len(found.to_dict()["findings"]) == len(found.findings)


def test_a_database_without_tables_is_told_and_not_made(
    own_databases: OwnDatabases, backend_name: str
) -> None:
    url = own_databases.new_empty()
    if backend_name == "sqlite":
        with pytest.raises(cloaca.StoreOpenError, match="does not exist"):
            databases.diagnose(url)
        with closing(own_databases.connect(url, autocommit=True)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    else:
        with cloaca.DefaultRunner(url):
            pass
        own_databases.load(url, "SELECT 1")  # an empty schema in its place

    assert "schema_older" in codes(databases.diagnose(url))
    assert "schema_older" in codes(databases.diagnose(url))


STATES = {
    "owner_missing": "UPDATE cloaca_run SET owner = 'ghost', epoch = 1, status = 'Running'",
    "runs_unserved": f"UPDATE cloaca_run SET created_at = {AGES_AGO}, claimable_at = {AGES_AGO}",
    "cancelling_long": f"UPDATE cloaca_run SET status = 'Cancelling', owner = 'ghost',"
    f" cancel_at = {AGES_AGO}",
    "waiting_overdue": f"UPDATE cloaca_run SET status = 'Waiting', due_at = {AGES_AGO},"
    f" claimable_at = {AGES_AGO}",
    "waiting_long": f"UPDATE cloaca_run SET status = 'Paused', paused_at = {AGES_AGO},"
    f" created_at = {AGES_AGO}",
    "retention_not_set": "UPDATE cloaca_upkeep SET keeps_all = 1",
    "prune_late": f"UPDATE cloaca_upkeep SET due_at = {AGES_AGO}",
    "missing_index": "DROP INDEX cloaca_run_owned",
    "missing_table": "DROP TABLE cloaca_paused_workflow",
    "schema_older": "DELETE FROM cloaca_migration WHERE number = "
    "(SELECT max(number) FROM cloaca_migration)",
    "schema_unknown": "INSERT INTO cloaca_migration VALUES (999, 'later', 'x', 1)",
}


@pytest.mark.parametrize("code", STATES)
def test_each_state_is_found(
    code: str, run: str, database_url: str, change: Callable[..., None]
) -> None:
    change(STATES[code])

    assert code in codes(databases.diagnose(database_url))


@pytest.mark.usefixtures("run")
def test_an_old_run_that_may_be_claimed_only_since_now_is_served(
    database_url: str, change: Callable[..., None]
) -> None:
    change(f"UPDATE cloaca_run SET created_at = {AGES_AGO}")

    with cloaca.DefaultRunner(database_url, start=False, registry=cloaca.Registry()):
        assert "runs_unserved" not in codes(databases.diagnose(database_url))


@pytest.mark.usefixtures("run")
def test_a_run_that_waits_while_no_runner_is_alive_is_found_at_once(database_url: str) -> None:
    (found,) = [
        each for each in databases.diagnose(database_url).findings if each.code == "runs_unserved"
    ]

    assert found.text.startswith("1 run of wait waits for a runner since 2")
    assert found.text.endswith(", and none is alive")


@pytest.mark.usefixtures("run")
def test_the_runs_of_a_process_that_has_ended_are_found(
    database_url: str, change: Callable[..., None]
) -> None:
    change(
        "INSERT INTO cloaca_runner (id, boot_id, pid_namespace, pid, process_start, beat,"
        " lease_until, fenced, started_at, protocol)"
        " VALUES ('gone', 'boot', 'ns', 1, 1, 5, 5, 0, 1, 4)"
    )
    change("UPDATE cloaca_run SET owner = 'gone', epoch = 1, status = 'Running'")

    assert "lease_over" in codes(databases.diagnose(database_url))


@pytest.mark.usefixtures("run")
def test_a_paused_workflow_is_noticed(database_url: str) -> None:
    with cloaca.Client(database_url) as client:
        client.pause_workflow("wait")

    (finding,) = beside_durability(databases.diagnose(database_url).findings)

    assert (finding.code, finding.severity) == ("workflow_paused", "notice")
    assert "wait" in finding.text


@pytest.mark.usefixtures("run")
def test_a_trigger_that_nobody_polls_is_found(
    database_url: str, change: Callable[..., None]
) -> None:
    change(
        "INSERT INTO cloaca_trigger (id, name, workflow, poll_interval_ms, allow_concurrent,"
        " enabled, next_poll_at, generation, created_at, updated_at)"
        f" VALUES ('t', 'watch', 'wait', 1000, 0, 1, {AGES_AGO}, 1, 1, 1)"
    )

    assert "trigger_late" in codes(databases.diagnose(database_url))


def test_nothing_is_written(run: str, database_url: str, own_databases: OwnDatabases) -> None:
    before = own_databases.query(database_url, "SELECT * FROM cloaca_run")

    databases.diagnose(database_url, deep=True)

    assert own_databases.query(database_url, "SELECT * FROM cloaca_run") == before
    assert own_databases.query(database_url, "SELECT * FROM cloaca_runner") == []


def test_a_lock_of_a_writer_does_not_hold_it_up(
    run: str, database_url: str, own_databases: OwnDatabases, backend_name: str
) -> None:
    if backend_name != "sqlite":
        pytest.skip("readers of PostgreSQL wait for no row")
    with closing(own_databases.connect(database_url, autocommit=True)) as connection:
        connection.execute("BEGIN IMMEDIATE")

        assert codes(databases.diagnose(database_url)) == ["runs_unserved"]


# -- a copy --------------------------------------------------------------------------------------


def define_shop(registry: cloaca.Registry) -> None:
    """A payment that fails at first, and an order that waits for a person."""
    with cloaca.WorkflowBuilder("pay", registry=registry):

        @cloaca.task(retry_attempts=1)
        def charge(context: cloaca.Context, handle: cloaca.TaskHandle) -> dict[str, object]:
            receipt = handle.step("charge", lambda: f"receipt of {context['amount']}")
            if context["fails"] and handle.attempt < 2:
                raise ValueError("no money")
            return {"receipt": receipt, "long": "x" * 10_000}

    with cloaca.WorkflowBuilder("order", registry=registry):
        ok = cloaca.approval("ok", "Send it?")

        @cloaca.task(dependencies=[ok])
        def send(context: cloaca.Context) -> dict[str, object]:
            return {"sent": context["ok"]["by"]}


def work_in(runner: cloaca.DefaultRunner) -> dict[str, str]:
    """The ids of a run of two rounds, a fork of it, and an order that waits."""
    paid = runner.submit("pay", {"amount": 5, "fails": True}, idempotency_key="p1", tags={"a": "b"})
    assert paid.result(WAIT).status == "Failed"
    runner.retry(paid.id).result(WAIT)
    fork = paid.fork("charge", context={"fails": False})
    fork.result(WAIT)
    order = runner.submit("order", {"n": 1})
    runner.schedule("nightly", "pay", "0 3 * * *", "UTC", params={"amount": 1, "fails": False})
    return {"paid": paid.id, "fork": fork.id, "order": order.id}


def test_work_goes_on_in_a_copy(new_database_url: Callable[[], str]) -> None:
    source, target = new_database_url(), new_database_url()
    registry = cloaca.Registry()
    define_shop(registry)
    with cloaca.DefaultRunner(source, registry=registry) as runner:
        ids = work_in(runner)
        until(lambda: runner.get_run(ids["order"]).status() == "Waiting")

    with pytest.raises(cloaca.RunsInFlightError):
        databases.copy(source, target)
    report = databases.copy(source, target, paused=True)

    assert [name.rpartition("::")[2] for name in report.paused] == ["order", "pay"]
    with cloaca.DefaultRunner(target, registry=registry) as runner:
        paid = runner.get_run(ids["paid"])
        assert paid.info().round == 2
        assert [each.status for each in paid.rounds()] == ["Failed", "Completed"]
        assert paid.result().final_context["receipt"] == "receipt of 5"
        assert len(paid.result().final_context["long"]) == 10_000
        assert [each.id for each in runner.list_runs(tags={"a": "b"})][-1] == ids["paid"]
        again = runner.submit("pay", {"amount": 6, "fails": False}, idempotency_key="p1")
        assert (again.id, again.created) == (ids["paid"], False)
        assert [each["name"] for each in runner.list_cron_schedules()] == ["nightly"]

        order = runner.get_run(ids["order"])
        order.approve("ok", by="ann")
        assert order.status() != "Completed"  # its workflow is paused here, as in the source
        runner.resume_workflow("order")
        assert order.result(WAIT).final_context["sent"] == "ann"
    with cloaca.Client(source) as client:
        assert client.get_run(ids["order"]).status() == "Waiting"


def test_a_target_that_a_runner_has_opened_before_is_empty(
    new_database_url: Callable[[], str],
) -> None:
    source, target = new_database_url(), new_database_url()
    registry = cloaca.Registry()
    define_shop(registry)
    with cloaca.DefaultRunner(source, registry=registry) as runner:
        run_id = runner.submit("pay", {"amount": 1, "fails": False}).result(WAIT).execution_id
    for _ in range(4):  # each leaves its name, and a number as random as those of the source
        with cloaca.DefaultRunner(target, registry=cloaca.Registry()):
            pass

    databases.copy(source, target)

    names = []
    for url in (source, target):
        with cloaca.Client(url) as client:
            names += [each.runner for each in client.get_run(run_id).attempts()]
    assert names[0] is not None
    assert names == [names[0]] * 2


def test_a_copy_that_is_refused_leaves_the_work_of_the_source_going_on(
    new_database_url: Callable[[], str],
) -> None:
    source, target = new_database_url(), new_database_url()
    registry = cloaca.Registry()
    define_shop(registry)
    with cloaca.DefaultRunner(target, registry=registry) as runner:
        runner.execute("pay", {"amount": 1, "fails": False}, timeout=WAIT)
    with cloaca.DefaultRunner(source, registry=registry) as runner:
        order = runner.submit("order", {}).id
        until(lambda: runner.get_run(order).status() == "Waiting")

    with pytest.raises(cloaca.TransferError, match="the target has other rows"):
        databases.copy(source, target, paused=True)

    with cloaca.DefaultRunner(source, registry=registry) as runner:
        runner.get_run(order).approve("ok", by="ann")
        assert runner.get_run(order).result(WAIT).status == "Completed"


def test_a_database_is_not_copied_into_itself(database_url: str) -> None:
    cloaca.DefaultRunner(database_url).shutdown()

    with pytest.raises(cloaca.ConfigError, match="source and target are the same database"):
        databases.copy(database_url, database_url)


# -- state, check, backup ------------------------------------------------------------------------


def test_the_status_of_a_database_counts_its_runs(run: str, database_url: str) -> None:
    with cloaca.DefaultRunner(database_url) as runner:
        runner.get_run(run).result(WAIT)
        runner.stop()
        runner.submit("wait")

        status = databases.status(database_url)

        assert status.runs == {"Completed": 1, "Pending": 1}
        assert len(status.runners) == 1
    assert (status.schema, status.pending, status.refusal) == (status.known, (), None)
    assert databases.upgrade(database_url).applied == ()


def test_an_upgrade_applies_what_the_status_shows(
    own_databases: OwnDatabases, backend_name: str
) -> None:
    url = own_databases.new_empty()
    earlier = load_before_base(f"cloaca_{backend_name}").migrations
    rows = DATA / f"schema_1_{backend_name}.sql"
    own_databases.load(url, earlier[0].sql + rows.read_text(encoding="utf-8"))

    before = databases.status(url)
    report = databases.upgrade(url)

    assert before.schema == report.before == 1
    numbers = [*range(2, len(earlier) + 1), *range(1, before.known + 1)]
    assert [each.number for each in before.pending] == numbers
    assert "-- migration 2: schedules\n" in before.sql
    assert report.applied == before.pending
    assert databases.status(url).schema == report.schema == before.known


def test_an_upgrade_is_refused_while_a_runner_is_alive(
    database_url: str, backend_name: str, change: Callable[..., None]
) -> None:
    """One that owns nothing, too: it would go on with tables that have changed."""
    config = cloaca.DefaultRunnerConfig(runner_id="earlier")
    with cloaca.DefaultRunner(database_url, config=config, registry=cloaca.Registry()):
        first = load_before_base(f"cloaca_{backend_name}").migrations[0]
        change("DELETE FROM cloaca_migration WHERE number > 1")
        change(f"UPDATE cloaca_migration SET name = '{first.name}', checksum = '{first.checksum}'")
        assert databases.status(database_url).runners == ("earlier",)

        with pytest.raises(cloaca.TransferError, match="runners are alive: earlier"):
            databases.upgrade(database_url)

        assert databases.status(database_url).pending


def test_a_check_finds_rows_that_have_no_run(
    run: str, database_url: str, change: Callable[..., None]
) -> None:
    assert databases.check(database_url) == ()
    change("INSERT INTO cloaca_run_tag (run_id, tag, content) VALUES ('none', 'a', 'b')")

    (finding,) = databases.check(database_url)

    assert (finding.code, finding.severity) == ("stray_rows", "warning")
    assert finding.text == "1 row of cloaca_run_tag have no run any more"
    assert "stray_rows" not in codes(databases.diagnose(database_url))
    assert "stray_rows" in codes(databases.diagnose(database_url, deep=True))


def test_a_check_finds_tables_that_are_gone(
    run: str, database_url: str, change: Callable[..., None]
) -> None:
    change("DROP TABLE cloaca_paused_workflow")

    assert [each.code for each in databases.check(database_url)] == ["missing_table"]


@pytest.mark.backend("sqlite", reason="PostgreSQL has tools of its own")
def test_a_backup_of_a_file_in_use_can_be_opened(database_url: str, tmp_path: Path) -> None:
    with cloaca.DefaultRunner(database_url) as runner:
        first = runner.submit("wait").result(WAIT).execution_id
        report = databases.back_up(database_url, tmp_path / "backup.db")
        second = runner.submit("wait").result(WAIT).execution_id

    assert report.size > 0
    assert databases.diagnose(tmp_path / "backup.db").is_sound
    with cloaca.Client(tmp_path / "backup.db") as client:
        assert client.get_run(first).status() == "Completed"
        runners = cloaca.Observer(client).overview().wait().runners
        assert [each.alive for each in runners] == [False]
        with pytest.raises(cloaca.RunNotFoundError):
            client.get_run(second).status()


# -- a case --------------------------------------------------------------------------------------


@pytest.mark.backend("sqlite", reason="the harness has a case in a file of the embedded backend")
def test_every_failure_is_a_test(runner: cloaca.DefaultRunner, tmp_path: Path) -> None:
    calls: list[str] = []

    def called(name: str) -> str:
        calls.append(name)
        return "t-1234"

    with cloaca.WorkflowBuilder("buy"):

        @cloaca.task
        def price(context: cloaca.Context) -> dict[str, int]:
            return {"total": context["items"] * 20}

        @cloaca.task(dependencies=[price], retry_attempts=2, retry_delay_ms=1)
        def charge(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            token = handle.step("token", lambda: called("token"))
            raise ValueError(f"{context['card']} is short of {context['total']} ({token})")

    failed = runner.submit("buy", {"items": 3, "card": "4111-1111"})
    assert failed.result(WAIT).status == "Failed"

    case = cloaca.export_case(runner, failed.id)
    file = tmp_path / "case.json"
    file.write_text(json.dumps(case), encoding="utf-8")

    assert case["tasks"]["charge"]["input"] == {"items": 3, "card": "4111-1111", "total": 60}
    assert case["tasks"]["charge"]["error"]["type"] == "ValueError"
    with (
        harness() as h,
        pytest.raises(ValueError, match=r"4111-1111 is short of 60 \(t-1234\)"),
    ):
        h.load(file).only_task()
    assert calls == ["token"]  # the step brings what it brought in production


@pytest.mark.backend("sqlite", reason="the harness has a case in a file of the embedded backend")
def test_what_is_masked_leaves_with_no_document(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("buy"):

        @cloaca.task(retry_attempts=1)
        def charge(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            handle.step("copy", lambda: {"card": context["card"]})
            raise ValueError(f"{context['card']} is refused")

    failed = runner.submit("buy", {"card": "visa 4111-1111", "n": 5})
    failed.result(WAIT)

    masked = cloaca.export_case(runner, failed.id, mask=["card"])
    whole = json.dumps(masked)

    # Four digits alone may stand in an id or an instant.
    assert not [part for part in ("visa", "4111-1111") if part in whole]
    assert masked["tasks"]["charge"]["error"]["message"] == "*** is refused"
    assert masked["input"] == {"card": "***", "n": 5}
    assert masked["masked"] == ["card"]
    with harness() as h, pytest.raises(ValueError, match=r"\*\*\* is refused"):
        h.load(masked).only_task()


@pytest.mark.backend("sqlite", reason="the harness has a case in a file of the embedded backend")
def test_a_run_of_another_program_is_exported_by_what_it_has_recorded(database_url: str) -> None:
    registry = cloaca.Registry()
    define_shop(registry)
    with cloaca.DefaultRunner(database_url, registry=registry) as other:
        paid = other.submit("pay", {"amount": 5, "fails": True})
        paid.result(WAIT)
    with cloaca.Client(database_url, registry=cloaca.Registry()) as client:
        case = cloaca.export_case(client, paid.id)
        with pytest.raises(cloaca.RunNotFoundError):
            cloaca.export_case(client, "01900000-0000-7000-8000-000000000000")

    with harness(registry) as h, pytest.raises(ValueError, match="no money"):
        h.load(case).only_task("charge")


# -- an import -----------------------------------------------------------------------------------


@pytest.mark.parametrize("release", ["0.2", "0.12"])
def test_work_of_an_earlier_cloaca_goes_on(
    own_databases: OwnDatabases, backend_name: str, release: str
) -> None:
    old, target = own_databases.new_empty(), own_databases.new()
    script = DATA / f"cloaca_{release.replace('.', '_')}_{backend_name}.sql"
    own_databases.load(old, script.read_text(encoding="utf-8"))
    with cloaca.WorkflowBuilder("order"):

        @cloaca.task
        def prepare(context: cloaca.Context) -> None:
            raise AssertionError("it was done before")

        @cloaca.task(dependencies=[prepare])
        def charge(context: cloaca.Context) -> dict[str, object]:
            return {"paid": context["n"]}

    cloaca.DefaultRunner(target).shutdown()
    dry = databases.import_0x(old, target)
    assert databases.status(target).runs == {}
    report = databases.import_0x(old, target, dry_run=False)

    assert (dry.runs, dry.schedules) == (report.runs, report.schedules)
    assert (report.release, report.unfinished, report.schedules) == (release, 1, 2)
    with cloaca.DefaultRunner(target) as runner:
        newest = runner.list_runs(tags={"imported_from": release}, limit=1)[0]
        assert runner.get_run(newest.id).result(WAIT).final_context["paid"] == 3
    assert codes(databases.diagnose(target, deep=True)) == []
