"""66: the command line runs workflows, shows runs and steers them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TypeAlias
from unittest import mock

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result
from scenarios.steering import until

import cloaca
from cloaca.__main__ import main
from cloaca_core.engine.recover.process_identity import host_name
from cloaca_core.operations.watch import Watch
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import new_run, runner
from cloaca_tools.cli import completion
from cloaca_tools.cli.root import cli
from cloaca_tools.cli.where import imported
from cloaca_tools.observer import Observer
from cloaca_tools.transfer.opened import Place

PATIENCE = 60
RESULT = ["RESULT", "OR", "ERROR"]
SHOP = """
import logging

import cloaca

registry = cloaca.Registry()

with cloaca.WorkflowBuilder("order", registry=registry):

    @cloaca.task
    def charge(context):
        return {"paid": context.get("amount", 1)}

    @cloaca.task(dependencies=[charge], retry_attempts=1)
    def send(context):
        if context.get("fail"):
            raise ValueError("no stock")
        return {"sent": True}

with cloaca.WorkflowBuilder("ask", registry=registry):

    @cloaca.task
    def wait(context, handle):
        return {"answer": handle.wait_for("answer")}

    cloaca.approval(id="sign", prompt="Ship it?", dependencies=[wait])

with cloaca.WorkflowBuilder("load", registry=registry):

    @cloaca.task
    def read(context, handle):
        logging.getLogger("shop").warning("slow\\nvery")
        handle.progress(1, 2, "reading")
        handle.log("half", rows=3)
        handle.wait_for("rest")
        handle.progress(2, 2, "all of it")
        handle.log("whole")

    @cloaca.task
    def other(context, handle):
        handle.log("beside")

with cloaca.WorkflowBuilder("convert_all", registry=registry):

    @cloaca.task(map="files", label="name", retry_attempts=1, item_policy="collect")
    def convert(context, item, handle):
        handle.log("reads " + item["name"])
        return 10 // item["pages"]

with cloaca.WorkflowBuilder("stop_itself", registry=registry):

    @cloaca.task
    def stop(context, handle):
        with cloaca.Client(context["url"], registry=cloaca.Registry()) as client:
            client.cancel(client.list_runs(limit=1)[0].id, reason="enough")
        handle.sleep(60)
"""
ORDER = "public::embedded::order"
Command: TypeAlias = Callable[..., Result]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module in the working directory that defines workflows."""
    name = f"shop_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return f"{name}:registry"


@pytest.fixture
def command(database_url: str, shop: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Calls a command on the test's database, with the shop's workflows."""
    monkeypatch.setenv("CLOACA_DATABASE_URL", database_url)
    monkeypatch.setenv("CLOACA_APP", shop)

    def call(*arguments: str, code: int = 0, **more: Any) -> Result:
        done = CliRunner().invoke(cli, arguments, **more)
        failure = "" if done.exception is None else repr(done.exception)
        assert done.exit_code == code, f"{done.output}\n{failure}"
        return done

    return call


def shown_settings(command: Command, *options: str) -> dict[str, tuple[object, object]]:
    """The value of each setting as `config show` has it, and what gives it."""
    rows = answer(command("config", "show", "--json", *options))["settings"]
    return {row["setting"]: (row["value"], row["origin"]) for row in rows}


@pytest.fixture
def worker(database_url: str, shop: str) -> Iterator[cloaca.DefaultRunner]:
    """A runner of the shop's workflows."""
    with cloaca.DefaultRunner(database_url, registry=imported(shop)) as runner:
        yield runner


def answer(done: Result) -> dict[str, Any]:
    """The JSON document of a command."""
    found: dict[str, Any] = json.loads(done.stdout)
    assert found.pop("schema") == 1
    return found


def shown_facts(done: Result) -> dict[str, str]:
    """The facts of one thing, by the words that begin their lines."""
    return {line[:12].rstrip(): line[12:] for line in done.stdout.splitlines()}


def submitted(command: Command, *arguments: str) -> str:
    """The id of a run that is submitted and not executed."""
    run_id: str = answer(command("run", *arguments, "--detach", "--json"))["run"]["id"]
    return run_id


# -- run -----------------------------------------------------------------------------------------


PAGES = {"a": 1, "b": 0, "c": 2, "d": 5, "e": 0}
FILES = [{"name": name, "pages": pages} for name, pages in PAGES.items()]


def items_of(command: Command, *options: str) -> dict[str, Any]:
    """The items of the map of the newest run, as indexes, and what the answer has beside them."""
    found = answer(command("runs", "items", "@", "convert", "--json", *options))
    return {**found, "items": [row["index"] for row in found["items"]]}


@pytest.mark.each_backend
def test_items_of_a_map_are_listed_by_state_page_by_page(command: Command) -> None:
    command("run", "convert_all", "-P", f"files:={json.dumps(FILES)}")

    table = command("runs", "items", "@", "convert").stdout.splitlines()

    assert table[0].split() == ["INDEX", "LABEL", "STATUS", "ATTEMPTS", "STARTED", "TOOK", *RESULT]
    assert [line.split()[:4] for line in table[1:3]] == [
        ["0", "a", "Completed", "1"],
        ["1", "b", "Failed", "1"],
    ]
    assert table[2].endswith("ZeroDivisionError: integer division or modulo by zero")
    assert items_of(command, "--status", "failed") == {"items": [1, 4], "next": None}
    assert items_of(command, "--limit", "2") == {"items": [0, 1], "next": "1"}
    assert items_of(command, "--after", "1", "--limit", "3") == {"items": [2, 3, 4], "next": None}
    command("runs", "items", "@", "other", code=1)


def test_lines_of_one_item_are_read_by_its_name_or_its_options(command: Command) -> None:
    command("run", "convert_all", "-P", f"files:={json.dumps(FILES)}")

    def lines(*options: str, code: int = 0) -> list[str]:
        done = command("runs", "logs", "@", *options, "--json", "--fields", "message", code=code)
        return [json.loads(line)["message"] for line in done.stdout.splitlines()]

    one = ["reads c"]
    assert lines("--task", "convert[c]") == lines("--task", "convert[2]") == one
    assert lines("--task", "convert", "--index", "2") == one
    assert lines("--task", "convert", "--label", "c") == one
    assert lines("-f", "--task", "convert", "--label", "c") == one
    assert lines("--task", "convert", "--label", "z", code=1) == []
    assert lines("--label", "c", code=2) == []
    assert "convert[2]" in command("runs", "logs", "@", "--task", "convert[c]").stdout


@pytest.mark.each_backend
def test_run_executes_a_workflow_and_tells_each_step(command: Command) -> None:
    lines = command("run", "order", "-P", "amount:=5").stdout.splitlines()

    assert [line.split()[1:3] for line in lines if line.endswith("ms")][:2] == [
        ["charge", "Completed"],
        ["send", "Completed"],
    ]
    assert any("order" in line and "Completed" in line for line in lines)
    context = json.loads("\n".join(lines[lines.index("{") :]))
    assert context == {"amount": 5, "paid": 5, "sent": True}


def test_run_tells_the_result_as_json(command: Command) -> None:
    found = answer(command("run", "order", "--tag", "shop=oslo", "--priority", "7", "--json"))

    run = found["run"]
    assert (run["status"], run["tags"], run["priority"]) == ("Completed", {"shop": "oslo"}, 7)
    assert run["context"] == {"paid": 1, "sent": True}


def test_a_run_that_fails_exits_with_5(command: Command) -> None:
    done = command("run", "order", "-P", "fail:=true", code=5)

    assert "no stock" in done.stderr
    assert "send  Failed" in done.stdout


def test_a_run_that_is_cancelled_exits_with_6(command: Command, database_url: str) -> None:
    command("run", "stop_itself", "-P", f"url={database_url}", code=6)


def test_run_claims_no_other_run(command: Command) -> None:
    other = submitted(command, "order")
    command("run", "order")

    assert answer(command("runs", "show", other, "--json"))["run"]["status"] == "Pending"


def test_a_key_names_one_run(command: Command) -> None:
    first = answer(command("run", "order", "--key", "k", "--detach", "--json"))["run"]
    again = answer(command("run", "order", "--key", "k", "--detach", "--json"))["run"]
    command("run", "order", "--by", "ann")
    assert re.search(r"^by +ann$", command("runs", "show", "@").stdout, re.MULTILINE)
    assert answer(command("runs", "show", "@", "--json"))["run"]["submitted_by"] == "ann"
    started = answer(command("actions", "list", "--json"))["actions"]
    assert [each["kind"] for each in started] == ["submit", "submit"]
    assert started[0]["by"] == "ann"
    assert (started[1]["run_id"], "@" in started[1]["by"]) == (first["id"], True)

    assert (first["created"], again) == (True, {"id": first["id"], "created": False})


def test_what_was_written_wrongly_exits_with_2(command: Command) -> None:
    command("db", "upgrade")
    command("run", "order", "-P", "amount", code=2)
    command("run", "order", "-P", "amount:=x", code=2)
    command("run", "order", "--delay", "5m", code=2)  # it would have to wait so long
    command("run", "order", "--time-limit", "soon", code=2)
    command("runs", "list", "stat:failed", code=2)
    command("schedules", "explain", "61 * * * *", code=2)
    command("nosuch", code=2)


def test_an_unknown_workflow_or_run_exits_with_1(command: Command) -> None:
    for more in ([], ["--detach"]):
        told = command("run", "ordre", *more, code=1).stderr
        assert "did you mean 'order'" in told
        assert told.endswith("Known workflows: order, ask, convert_all, load, stop_itself\n")
    command("runs", "show", "abc", code=1)
    command("runs", "show", "@", code=1)


# -- look ----------------------------------------------------------------------------------------


def test_runs_are_listed_by_terms_page_by_page(command: Command) -> None:
    ids = [submitted(command, "order", "--tag", f"n={n}") for n in range(3)]

    first = answer(command("runs", "list", "--limit", "2", "--json", "--fields", "id"))
    assert first == {"runs": [{"id": ids[2]}, {"id": ids[1]}], "next": ids[1]}
    rest = answer(command("runs", "list", "--before", first["next"], "--json", "--fields", "id"))
    assert rest == {"runs": [{"id": ids[0]}], "next": None}
    assert command("runs", "list", "tag.n:0,2", "--fields", "id").stdout.split() == [ids[2], ids[0]]
    assert command("runs", "list", "tag.n:0 status:pending", "--fields", "tags.n").stdout == "0\n"


def test_a_run_has_short_names(command: Command) -> None:
    first, second = submitted(command, "order"), submitted(command, "order")

    for name, run_id in (("@", second), ("@~1", first), (second[:-4], second), (second, second)):
        assert answer(command("runs", "show", name, "--json"))["run"]["id"] == run_id
    for name in ("@", second[:-4], second):
        assert command("runs", "list", "--before", name, "--fields", "id").stdout == f"{first}\n"
    command("runs", "list", "--before", "f" * 8, code=1)


def test_a_term_takes_the_place_of_a_run(command: Command) -> None:
    first, second = submitted(command, "order"), submitted(command, "order")

    for term, run_id in (("id:@", second), ("id:@~1", first), ("-id:@", first)):
        assert command("runs", "list", term, "--fields", "id").stdout == f"{run_id}\n"
    wanted = ("id:@", "status:pending", "--fields", "matched,changed")
    assert command("runs", "cancel", *wanted, "--dry-run").stdout == "1\t1\n"
    for verb in (["list"], ["cancel", "--yes"]):
        refused = command("runs", *verb, "id:@~2", code=1)
        assert "there is no run @~2: there are fewer runs" in refused.stderr


async def lose_a_runner(url: str) -> None:
    """Have a runner own a run, of which nothing was heard since long ago."""
    async with Place.of(url).opened() as store:
        await store.register(runner("r1"))
        await submit(store, new_run("ffff", owner="r1"))


def test_a_run_whose_runner_is_gone_is_marked(command: Command, database_url: str) -> None:
    submitted(command, "order")
    asyncio.run(lose_a_runner(database_url))

    lost = command("runs", "list", "status:running", "--json")
    assert [row["runner_gone"] for row in answer(lost)["runs"]] == [True]
    listed = command("runs", "list").stdout.splitlines()[1:]
    assert [line.endswith("its runner is gone") for line in listed] == [True, False]
    assert "runner      is gone" in command("runs", "show", "ffff").stdout


def test_a_run_is_shown_with_its_tasks(command: Command) -> None:
    command("run", "order", "-P", "fail:=true", code=5)

    shown = command("runs", "show", "@").stdout
    assert "ValueError: no stock" in shown
    tasks = answer(command("runs", "show", "@", "--json"))["run"]["tasks"]
    assert [(task["task_id"], task["status"]) for task in tasks] == [
        ("charge", "Completed"),
        ("send", "Failed"),
    ]
    assert "no stock" in command("runs", "explain", "@").stdout
    assert "flowchart" in command("runs", "graph", "@").stdout
    attempts = answer(command("runs", "attempts", "@", "--task", "send", "--json"))["attempts"]
    assert [each["error"] for each in attempts] == ["ValueError: no stock"]
    kinds = [
        json.loads(line)["kind"]
        for line in command("runs", "tail", "@", "--json").stdout.splitlines()
    ]
    assert kinds == [
        "created",
        "started",
        "task_started",
        "task_completed",
        "task_started",
        "task_failed",
        "ended",
    ]


def test_what_bodies_have_logged_is_written(command: Command, worker: cloaca.DefaultRunner) -> None:
    run = worker.submit("load", send=("rest", None))
    run.wait()

    lines = command("runs", "logs", "@", "--task", "read").stdout.splitlines()
    assert [line.split()[1:] for line in lines] == [
        ["WARNING", "read", "slow"],
        [],
        ["INFO", "read", "half", '{"rows":', "3}"],
        ["INFO", "read", "whole"],
    ]
    assert lines[1] == "  very"
    assert command("runs", "logs", "@", "--attempt", "9").stderr == "No lines.\n"
    for follow in ([], ["-f"]):
        wrong = command("runs", "logs", "@", "--task", "gone", *follow, code=1).stderr
        assert f"run {run.id} of load has no task 'gone'" in wrong
    first, *rest = [
        json.loads(line)
        for line in command("runs", "logs", run.id, "--json", "--task", "read").stdout.splitlines()
    ]
    assert (first["message"], first["number"], first["schema"]) == ("slow\nvery", 1, 1)
    after = str(first["position"])
    fields = ("--fields", "number,message", "--task", "read", "--attempt", "1")
    assert command("runs", "logs", "@", "--after", after, *fields).stdout.splitlines() == [
        f"{each['number']}\t{each['message']}" for each in rest
    ]
    assert command("runs", "logs", "@", "--attempt", "2").stdout == ""
    assert "beside" in command("runs", "logs", "@").stdout


def test_lines_are_followed_to_the_end_of_their_run(
    command: Command, worker: cloaca.DefaultRunner
) -> None:
    run = worker.submit("load")
    _until_progress(run)
    assert "1 of 2: reading" in command("runs", "explain", "@").stdout
    worker.send(run.id, "rest", None)

    lines = command("runs", "logs", "-f", "@", "--task", "read", "--json").stdout.splitlines()

    assert [json.loads(line)["message"] for line in lines] == ["slow\nvery", "half", "whole"]
    shown = answer(command("runs", "show", "@", "--json"))["run"]["tasks"]
    assert {task["task_id"]: (task["progress"] or {}).get("text") for task in shown} == {
        "read": "all of it",
        "other": None,
    }


def _until_progress(run: cloaca.RunHandle) -> None:
    """Wait until its first task has told how far it is."""
    for snapshot in run.watch():
        if snapshot.tasks["read"].progress is not None:
            return


def test_watch_and_wait_say_by_their_code_how_a_run_ended(command: Command) -> None:
    command("run", "order", code=0)
    command("runs", "wait", "@", code=0)
    command("run", "order", "-P", "fail:=true", code=5)
    command("runs", "wait", "@", code=5)
    assert "Failed" in command("runs", "watch", "@", code=5).stdout
    last = command("runs", "watch", "@", "--json", code=5).stdout.splitlines()[-1]
    assert json.loads(last)["run"]["status"] == "Failed"
    submitted(command, "order")
    command("runs", "cancel", "@")
    command("runs", "wait", "@", code=6)
    command("runs", "show", "@", code=0)  # looking at it is no failure


def test_a_wait_that_is_over_first_exits_with_7(command: Command) -> None:
    submitted(command, "order")

    assert "goes on" in command("runs", "wait", "@", "--timeout", "0.01", code=7).stderr


@pytest.mark.parametrize("verb", ["watch", "wait", "tail"])
def test_ctrl_c_says_that_the_run_goes_on(
    command: Command, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    def interrupted(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    run_id = submitted(command, "order")
    monkeypatch.setattr(cloaca.RunHandle, "wait", interrupted)
    monkeypatch.setattr(Watch, "__iter__", interrupted)

    done = command("runs", verb, "@", code=130)

    assert done.stderr.strip() == f"The run goes on: cloaca runs {verb} {run_id}"


def test_a_list_says_what_a_run_waits_for_and_finds_runs_by_their_ends(
    command: Command, worker: cloaca.DefaultRunner
) -> None:
    run = worker.submit("ask")
    worker.send(run.id, "answer", 42)
    _until_asked(worker)
    for _ in run.watch():
        if run.status() == "Waiting":
            break

    assert "waits for a decision: sign" in command("runs", "list", "status:waiting").stdout
    assert answer(command("runs", "list", "ended-since:1h", "--json"))["runs"] == []
    worker.approve(run.id, "sign")
    run.wait()
    (row,) = answer(command("runs", "list", "ended-since:1h", "--json"))["runs"]
    assert row["id"] == run.id
    assert answer(command("runs", "list", "ended-since:2099-01-01", "--json"))["runs"] == []


def test_an_event_and_a_decision_go_to_one_item(
    command: Command, worker: cloaca.DefaultRunner, shop: str
) -> None:
    with cloaca.WorkflowBuilder("asks", registry=imported(shop)):

        @cloaca.task(map=["a", "b"])
        def each(context: cloaca.Context, item: str, handle: cloaca.TaskHandle) -> Any:
            return [handle.approval("pay", "Pay?")["choice"], handle.wait_for("paid")]

    run = worker.submit("asks")
    until(lambda: len(worker.waiting_for_people()) == 2)

    command("runs", "approve", run.id, "pay", "reject", "--item", "each[1]")
    assert [each.item for each in worker.waiting_for_people()] == [0]
    command("runs", "send", run.id, "paid", "7", "--item", "each[1]")
    command("runs", "approve", run.id, "pay")
    command("runs", "send", run.id, "paid", "5", "--item", "each[0]")

    assert run.result(60).final_context["each"] == [["approve", 5], ["reject", 7]]
    done = command("runs", "send", run.id, "paid", "--item", "each[2]", code=1)
    assert "map each of run" in done.stderr


def test_watch_tells_what_changes_meanwhile(command: Command, worker: cloaca.DefaultRunner) -> None:
    run = worker.submit("ask")
    worker.send(run.id, "answer", 42)
    _until_asked(worker)
    worker.approve(run.id, "sign")

    lines = command("runs", "watch", run.id).stdout.splitlines()

    assert lines[-1].split()[1:4] == ["ask", run.id, "Completed"]


def _until_asked(worker: cloaca.DefaultRunner) -> None:
    """Wait until the newest run waits for a person."""
    for _ in worker.get_run(worker.list_runs(limit=1)[0].id).watch():
        if worker.waiting_for_people():
            return


def test_status_is_one_screen(command: Command) -> None:
    submitted(command, "order")
    command("run", "order", "-P", "fail:=true", code=5)

    shown = command("status").stdout
    assert "1 Pending" in shown
    assert "1 in the last hour" in shown
    assert "none: start one" in shown
    assert answer(command("status", "--json"))["status"]["failed"] == 1


def test_the_slowest_tasks_are_named(command: Command) -> None:
    command("run", "order")

    rows = answer(command("stats", "tasks", "--json"))["tasks"]
    assert {row["workflow_name"] for row in rows} == {"order"}
    assert [row["p95"] for row in rows] == sorted([row["p95"] for row in rows], reverse=True)
    shown = command("stats", "tasks", "--since", "1h", "workflow:order").stdout.splitlines()
    assert len(shown) == 1 + len(rows)
    assert command("stats", "tasks", "--since", "2099-01-01").stdout == ""
    command("stats", "tasks", "--since", "soon", code=2)


def test_failures_are_told_by_their_errors(command: Command) -> None:
    for _ in range(2):
        command("run", "order", "-P", "fail:=true", code=5)

    (row,) = answer(command("runs", "list", "--group", "error", "--json"))["failures"]
    assert (row["runs"], row["workflows"]) == (2, ["order"])
    assert "no stock" in row["error"]
    shown = command("runs", "list", "--group", "error", "ended-since:1h").stdout.splitlines()
    assert shown[0].split() == ["RUNS", "SINCE", "LAST", "WORKFLOWS", "NEWEST", "ERROR"]
    assert command("runs", "list", "--group", "error", "ended-since:2099-01-01").stdout == ""
    told = command("status").stdout
    assert re.search(f"2 of order, since .*, {row['newest']} .*: .*no stock", told)
    refused = command("runs", "list", "--group", "error", "--before", "@", code=2).stderr
    assert "no --before" in refused


async def give_a_run_back(url: str) -> None:
    """Have a runner begin the run that waits, and give it back as one that is stopped does."""
    async with Place.of(url).opened() as store:
        await store.register(runner("r1"))
        await store.claim("r1", [ORDER], 1, await store.now(), 1)
        await store.release("r1", [])


def oldest_of(command: Command) -> str:
    """The line of `cloaca status` about the run that waits for longest."""
    lines = command("status").stdout.splitlines()
    return next(line for line in lines if line.startswith("oldest"))


def test_status_tells_which_run_waits_for_longest_for_a_runner(
    command: Command, database_url: str
) -> None:
    fields = ("--json", "--fields", "oldest_pending_given_back")
    assert oldest_of(command) == "oldest   no run waits for a runner"
    run_id = submitted(command, "order")
    assert re.fullmatch(rf"oldest   order {run_id} waits for .* for a runner", oldest_of(command))
    assert answer(command("status", *fields))["status"] == {"oldest_pending_given_back": False}

    asyncio.run(give_a_run_back(database_url))

    back = "waits for .* at most for a runner; one has begun it and given it back"
    assert re.fullmatch(rf"oldest   order {run_id} {back}", oldest_of(command))
    assert answer(command("status", *fields))["status"] == {"oldest_pending_given_back": True}


def test_workflows_are_known_without_their_code(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("run", "order")
    monkeypatch.delenv("CLOACA_APP")

    found = answer(command("workflows", "list", "--json"))["workflows"]
    assert [each["workflow_name"] for each in found] == [
        "ask",
        "convert_all",
        "load",
        "order",
        "stop_itself",
    ]
    assert "charge" in command("workflows", "show", "order").stdout
    assert "n0 --> n1" in command("workflows", "graph", "order").stdout
    submitted(command, "order")
    command("run", "order", code=2)  # to execute it takes the code


def test_a_database_without_tables_exits_with_4_and_gets_none(
    command: Command, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOACA_DATABASE_URL", empty_database_url)
    for arguments in (["runs", "list"], ["status"], ["workflows", "list"]) * 2:
        command(*arguments, code=4)
    assert command("db", "upgrade").stdout.startswith("tables made; schema ")


@pytest.mark.backend("sqlite", reason="a file")
def test_a_file_that_is_not_there_exits_with_4_and_stays_away(
    command: Command, tmp_path: Path
) -> None:
    url = f"sqlite://{tmp_path}/nothing.db"
    for arguments in (
        ["runs", "list"],
        ["runs", "cancel", "@"],
        ["doctor"],
        ["db", "status"],
        ["db", "prune", "--dry-run"],
        ["db", "sql", "SELECT 1"],
    ):
        said = command(*arguments, "--database-url", url, code=4).stderr
        assert "it does not exist. `cloaca run`" in said
        assert "mode=" not in said  # which is no word of the user's
    said = command("db", "copy", url, "a.db", code=4).stderr
    assert said.endswith("it does not exist\n")  # no command should make a source

    assert not (tmp_path / "nothing.db").exists()


# -- steer ---------------------------------------------------------------------------------------


def test_runs_are_steered_by_their_ids_without_a_question(command: Command) -> None:
    run_id = submitted(command, "order")

    paused = answer(command("runs", "pause", "@", "--reason", "wait", "--by", "ann", "--json"))
    assert paused["runs"] == [{"id": run_id, "status": "Paused", "changed": True}]
    command("runs", "resume", "@")
    assert "as it was" not in command("runs", "cancel", run_id[:20]).stdout
    assert "as it was" in command("runs", "cancel", run_id[:20]).stdout
    for verb, changes in (("retry", True), ("cancel", False)):
        tried = answer(command("runs", verb, "@", "--dry-run", "--json"))["runs"]
        assert tried == [{"id": run_id, "status": "Cancelled", "changed": changes}]
    acts = answer(command("actions", "list", "--json"))["actions"]
    assert [act["kind"] for act in acts] == ["cancel", "cancel", "resume", "pause", "submit"]
    assert acts[-2]["by"] == "ann"


def test_many_runs_are_steered_only_when_it_is_confirmed(
    command: Command, database_url: str, shop: str
) -> None:
    other = submitted(command, "order")
    with cloaca.Client(database_url, registry=imported(shop)) as client:
        client.submit_many("order", [{}] * 12, tags={"shop": "oslo"})

    asked = command("runs", "cancel", "tag.shop:oslo", code=3)
    assert asked.stderr.startswith("12 runs to cancel\nRUN ")
    assert asked.stdout == ""  # nothing was done
    assert "say --yes, or --dry-run to see only." in asked.stderr
    assert "and 2 more" in asked.stderr
    assert answer(command("runs", "cancel", "tag.shop:oslo", "--dry-run", "--json"))["result"] == {
        "matched": 12, "changed": 12, "refused": 0,
    }  # fmt: skip
    chosen = command("runs", "cancel", "tag.shop:oslo", "--dry-run", "--fields", "matched")
    assert (chosen.stdout, chosen.stderr) == ("12\n", "")
    done = command("runs", "cancel", "tag.shop:oslo", "--yes")
    assert done.stdout == "12 runs: 12 changed\n"
    assert answer(command("runs", "show", other, "--json"))["run"]["status"] == "Pending"
    assert "1 run: 1 changed" in command("runs", "pause", "--all", "--yes").stdout


def test_the_command_line_and_an_observer_act_on_the_same_runs(
    command: Command, database_url: str
) -> None:
    command("run", "order")
    for _ in range(3):
        submitted(command, "order")
    command("runs", "pause", "@")

    for terms in (["-status:paused"], ["status:paused,completed"], ["workflow:order"]):
        done = command("runs", "cancel", *terms, "--dry-run", "--fields", "matched,changed")
        with cloaca.Client(database_url, registry=cloaca.Registry()) as client:
            found = Observer(client).steer("cancel", *terms, dry_run=True).wait()
        assert done.stdout == f"{found.matched}\t{found.changed}\n"


def test_without_a_run_a_term_or_all_nothing_is_steered(command: Command) -> None:
    for verb in ("cancel", "pause", "resume", "retry"):
        command("runs", verb, code=2)
        command("runs", verb, "--all", "status:paused", code=2)
        command("runs", verb, "@", "status:paused", code=2)


def test_a_term_may_begin_with_a_minus(command: Command) -> None:
    other, run_id = submitted(command, "order"), submitted(command, "ask")

    for terms in (
        ["-workflow:order"],
        ["--", "-workflow:order"],
        ["status:pending", "-id:" + other],
    ):
        assert command("runs", "list", "--fields", "id", *terms).stdout == f"{run_id}\n"
    assert "1 run: 1 changed" in command("runs", "cancel", "-workflow:ask", "--yes").stdout
    assert "no key 'stats'" in command("runs", "list", "-stats:failed", code=2).stderr
    assert "-x" in command("runs", "list", "-x", code=2).stderr


def test_a_person_can_say_no(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloaca_tools.cli.runs.steer_runs.asks", lambda: True)
    submitted(command, "order")

    assert "Nothing was done" in command("runs", "cancel", "--all", code=3, input="n\n").stderr
    command("runs", "cancel", "--all", input="y\n")
    assert answer(command("runs", "show", "@", "--json"))["run"]["status"] == "Cancelled"


def test_of_several_runs_it_is_told_which_were_steered_before_one_is_refused(
    command: Command,
) -> None:
    command("run", "order")
    command("run", "order", "-P", "fail:=true", code=5)

    done = command("runs", "retry", "@", "@~1", "--fields", "status,changed", code=1)

    assert done.stdout == "Pending\ttrue\n"
    assert "only a run that has failed or was cancelled can be retried" in done.stderr


def test_why_a_run_was_cancelled_is_told_once(command: Command) -> None:
    submitted(command, "order")
    command("runs", "cancel", "@", "--by", "ann")

    (line,) = [
        each for each in command("runs", "show", "@").stdout.splitlines() if "⊘ order" in each
    ]
    assert line.count("cancelled by ann") == 1


def test_a_retry_and_a_fork_show_their_plans(command: Command) -> None:
    command("run", "order", "-P", "fail:=true", code=5)

    plan = command("runs", "retry", "@", "--plan").stdout
    assert [line.split()[:2] for line in plan.splitlines()] == [["keep", "charge"], ["run", "send"]]
    assert command("runs", "fork", "@", "send", "--plan").stdout.startswith("keep  charge")
    fork = answer(command("runs", "fork", "@", "send", "-P", "fail:=false", "--json"))["run"]
    assert fork["created"]
    assert answer(command("runs", "retry", "@~1", "--json"))["runs"][0]["status"] == "Pending"
    command("runs", "retry", "status:failed", "--plan", code=2)


def test_the_plans_of_several_retries_are_one_document(command: Command) -> None:
    command("run", "order", "-P", "fail:=true", code=5)
    command("run", "order", "-P", "fail:=true", code=5)
    ids = command("runs", "list", "--fields", "id").stdout.split()

    found = answer(command("runs", "retry", *ids, "--plan", "--json"))
    assert [(each["id"], each["run"][0]["task"]) for each in found["plans"]] == [
        (run_id, "send") for run_id in ids
    ]
    alone = answer(command("runs", "retry", "@", "--plan", "--json"))
    assert alone == {"plans": found["plans"][:1], "next": None}
    lines = command("runs", "retry", *ids, "--plan").stdout.splitlines()
    assert [line for line in lines if line.startswith("run ")][::2] == [f"run {id_}" for id_ in ids]
    assert command("runs", "retry", *ids, "--plan", "--fields", "id").stdout.split() == ids


def test_a_run_is_told_what_it_waits_for(command: Command, worker: cloaca.DefaultRunner) -> None:
    run = worker.submit("ask")
    assert "sent" in command("runs", "send", "@", "answer", '{"n": 42}', "--key", "a").stdout
    assert "had been" in command("runs", "send", "@", "answer", "1", "--key", "a").stdout
    _until_asked(worker)

    (open_one,) = answer(command("approvals", "list", "--json"))["approvals"]
    assert (open_one["run_id"], open_one["task_id"]) == (run.id, "sign")
    command("runs", "approve", "@", "sign", "--note", "fine", "--by", "ann")
    assert run.result(PATIENCE).final_context.get("answer") == {"n": 42}
    command("runs", "approve", "@", "sign", code=1)


def test_workflows_are_paused_and_resumed(command: Command) -> None:
    assert command("workflows", "pause", "order").stdout == "order: paused\n"
    assert command("workflows", "pause", "order").stdout == "order: as it was\n"
    assert command("workflows", "resume", "order").stdout == "order: resumed\n"


def test_a_workflow_that_is_paused_under_a_wrong_name_is_noted(
    command: Command, worker: cloaca.DefaultRunner
) -> None:
    for name in ("order", "public::embedded::order"):
        assert command("workflows", "pause", name).stderr == ""
    for verb in ("pause", "resume"):
        assert "did you mean 'order'" in command("workflows", verb, "ordre").stderr


def test_a_paused_workflow_says_who_has_paused_it(
    command: Command, worker: cloaca.DefaultRunner
) -> None:
    command("workflows", "pause", "order", "--by", "ann", "--reason", "stock count")

    told = command("workflows", "show", "order").stdout
    assert re.search(
        r"^paused    by ann since 20\S+, until it is resumed: stock count$", told, re.MULTILINE
    )
    shown = answer(command("workflows", "show", "order", "--json"))["workflow"]
    assert (shown["paused_by"], shown["pause_reason"]) == ("ann", "stock count")
    assert (shown["paused_since"] is None, shown["paused_until"]) == (False, None)
    assert "paused by ann" in command("workflows", "list").stdout
    listed = answer(command("workflows", "list", "--json"))["workflows"]
    by = {each["workflow_name"]: each["paused_by"] for each in listed}
    assert (by["order"], by["ask"]) == ("ann", None)

    command("workflows", "resume", "order")
    assert "paused" not in command("workflows", "show", "order").stdout


# -- schedules, triggers, the rest ---------------------------------------------------------------


def test_of_a_schedule_that_is_disabled_no_tick_comes(command: Command) -> None:
    add = ("schedules", "add", "nightly", "order", "0 2 * * *")
    made = command(*add).stdout
    shown = answer(command("schedules", "show", "nightly", "--json"))["schedule"]
    assert made.endswith(f"next {shown['next_run_at']}\n")
    assert shown["next_run_at"] in command("schedules", "list").stdout

    command("schedules", "disable", "nightly")

    assert shown["next_run_at"] not in command("schedules", "list").stdout
    facts = shown_facts(command("schedules", "show", "nightly"))
    assert (facts["state"], facts["next"]) == ("disabled", "none while it is disabled")
    as_json = answer(command("schedules", "show", "nightly", "--json"))["schedule"]
    assert as_json["next_run_at"] == shown["next_run_at"]
    listed = answer(command("schedules", "list", "--json"))["schedules"]
    assert [each["next_run_at"] for each in listed] == [shown["next_run_at"]]
    assert command(*add).stdout.endswith(": next none while it is disabled\n")  # it stays so


def test_schedules_come_and_go(command: Command) -> None:
    assert "At 02:00" in command("schedules", "explain", "0 2 * * *", "--tz", "Europe/Oslo").stdout
    add = ("schedules", "add", "nightly", "order", "0 2 * * *", "--tz", "Europe/Oslo")
    made = answer(command(*add, "-P", "amount:=9", "--queue", "default", "--json"))["schedule"]
    assert (made["name"], made["timezone"]) == ("nightly", "Europe/Oslo")
    assert "nightly" in command("schedules", "list").stdout
    facts = shown_facts(command("schedules", "show", "nightly"))
    assert facts.keys() >= {"schedule", "workflow", "next", "catch-up", "overlap"}
    assert (facts["state"], facts["queue"]) == ("enabled", "default")
    assert facts["cron"] == "0 2 * * * (At 02:00 every day)"
    assert facts["last"] == "never"
    assert "Europe/Oslo" in command("schedules", "next", made["id"][:-2]).stdout
    period = ("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z")
    assert "2 ticks would run" in command("schedules", "preview", "nightly", *period).stdout
    command("schedules", "backfill", "nightly", *period, code=3)
    runs = answer(command("schedules", "backfill", "nightly", *period, "--yes", "--json"))
    assert len(runs["backfill"]["run_ids"]) == 2
    ticks = answer(command("schedules", "history", "nightly", "--json"))["ticks"]
    assert {each["workflow_execution_id"] for each in ticks} == set(runs["backfill"]["run_ids"])
    command("schedules", "disable", "nightly")
    assert answer(command("schedules", "list", "--enabled", "--json"))["schedules"] == []
    command("schedules", "enable", "nightly")
    declined = command("schedules", "delete", "nightly", code=3).stderr
    assert "say --yes." in declined  # it has no --dry-run
    gone = answer(command("schedules", "delete", "nightly", "--yes", "--by", "ann", "--json"))
    assert gone["schedule"] == {"id": made["id"], "name": "nightly"}
    command("schedules", "show", "nightly", code=1)
    acts = answer(command("actions", "list", "--json"))["actions"]
    kinds = ["delete", "enable", "disable", "backfill", "add"]
    assert [each["kind"] for each in acts] == [f"{kind}_schedule" for kind in kinds]
    assert acts[0]["by"] == "ann"
    assert "delete_schedule" in command("actions", "list").stdout


def test_a_list_without_pages_says_that_it_is_cut(command: Command, database_url: str) -> None:
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("mail", registry=registry):
        for name in ("first", "second"):
            cloaca.approval(name, "Send it?")
            trigger = cloaca.trigger(name=name, on="mail", poll_interval="1h", registry=registry)
            trigger(lambda: False)
    with cloaca.DefaultRunner(database_url, registry=registry) as program:
        program.list_trigger_schedules()  # which writes those of the program first
        program.submit("mail", by="ann")
        until(lambda: len(program.waiting_for_people()) == 2)
    for name in ("a", "b"):
        command("schedules", "add", name, "order", "0 2 * * *")
    period = ("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z")
    command("schedules", "backfill", "a", *period, "--yes")
    lists = [["schedules", "list"], ["schedules", "history", "a"]]
    for cut in (*lists, ["triggers", "list"], ["approvals", "list"]):
        done = command(*cut, "--limit", "1")
        assert (done.stdout.count("\n"), done.stderr[:22]) == (2, "There are more than 1:")
        assert "There are more" not in command(*cut).stderr


def test_the_log_of_actions_is_gone_on_with_and_asked_for_a_person_or_an_act(
    command: Command,
) -> None:
    for name in ("a", "b", "c"):
        command("schedules", "add", name, "order", "0 2 * * *", "--by", "ann")
    command("workflows", "pause", "order", "--by", "bob")

    def acts(*options: str) -> list[tuple[str, str]]:
        told = answer(command("actions", "list", "--json", *options))["actions"]
        return [(each["kind"], each["by"]) for each in told]

    added = ("add_schedule", "ann")
    assert acts() == [("pause", "bob"), added, added, added]
    assert acts("--by", "ann", "--kind", "add_schedule") == [added] * 3
    assert acts("--kind", "pause", "--kind", "prune") == [("pause", "bob")]
    assert acts("--by", "bob", "--kind", "add_schedule") == []

    first = answer(command("actions", "list", "--limit", "2", "--json"))
    assert (len(first["actions"]), acts("--before", first["next"])) == (2, [added, added])
    cut = command("actions", "list", "--limit", "2").stderr
    assert f"There are more: --before {first['next']}" in cut
    assert answer(command("actions", "list", "--before", first["next"], "--json"))["next"] is None
    assert (
        "is not the mark of an action"
        in command("actions", "list", "--before", "yesterday", code=2).stderr
    )
    assert "'paused' is not one of" in command("actions", "list", "--kind", "paused", code=2).stderr

    run_id = answer(command("run", "order", "--detach", "--by", "eve", "--json"))["run"]["id"]
    assert acts("--run", run_id) == [("submit", "eve")]
    assert acts("--run", "@", "--kind", "pause") == []


@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_argument_names_nothing(command: Command, empty: str) -> None:
    """As of a variable of a shell that is not set: it must not be a filter that all runs meet."""
    run = answer(command("run", "order", "--detach", "--json"))["run"]["id"]
    command("schedules", "add", "only", "order", "@daily")
    for verb in ("cancel", "pause", "resume", "retry"):
        refused = command("runs", verb, empty, "--yes", code=2).stderr
        assert "a RUN or TERM is empty" in refused
    with cloaca.DefaultRunner(os.environ["CLOACA_DATABASE_URL"], registry=cloaca.Registry()):
        command("runners", "drain", empty, code=2)
    command("schedules", "delete", empty, "--yes", code=2)
    command("schedules", "show", empty, code=2)

    shown = answer(command("runs", "show", run, "--json"))["run"]
    assert (shown["status"], shown["reason"]) == ("Pending", None)
    assert "only" in command("schedules", "list").stdout
    acts = answer(command("actions", "list", "--json"))["actions"]
    assert [each["kind"] for each in acts] == ["add_schedule", "submit"]


@pytest.mark.parametrize(
    "asked", [("pause", "--until", "2027-01-01T00:00:00Z"), ("cancel", "--grace", "3s")]
)
def test_what_counts_for_runs_by_their_ids_is_refused_for_others(
    command: Command, asked: tuple[str, str, str]
) -> None:
    verb, *option = asked
    run = answer(command("run", "order", "--detach", "--json"))["run"]["id"]

    refused = command("runs", verb, "workflow:order", *option, "--yes", code=2).stderr
    assert f"{option[0]} is for runs by their ids" in refused
    command("runs", verb, "--all", *option, "--yes", code=2)
    assert answer(command("runs", "show", run, "--json"))["run"]["status"] == "Pending"
    command("runs", verb, run, *option)


def test_a_period_of_ticks_may_be_told_by_days(command: Command) -> None:
    days = ("2026-01-01", "2026-01-02")  # in Oslo an hour earlier than in UTC
    command("schedules", "add", "midnight", "order", "30 0 * * *", "--tz", "Europe/Oslo")
    (tick,) = answer(command("schedules", "preview", "midnight", *days, "--json"))["backfill"][
        "scheduled_times"
    ]
    assert tick.startswith("2025-12-31T23:30")
    assert (
        "expected a date and time"
        in command("schedules", "preview", "midnight", "2026-13-01", "2026-01-02", code=2).stderr
    )


def test_a_schedule_of_an_unknown_workflow_is_noted(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("schedules", "add", "nightly", "order", "0 2 * * *").stderr == ""
    monkeypatch.delenv("CLOACA_APP")
    assert "a workflow 'order' here:" in command("schedules", "add", "a", "order", "@daily").stderr
    with cloaca.Client(os.environ["CLOACA_DATABASE_URL"]) as client:
        assert len(client.list_cron_schedules()) == 2  # it may come later


def test_the_workflow_of_a_schedule_may_be_recorded(
    command: Command, worker: cloaca.DefaultRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLOACA_APP")

    for name in ("order", "public::embedded::order"):
        assert command("schedules", "add", "nightly", name, "0 2 * * *").stderr == ""
    told = command("schedules", "add", "nightly", "ordre", "0 2 * * *").stderr
    assert "did you mean 'order'" in told


def test_triggers_are_enabled_and_disabled(command: Command, database_url: str) -> None:
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("mail", registry=registry):

        @cloaca.task
        def send(context: cloaca.Context) -> None: ...

    @cloaca.trigger(on="mail", poll_interval="1h", registry=registry)
    def arrived() -> bool:
        return False

    with cloaca.DefaultRunner(database_url, registry=registry) as program:
        program.list_trigger_schedules()  # which writes those of the program first
        assert "arrived" in command("triggers", "list").stdout
        facts = shown_facts(command("triggers", "show", "arrived"))
        assert (facts["trigger"], facts["every"], facts["state"]) == (
            "arrived",
            "1 h 00 m",
            "enabled",
        )
        assert facts["overlap"].startswith("fires nothing while")
        assert command("triggers", "disable", "arrived").stdout == "arrived is disabled\n"
        assert not answer(command("triggers", "show", "arrived", "--json"))["trigger"]["enabled"]
        command("triggers", "enable", "arrived", "--by", "ann")
        acts = answer(command("actions", "list", "--json"))["actions"]
        assert (acts[0]["kind"], acts[0]["by"]) == ("enable_trigger", "ann")
        assert answer(command("triggers", "history", "arrived", "--json"))["fired"] == []
        command("triggers", "show", "arived", code=1)
        (runner,) = answer(command("runners", "list", "--json"))["runners"]
        assert (runner["alive"], runner["host"]) == (True, host_name())
        assert host_name() in command("runners", "list", "--fields", "host").stdout


def test_the_database_is_looked_at_upgraded_and_pruned(command: Command) -> None:
    command("db", "upgrade")
    assert answer(command("db", "status", "--json"))["database"]["schema"] > 0
    assert command("db", "check").stdout == "The database is sound.\n"
    command("run", "order")
    assert (
        "1 run would be deleted"
        in command("db", "prune", "--before", "2091-01-01T00:00:00Z", "--dry-run").stdout
    )
    refused = command("db", "prune", "--before", "2091-01-01T00:00:00Z", code=3)
    assert "say --yes, or --dry-run to see only." in refused.stderr
    assert (
        "1 run deleted"
        in command("db", "prune", "--before", "2091-01-01T00:00:00Z", "--yes").stdout
    )


@pytest.mark.backend("sqlite", reason="PostgreSQL has pg_dump")
def test_a_database_is_backed_up_and_copied(command: Command, tmp_path: Path) -> None:
    command("run", "order")
    backup = tmp_path / "backup.db"
    assert str(backup) in command("db", "backup", str(backup)).stdout
    command("db", "backup", str(backup), code=1)  # it is there
    copy = f"sqlite://{tmp_path}/copy.db"
    report = answer(command("db", "copy", f"sqlite://{backup}", copy, "--json"))["copy"]
    assert {"table": "run", "rows": 1, "copied": 1} in [
        {key: each[key] for key in ("table", "rows", "copied")} for each in report["tables"]
    ]
    listed = command("runs", "list", "--database-url", copy, "--fields", "status").stdout
    assert listed == "Completed\n"
    command("db", "copy", f"sqlite://{tmp_path}/nothing.db", copy, code=4)
    command("schedules", "add", "nightly", "order", "0 2 * * *", "--database-url", str(backup))
    told = command("db", "copy", str(backup), f"{tmp_path}/other.db").stderr
    assert "1 schedule is enabled in BOTH databases" in told
    assert ": nightly. Disable it in one of the two" in told
    command("db", "import-0x", f"sqlite://{backup}", code=1)  # no release of 0.x has made it


@pytest.mark.backend("sqlite", reason="the refusal is before either backend writes")
def test_a_copy_while_a_runner_is_alive_needs_a_flag(
    command: Command, worker: cloaca.DefaultRunner, tmp_path: Path
) -> None:
    source, copy = os.environ["CLOACA_DATABASE_URL"], f"sqlite://{tmp_path}/copy.db"

    assert "are alive" in command("db", "copy", source, copy, code=1).stderr
    command("db", "copy", source, copy, "--allow-runners")


@pytest.mark.backend("sqlite", reason="the refusal is before either backend writes")
def test_a_copy_with_open_runs_names_its_option(command: Command, tmp_path: Path) -> None:
    submitted(command, "order")
    source, copy = os.environ["CLOACA_DATABASE_URL"], f"sqlite://{tmp_path}/copy.db"

    refused = command("db", "copy", source, copy, code=1).stderr

    assert "1 run of the source has not ended: let it end, or say --paused" in refused
    told = command("db", "copy", source, copy, "--paused", code=3).stderr
    assert "Pause order in both databases, until they are resumed?" in told
    copied = answer(command("db", "copy", source, copy, "--paused", "--yes", "--json"))["copy"]
    assert "order" in copied["paused"][0]
    command("db", "copy", source, copy, "--paused")  # it stands still: there is nothing to ask


@pytest.mark.backend("sqlite", reason="one file is made, of either backend's answers")
def test_a_failed_run_becomes_a_test(command: Command, tmp_path: Path) -> None:
    command("run", "order", "-P", "fail:=true", "-P", "card=1234", code=5)

    told = command("runs", "export", "@", "-o", "case.json", "--mask", "card").stderr
    assert told == "case.json: harness.load('case.json') in a test calls its failed task again.\n"
    case = (tmp_path / "case.json").read_text()
    assert "no stock" in case
    assert "1234" not in case
    assert json.loads(command("runs", "export", "@").stdout)
    command("run", "order")
    told = command("runs", "export", "@", "-o", "case.json").stderr
    assert told == "case.json: no task of this run has failed.\n"


def test_an_upgrade_can_be_read_before(command: Command) -> None:
    command("db", "upgrade")
    dumped = command("db", "upgrade", "--dump-sql")
    assert (dumped.stdout, "Nothing to do" in dumped.stderr) == ("", True)
    assert command("db", "upgrade").stdout.startswith("0 migrations applied")


def test_a_check_that_finds_something_exits_with_8(command: Command, tmp_path: Path) -> None:
    assert "public::embedded::order" in command("workflows", "check").stdout
    (tmp_path / "no_workflows.py").write_text("import cloaca\nregistry = cloaca.Registry()\n")
    command("workflows", "check", "-A", "no_workflows:registry", code=8)


def test_the_check_warns_of_a_rule_that_ignores_a_failure(command: Command, tmp_path: Path) -> None:
    (tmp_path / "ruled.py").write_text(
        "import cloaca\n"
        "with cloaca.WorkflowBuilder('parcel'):\n"
        "    cloaca.task(id='charge')(print)\n"
        "    late = cloaca.context_value('late', '==', True)\n"
        "    cloaca.task(id='truck', dependencies=['charge'], trigger_rules=late)(print)\n"
    )
    warning = "task 'truck' may run although 'charge' failed"

    checked = command("workflows", "check", "-A", "ruled")
    (row,) = answer(command("workflows", "check", "-A", "ruled", "--json"))["workflows"]

    assert f"warning: public::embedded::parcel: {warning}" in checked.stderr
    assert [each[: len(warning)] for each in row["warnings"]] == [warning]


def test_the_check_warns_of_a_limit_that_the_program_does_not_define(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "bounded.py").write_text(
        "import cloaca\n"
        "cloaca.register_limit(cloaca.Limit('api', total=2))\n"
        "with cloaca.WorkflowBuilder('parcel'):\n"
        "    cloaca.task(id='charge', limits=['api', 'ap1'])(print)\n"
    )

    (warning,) = command("workflows", "check", "-A", "bounded").stderr.splitlines()

    assert warning == (
        "warning: public::embedded::parcel: limit 'ap1' of public::embedded::parcel::charge "
        "is not defined in this program"
    )


@pytest.mark.parametrize(
    ("line", "error"),
    [("cloaca.WorkflowBuilder('')", "DefinitionError: "), ("def", "SyntaxError: ")],
)
def test_a_program_that_cannot_be_imported_is_told_where(
    command: Command, tmp_path: Path, line: str, error: str
) -> None:
    (tmp_path / "broken_app.py").write_text(f"import cloaca\n{line}\n")
    checked = command("workflows", "check", "-A", "broken_app", code=8).stderr
    run = command("run", "order", "-A", "broken_app", code=1).stderr

    for told in (checked, run):
        assert "broken_app cannot be imported:\n" in told
        assert 'broken_app.py", line 2' in told
        assert error in told.splitlines()[-1]


def test_the_doctor_says_what_to_do(command: Command) -> None:
    command("workflows", "pause", "order")

    shown = command("doctor", code=8).stdout
    assert "[workflow_paused]" in shown
    codes = [
        each["code"]
        for each in answer(command("doctor", "--json", code=8))["diagnosis"]["findings"]
    ]
    assert "workflow_paused" in codes


def test_settings_and_backends_are_shown(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOACA_LEASE_SECONDS", "20")
    settings = shown_settings(command)

    assert settings["lease_seconds"] == (20, "CLOACA_LEASE_SECONDS")
    assert settings["max_active_runs"] == (1000, None)
    assert "usable" in command("backends").stdout


@pytest.mark.backend("postgres", reason="tenants that are schemas")
def test_tenants_that_are_schemas(command: Command) -> None:
    name = f"acme_{secrets.token_hex(4)}"
    command("tenants", "create", name)

    listed = answer(command("tenants", "list", "--json"))["tenants"]
    assert {"name": name, "user": name} in listed
    command("tenants", "remove", name, "--yes")
    assert name not in command("tenants", "list").stdout


def test_what_commands_go_by_is_shown_with_what_gives_it(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cloaca.toml").write_text('app = "shop"\ndatabase_url = "sqlite://file.db"\n')
    monkeypatch.delenv("CLOACA_APP", raising=False)
    monkeypatch.setenv("CLOACA_DATABASE_URL", "sqlite://variable.db")
    settings = shown_settings(command)

    assert settings["app"] == ("shop", "./cloaca.toml")
    assert settings["database_url"] == ("sqlite://variable.db", "CLOACA_DATABASE_URL")
    assert settings["schema"] == (None, None)
    by_option = shown_settings(command, "--database-url", "sqlite://option.db")
    assert by_option["database_url"] == ("sqlite://option.db", "--database-url")


@pytest.mark.backend("sqlite", reason="tenants that are files")
def test_tenants_that_are_files(command: Command, tmp_path: Path) -> None:
    folder = str(tmp_path / "tenants")
    url = command("tenants", "create", "acme", "--directory", folder).stdout.strip()

    assert command("runs", "list", "--database-url", url).stderr == "No such runs.\n"
    assert answer(command("tenants", "list", "--directory", folder, "--json"))["tenants"] == [
        {"name": "acme"}
    ]
    command("tenants", "create", "1acme", "--directory", folder, code=2)
    refused = command("tenants", "remove", "acme", "--directory", folder, code=3)
    assert refused.stderr.endswith("Nothing was done: say --yes.\n")
    gone = answer(command("tenants", "remove", "acme", "--directory", folder, "--yes", "--json"))
    assert gone["tenant"] == {"name": "acme"}


def test_the_module_is_a_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["cloaca", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()

    assert (ended.value.code, capsys.readouterr().out) == (
        0,
        f"cloaca, version {cloaca.__version__}\n",
    )


# -- runners -------------------------------------------------------------------------------------


def test_a_runner_is_asked_to_leave_by_the_beginning_of_its_id(
    database_url: str, command: Command
) -> None:
    settings = [cloaca.DefaultRunnerConfig(runner_id=name) for name in ("east-1", "east-2")]
    with (
        cloaca.DefaultRunner(database_url, config=settings[0], registry=cloaca.Registry()),
        cloaca.DefaultRunner(database_url, config=settings[1], registry=cloaca.Registry()) as other,
    ):
        assert "several runners" in command("runners", "drain", "east", code=1).stderr
        assert "no runner has an id" in command("runners", "drain", "west", code=1).stderr

        asked = command("runners", "drain", "east-1", "--by", "ann", "--json")
        assert json.loads(asked.stdout) == {"schema": 1, "runner": {"id": "east-1"}}

        listed = json.loads(command("runners", "list", "--json").stdout)["runners"]
        draining = {each["id"]: each["draining_since"] is not None for each in listed}
        assert draining.pop("east-1", True)  # or it has left already
        assert draining == {"east-2": False}
        (act,) = answer(command("actions", "list", "--json"))["actions"]
        assert (act["kind"], act["by"], act["reason"]) == ("drain_runner", "ann", "east-1")
        assert other.health()["paused"] is False


def test_queues_are_listed_with_who_serves_them(database_url: str, command: Command) -> None:
    command("run", "order", "--detach", "--queue", "tape")
    assert "--queue needs --detach" in command("run", "order", "--queue", "tape", code=2).stderr
    settings = cloaca.DefaultRunnerConfig(runner_id="east", queues=["gpu"])
    with cloaca.DefaultRunner(database_url, config=settings, registry=cloaca.Registry()):
        listed = command("queues", "list", "--json")

        lines = {each["name"]: each for each in json.loads(listed.stdout)["queues"]}
        assert lines["gpu"]["runners"] == ["east"]
        assert (lines["tape"]["waiting"], lines["tape"]["runners"]) == (1, [])
        assert "No living runner serves queue tape" in listed.stderr
        (shown,) = json.loads(command("runners", "list", "--json").stdout)["runners"]
        assert shown["queues"] == ["gpu"]
        findings = answer(command("doctor", "--json", code=8))["diagnosis"]["findings"]
        assert "queue_unserved" in [each["code"] for each in findings]
    for wrong in ("", "a=0", "a,a"):
        assert "queues must be names" in command("worker", "--queues", wrong, code=2).stderr


def test_limits_are_listed_shown_and_changed(database_url: str, command: Command) -> None:
    assert "No limits." in command("limits", "list").stderr
    registry = cloaca.Registry()
    registry.register_limit(cloaca.Limit("openai", total=20, per_key=2))
    with cloaca.DefaultRunner(database_url, registry=registry):
        pass
    changed = command("limits", "set", "openai", "--total", "none", "--rate", "5/s", "--by", "ann")
    assert "set         total none, rate 5/s, burst 1" in changed.stdout
    assert "total 20 → none, rate none → 5/s" in changed.stderr

    (listed,) = answer(command("limits", "list", "--json"))["limits"]
    assert [listed[name] for name in ("total", "per_key", "rate")] == [None, 2, "5/s"]
    shown = answer(command("limits", "show", "openai", "--key", "7", "--json"))["limit"]
    assert (shown["changed_by"], shown["changes"]["total"]) == ("ann", "none")
    assert (shown["holders"], shown["waiters"]) == ([], [])
    assert [each["key"] for each in shown["keys"]] == [7]

    cleared = command("limits", "clear", "openai", "--by", "bob", "--json")
    assert answer(cleared)["limit"]["total"] == 20
    assert "nothing changes" in command("limits", "clear", "openai").stderr
    acts = answer(command("actions", "list", "--json", "--kind", "clear_limit"))["actions"]
    assert [(act["by"], act["reason"]) for act in acts] == [("bob", "openai")]

    assert "nothing to set" in command("limits", "set", "openai", code=2).stderr
    assert "total must be" in command("limits", "set", "openai", "--total=-1", code=2).stderr
    assert "rate must be" in command("limits", "set", "openai", "--rate", "x", code=2).stderr
    assert "known are 'openai'" in command("limits", "show", "gpu", code=1).stderr


def test_a_runner_that_died_elsewhere_is_alive_for_nobody(
    database_url: str, command: Command, tmp_path: Path
) -> None:
    """It owned nothing, and nobody is there to remove it."""
    command("db", "upgrade")

    async def leave() -> None:
        async with Place.of(database_url).opened() as store:
            await store.register(runner("elsewhere"))

    asyncio.run(leave())

    (listed,) = answer(command("runners", "list", "--json"))["runners"]
    assert (listed["id"], listed["alive"]) == ("elsewhere", False)
    assert "elsewhere gone, 0 runs" in command("status").stdout
    assert answer(command("db", "status", "--json"))["database"]["runners"] == []
    run_id = submitted(command, "order")
    (explained,) = answer(command("runs", "explain", run_id, "--json"))["explanation"]["runners"]
    assert explained["alive"] is False
    assert "has left already" in command("runners", "drain", "elsewhere", code=1).stderr

    async def take_over() -> None:
        async with Place.of(database_url).opened() as store:
            await store.fence("elsewhere", 0)
            await store.take_over("elsewhere", 9)

    asyncio.run(take_over())
    listing = command("runners", "list", "--json")
    (lost,) = answer(listing)["runners"]
    assert (lost["id"], lost["alive"], lost["taken_over"]) == ("elsewhere", False, 0)
    assert f"elsewhere was lost at {lost['lost_at']}: it owned no run." in listing.stderr
    assert "lost" in command("runners", "list").stdout
    if database_url.startswith("sqlite"):
        copy = f"sqlite://{tmp_path}/copy.db"
        command("db", "copy", database_url, copy, "--paused", "--yes")


# -- db sql --------------------------------------------------------------------------------------


def test_a_statement_reads_tables_and_changes_none(command: Command) -> None:
    command("run", "order", "--detach")
    statement = "SELECT status, 1 AS one, 2 AS one FROM cloaca_run"

    shown = command("db", "sql", statement)
    assert [line.split() for line in shown.stdout.splitlines()] == [
        ["status", "one", "one_2"],
        ["Pending", "1", "2"],
    ]
    asked = command("db", "sql", "-", "--json", input=statement)
    assert json.loads(asked.stdout) == {
        "schema": 1,
        "rows": [{"status": "Pending", "one": 1, "one_2": 2}],
        "next": None,
    }
    assert "was refused" in command("db", "sql", "DELETE FROM cloaca_run", code=1).stderr
    two = command("db", "sql", "SELECT 1 AS n UNION ALL SELECT 2", "--limit", "1", "--fields", "n")
    assert (two.stdout, two.stderr) == ("1\n", "There are more: --limit 10\n")


# -- completion ----------------------------------------------------------------------------------


def offered(*arguments: str) -> dict[str, str | None]:
    """What a shell offers for the last of the arguments, with what it tells about each."""
    *before, incomplete = arguments
    shell = ShellComplete(cli, {}, "cloaca", "_CLOACA_COMPLETE")
    with mock.patch.object(completion, "PATIENCE", PATIENCE):
        return {each.value: each.help for each in shell.get_completions(before, incomplete)}


def test_runs_are_completed_newest_first_with_what_they_are(command: Command) -> None:
    older, newer = submitted(command, "order"), submitted(command, "ask")
    told = {newer: "ask Pending", older: "order Pending"}

    assert list(offered("runs", "show", "").items()) == list(told.items())
    assert offered("runs", "cancel", newer[:-1]) == {newer: told[newer]}
    assert offered("runs", "list", "--before", older) == {older: told[older]}
    assert offered("runs", "show", "zzz") == {}
    assert offered("runs", "list", f"parent:{older[:-1]}") == {f"parent:{older}": told[older]}


def test_names_of_workflows_are_completed(command: Command, worker: cloaca.DefaultRunner) -> None:
    command("workflows", "pause", "load")

    assert offered("run", "") == {
        "ask": None,
        "convert_all": None,
        "load": "paused",
        "order": None,
        "stop_itself": None,
    }
    assert offered("workflows", "show", "o") == {"order": None}
    assert offered("approvals", "list", "--workflow", "o") == {"order": None}
    assert offered("runs", "list", "workflow:o") == {"workflow:order": None}


def test_schedules_are_completed(command: Command) -> None:
    submitted(command, "order")
    command("schedules", "add", "nightly", "order", "0 3 * * *")
    command("schedules", "add", "hourly", "ask", "@hourly")
    command("schedules", "disable", "hourly")

    assert offered("schedules", "show", "") == {"hourly": "ask (disabled)", "nightly": "order"}
    assert offered("schedules", "next", "n") == {"nightly": "order"}


def test_triggers_are_completed(command: Command, database_url: str) -> None:
    registry = cloaca.Registry()
    with cloaca.WorkflowBuilder("mail", registry=registry):

        @cloaca.task
        def send(context: cloaca.Context) -> None: ...

    @cloaca.trigger(on="mail", poll_interval="1h", registry=registry)
    def arrived() -> bool:
        return False

    with cloaca.DefaultRunner(database_url, registry=registry) as program:
        program.list_trigger_schedules()  # which writes those of the program first
        assert offered("triggers", "show", "a") == {"arrived": "mail"}
        assert offered("triggers", "show", "x") == {}


def test_runners_are_completed(command: Command, worker: cloaca.DefaultRunner) -> None:
    (line,) = cloaca.Observer(worker).overview().wait().runners

    assert offered("runners", "drain", line.id[:8]) == {line.id: "alive"}


def test_the_database_of_the_options_is_asked(
    command: Command, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = submitted(command, "order")
    monkeypatch.delenv("CLOACA_DATABASE_URL")

    assert offered("runs", "show", "") == {}
    assert offered("--database-url", database_url, "runs", "show", "").keys() == {run_id}
    assert offered("runs", "show", "--database-url", database_url, "").keys() == {run_id}
