"""60: programs send messages to runs, before, while and after these read them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from own_database import OwnDatabases
from scenarios.steering import until

import cloaca

WAIT = 60

SENDER = """
import sys
import cloaca

url, run_id, key = sys.argv[1:]
with cloaca.Client(url) as client:
    print(client.send(run_id, "paid", {"by": "program"}, key=key).changed)
"""


@pytest.fixture(autouse=True)
def seen() -> list[Any]:
    """What the workflow ``order`` has read: two payments, one after the other."""
    seen: list[Any] = []
    with cloaca.WorkflowBuilder("order"):
        first = cloaca.wait_for("first", "paid")
        second = cloaca.wait_for("second", "paid", dependencies=[first])

        @cloaca.task(dependencies=[second])
        def ship(context: cloaca.Context) -> None:
            seen.extend([context["first"], context["second"]])

    with cloaca.WorkflowBuilder("plain"):
        cloaca.task(id="t")(lambda context: None)
    return seen


def kinds(run: cloaca.RunHandle) -> list[tuple[str, str | None]]:
    """What was sent to a run, and by whom."""
    return [(each.kind, each.detail) for each in run.events() if each.kind in ("sent", "approved")]


def paused(runner: cloaca.DefaultRunner, name: str = "order", **options: Any) -> cloaca.RunHandle:
    """A run that has not begun."""
    runner.pause_workflow(name)
    return runner.submit(name, **options)


# -- order and keys --------------------------------------------------------------------------------


@pytest.mark.each_backend
def test_messages_that_come_before_the_run_reads_them_are_read_in_their_order(
    runner: cloaca.DefaultRunner, seen: list[Any]
) -> None:
    run = paused(runner)
    assert run.send("paid", 1, by="ann") == cloaca.Steered("Pending", changed=True)
    assert runner.send(run.id, "paid", 2, by="bob").changed
    runner.resume_workflow("order")

    assert run.result(WAIT).status == "Completed"
    assert seen == [1, 2]
    assert kinds(run) == [("sent", "by ann: paid"), ("sent", "by bob: paid")]


def test_of_messages_with_one_key_the_first_counts_even_after_the_end(
    runner: cloaca.DefaultRunner, seen: list[Any]
) -> None:
    run = runner.submit("order")
    answers = [run.send("paid", n, key=key).changed for n, key in enumerate("aab")]
    run.wait(WAIT)

    assert (answers, seen) == ([True, False, True], [0, 2])
    assert run.send("paid", 7, key="b") == cloaca.Steered("Completed", changed=False)
    with pytest.raises(cloaca.RunEndedError) as ended:
        run.send("paid", 7, key="c")
    assert (ended.value.run_id, ended.value.status) == (run.id, "Completed")


def test_a_run_that_is_not_there_takes_none(runner: cloaca.DefaultRunner) -> None:
    with pytest.raises(cloaca.RunNotFoundError):
        runner.send("00000000-0000-7000-8000-000000000000", "paid")


def test_a_paused_run_keeps_them(runner: cloaca.DefaultRunner, seen: list[Any]) -> None:
    run = runner.submit("order")
    run.pause()
    assert run.send("paid", 1) == cloaca.Steered("Paused", changed=True)
    assert run.send("paid", 2).changed
    assert run.status() == "Paused"
    run.resume()
    assert run.result(WAIT).status == "Completed"
    assert seen == [1, 2]


def test_unread_messages_are_there_in_the_next_round(
    runner: cloaca.DefaultRunner, seen: list[Any]
) -> None:
    run = paused(runner)
    run.send("paid", 1)
    run.cancel()
    with pytest.raises(cloaca.RunEndedError):
        run.send("paid", 2)
    runner.resume_workflow("order")

    run.retry()
    run.send("paid", 2)

    assert run.result(WAIT).status == "Completed"
    assert seen == [1, 2]


# -- with the run ----------------------------------------------------------------------------------


def test_a_run_and_its_first_message_are_there_together(
    runner: cloaca.DefaultRunner, seen: list[Any]
) -> None:
    first = runner.submit("order", idempotency_key="7", send=("paid", 1))
    second = runner.submit("order", idempotency_key="7", send=("paid", 2))

    assert (first.created, second.created, first == second) == (True, False, True)
    assert first.result(WAIT).status == "Completed"
    assert seen == [1, 2]
    with pytest.raises(cloaca.RunEndedError):
        runner.submit("order", idempotency_key="7", send=("paid", 3))


def test_a_run_that_begins_again_by_its_key_gets_it(
    runner: cloaca.DefaultRunner, seen: list[Any]
) -> None:
    run = paused(runner, idempotency_key="7", send=("paid", 1))
    run.cancel()
    runner.resume_workflow("order")

    again = runner.submit("order", idempotency_key="7", failed_policy="retry", send=("paid", 2))

    assert (again == run, again.created) == (True, False)
    assert again.result(WAIT).status == "Completed"
    assert seen == [1, 2]


def test_a_body_that_runs_again_sends_the_first_message_once(
    runner: cloaca.DefaultRunner, seen: list[Any]
) -> None:
    children: list[str] = []
    with cloaca.WorkflowBuilder("parent"):

        @cloaca.task(retry_attempts=2, retry_delay_ms=1)
        def make(context: cloaca.Context, handle: cloaca.TaskHandle) -> None:
            children.append(runner.submit("order", send=("paid", 1)).id)
            if handle.attempt == 1:
                raise RuntimeError("once more")

    assert runner.execute("parent", timeout=WAIT).status == "Completed"

    (child,) = {*children}
    run = runner.get_run(child)
    assert (len(children), len(kinds(run))) == (2, 1)
    run.send("paid", 2)
    run.wait(WAIT)
    assert seen == [1, 2]


# -- people ----------------------------------------------------------------------------------------


def test_what_waits_for_no_decision_takes_none(runner: cloaca.DefaultRunner) -> None:
    run = paused(runner)
    with pytest.raises(cloaca.RunStateError, match="waits for no decision") as refused:
        run.approve("first")
    assert type(refused.value) is cloaca.RunStateError
    with pytest.raises(cloaca.TaskNotFoundError):
        runner.approve(run.id, "fiirst")
    assert runner.waiting_for_people() == []


def test_people_decide_without_the_code_and_all_of_it_is_told(
    runner: cloaca.DefaultRunner, database_url: str
) -> None:
    with cloaca.WorkflowBuilder("signing"):
        cloaca.approval("signed", "Pay?", choices=("small", "large", "reject"))
    run = runner.submit("signing", tags={"customer": "7"})

    until(lambda: bool(runner.waiting_for_people()))

    async def decide() -> cloaca.Steered:
        async with cloaca.AsyncClient(database_url, registry=cloaca.Registry()) as client:
            (found,) = await client.waiting_for_people(workflow_name="signing")
            assert (found.run_id, found.tags) == (run.id, {"customer": "7"})
            with pytest.raises(ValueError, match="'small', 'large', 'reject'"):
                await client.approve(run.id, "signed")
            return await client.approve(run.id, "signed", "large", note="for once", by="ann")

    assert asyncio.run(decide()).changed
    assert run.result(WAIT).final_context["signed"]["choice"] == "large"
    assert kinds(run) == [("approved", "by ann: large, for once")]


# -- other programs --------------------------------------------------------------------------------


def test_other_programs_send_to_the_runner_that_has_the_run(
    runner: cloaca.DefaultRunner, database_url: str, seen: list[Any]
) -> None:
    run = runner.submit("order")

    def send(key: str) -> str:
        command = [sys.executable, "-c", SENDER, database_url, run.id, key]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert [send(key) for key in "aab"] == ["True", "False", "True"]
    assert run.result(WAIT).status == "Completed"
    assert seen == [{"by": "program"}] * 2


def test_who_may_only_look_sends_nothing(
    runner: cloaca.DefaultRunner, database_url: str, seen: list[Any]
) -> None:
    run = paused(runner)
    joint = "&" if "?" in database_url else "?"
    with cloaca.Client(f"{database_url}{joint}mode=ro") as client:
        with pytest.raises(cloaca.StoreReadOnlyError):
            client.send(run.id, "paid", 1)
        with pytest.raises(cloaca.StoreReadOnlyError):
            client.submit("order", send=("paid", 1))
        assert client.waiting_for_people() == []
    assert kinds(run) == []


# -- in a transaction of the program's own ---------------------------------------------------------


@pytest.fixture
def mine(own_databases: OwnDatabases, database_url: str, runner: cloaca.DefaultRunner) -> Any:
    """The program's own connection to the database of ``runner``."""
    with closing(own_databases.connect(database_url)) as connection:
        yield connection


def test_a_message_is_sent_if_its_transaction_commits(
    runner: cloaca.DefaultRunner, mine: Any, seen: list[Any]
) -> None:
    run = runner.submit("order")
    run.send("paid", "lost", connection=mine)
    mine.rollback()
    run.send("paid", 1, connection=mine)
    runner.send(run.id, "paid", 2, connection=mine)
    mine.commit()

    assert run.result(WAIT).status == "Completed"
    assert seen == [1, 2]


def test_a_key_counts_there_too(runner: cloaca.DefaultRunner, mine: Any, seen: list[Any]) -> None:
    run = runner.submit("order")
    assert run.send("paid", 1, key="a").changed
    run.send("paid", 2, key="a", connection=mine)
    run.send("paid", 3, key="b", connection=mine)
    run.send("paid", 4, key="b", connection=mine)
    mine.commit()

    assert run.result(WAIT).status == "Completed"
    assert seen == [1, 3]


def test_what_takes_no_message_refuses_and_the_transaction_goes_on(
    runner: cloaca.DefaultRunner, mine: Any, seen: list[Any]
) -> None:
    ended = runner.submit("plain")
    ended.wait(WAIT)
    run = runner.submit("order")
    run.send("paid", 1, connection=mine)
    with pytest.raises(cloaca.RunEndedError):
        ended.send("paid", 1, connection=mine)
    with pytest.raises(cloaca.RunNotFoundError):
        runner.send("other", "paid", 1, connection=mine)
    run.send("paid", 2, connection=mine)
    mine.commit()

    run.wait(WAIT)
    assert seen == [1, 2]


def test_a_run_and_its_first_message_are_in_one_transaction(
    runner: cloaca.DefaultRunner, mine: Any, seen: list[Any]
) -> None:
    runner.submit("order", idempotency_key="7", send=("paid", "lost"), connection=mine)
    mine.rollback()
    run = runner.submit("order", idempotency_key="7", send=("paid", 1), connection=mine)
    again = runner.submit("order", idempotency_key="7", send=("paid", 2), connection=mine)
    mine.commit()

    assert (run.created, again.created, run == again) == (True, False, True)
    assert run.result(WAIT).status == "Completed"
    assert seen == [1, 2]


def test_a_connection_that_commits_each_statement_commits_both(
    runner: cloaca.DefaultRunner, own_databases: OwnDatabases, database_url: str, seen: list[Any]
) -> None:
    with closing(own_databases.connect(database_url, autocommit=True)) as connection:
        run = runner.submit("order", send=("paid", 1), connection=connection)
        run.send("paid", 2, connection=connection)
        assert run.result(WAIT).status == "Completed"
    assert seen == [1, 2]


def test_an_awaited_connection_sends_as_well(
    database_url: str,
    runner: cloaca.DefaultRunner,
    own_databases: OwnDatabases,
    seen: list[Any],
    open_runner: Callable[..., cloaca.DefaultRunner],
) -> None:
    async def program() -> str:
        async with cloaca.AsyncRunner(database_url, start=False) as other:
            with closing(own_databases.connect(database_url)) as mine:
                run = await other.submit("order", send=("paid", 1), connection=mine)
                await run.send("paid", 2, connection=mine)
                mine.commit()
            return run.id

    run_id = asyncio.run(program())
    assert runner.get_run(run_id).result(WAIT).status == "Completed"
    assert seen == [1, 2]


# -- who has sent what -----------------------------------------------------------------------------


def test_what_was_sent_to_runs_is_among_the_acts(
    runner: cloaca.DefaultRunner, mine: Any, seen: list[Any]
) -> None:
    run = paused(runner, idempotency_key="7", send=("paid", 0))
    assert runner.actions(limit=1)[0].kind == "pause"

    run.send("paid", 1, key="a", by="ann")
    run.send("paid", 2, key="a", by="bob")
    runner.submit("order", idempotency_key="7", send=("paid", 3))
    run.send("shipped", connection=mine, by="cleo")
    runner.submit("order", idempotency_key="8", send=("paid", 0), connection=mine)
    mine.commit()

    acts = list(reversed(runner.actions()))[1:]
    assert {(each.kind, each.run_id, each.changed) for each in acts} == {("send", run.id, True)}
    assert [each.reason for each in acts] == ["paid", "paid", "shipped"]
    assert [each.by for each in acts][::2] == ["ann", "cleo"]
    assert len(kinds(run)) == 4
    run.cancel()
    with pytest.raises(cloaca.RunEndedError):
        run.send("paid", 4)
    assert [each.kind for each in runner.actions(limit=2)] == ["cancel", "send"]


def test_decisions_are_among_the_acts(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("signing"):
        cloaca.approval("signed", "Pay?")
    run = runner.submit("signing")
    until(lambda: bool(runner.waiting_for_people()))
    run.approve("signed", by="ann", note="for once")
    with pytest.raises(cloaca.RunStateError):
        run.approve("signed", "reject", by="bob")
    run.wait(WAIT)

    (act,) = runner.actions()
    assert (act.kind, act.by, act.reason) == ("approve", "ann", "signed: approve, for once")
    assert (act.run_id, act.workflow_name, act.changed) == (run.id, "signing", True)
    assert kinds(run) == [("approved", "by ann: approve, for once")]


def test_people_with_a_shell_see_messages_and_open_waits(
    runner: cloaca.DefaultRunner, own_databases: OwnDatabases, database_url: str
) -> None:
    def rows(columns: str, view: str) -> list[tuple[Any, ...]]:
        return own_databases.query(database_url, f"SELECT {columns} FROM {view}")

    waits = "task_id, name, substr(CAST(opened_at AS TEXT), 1, 2), due_at, timed_out"
    messages = "run_id, number, name, payload, sent_by, substr(CAST(sent_at AS TEXT), 1, 2)"
    run, ended = runner.submit("order"), runner.submit("order")
    until(lambda: len(rows(waits, "cloaca_wait_readable")) == 2)
    ended.cancel()
    ended.wait(WAIT)
    run.send("shipped", {"n": 1}, by="ann")

    assert rows(waits, "cloaca_wait_readable") == [("first", "paid", "20", None, 0)]
    assert rows(messages, "cloaca_message_readable") == [
        (run.id, 1, "shipped", '{"n":1}', "ann", "20")
    ]
