"""89: a run is read with the runs below it, and lists have the runs at the top first."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

import cloaca
from cloaca_tools.cli.root import cli
from cloaca_tools.observer import Observer

WAIT = 60

Context = cloaca.Context
Command = Callable[..., str]


@pytest.fixture
def run(runner: cloaca.DefaultRunner) -> cloaca.RunHandle:
    """A run of ``order``: its body runs ``pack`` by a key and submits ``mail``, one time detached;
    a node repeats ``add``; ``pack`` runs ``label``.
    """
    with cloaca.WorkflowBuilder("label"):

        @cloaca.task
        def write(context: Context) -> None: ...

    with cloaca.WorkflowBuilder("mail"):

        @cloaca.task
        def send(context: Context) -> None: ...

    with cloaca.WorkflowBuilder("add"):

        @cloaca.task
        def add(context: Context) -> dict[str, Any]:
            return {"n": context.get("n", 0) + 1}

    with cloaca.WorkflowBuilder("pack"):
        cloaca.child("paste", "label")

    with cloaca.WorkflowBuilder("order"):

        @cloaca.task
        def ship(context: Context, handle: cloaca.TaskHandle) -> None:
            handle.run_workflow("pack", key="north")
            handle.submit("mail").wait(WAIT)
            handle.submit("mail", detached=True).wait(WAIT)

        cloaca.loop(
            "count",
            "add",
            until=cloaca.context_value("n", ">", 1),
            max_iterations=3,
            dependencies=[ship],
        )

    handle = runner.submit("order")
    assert handle.result(WAIT).status == "Completed"
    return handle


@pytest.fixture
def command(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Calls a command on the test's database; its output."""
    monkeypatch.setenv("CLOACA_DATABASE_URL", database_url)

    def call(*arguments: str) -> str:
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code == 0, done.output
        return done.output

    return call


def outline(branch: cloaca.RunBranch, depth: int = 0) -> list[tuple[object, ...]]:
    """What each run of a tree is, and where it stands."""
    number = branch.iteration or branch.call
    own = (depth, branch.run.workflow_name, branch.task, number, branch.kind)
    return [own, *[line for each in branch.children for line in outline(each, depth + 1)]]


@pytest.mark.each_backend
def test_a_tree_has_all_runs_below_a_run_with_their_places(run: cloaca.RunHandle) -> None:
    tree = run.tree()

    assert tree.run.id == run.id
    assert outline(tree) == [
        (0, "order", None, None, None),
        (1, "pack", "ship", "north", "run_workflow"),
        (2, "label", "paste", None, "node"),
        (1, "mail", "ship", "1", None),
        (1, "add", "count", 1, "node"),
        (1, "add", "count", 2, "node"),
    ]
    assert {each.run.status for each in tree.children} == {"Completed"}


def test_a_loop_waits_since_its_first_iteration_began(run: cloaca.RunHandle) -> None:
    _, second = [each.run for each in run.tree().children if each.task == "count"]
    node = run.tasks()["count"]

    assert node.started_at is not None
    assert node.started_at < second.created_at


def test_a_tree_is_bounded_and_counts_what_it_leaves_out(run: cloaca.RunHandle) -> None:
    tree = run.tree(limit=3)

    assert [each.run.workflow_name for each in tree.children] == ["pack", "mail"]
    assert (tree.hidden, [each.hidden for each in tree.children]) == (2, [1, 0])


def test_a_client_and_a_loop_read_the_same_tree(run: cloaca.RunHandle, database_url: str) -> None:
    async def read() -> cloaca.RunBranch:
        async with cloaca.AsyncClient(database_url) as client:
            return await (await client.get_run(run.id)).tree()

    assert asyncio.run(read()) == run.tree()


def test_a_wrong_limit_is_refused(run: cloaca.RunHandle) -> None:
    with pytest.raises(cloaca.ConfigError, match="limit must be 1"):
        run.tree(limit=0)


def test_the_command_draws_the_tree(run: cloaca.RunHandle, command: Command) -> None:
    lines = command("runs", "tree", run.id).splitlines()
    form = json.loads(command("runs", "tree", run.id, "--limit", "3", "--json"))

    assert [line.split("Completed")[0].split(maxsplit=1)[1].strip() for line in lines] == [
        f"order {run.id}",
        "ship[north]  pack",
        "paste  label",
        "ship[1]  mail",
        "count[1]  add",
        "count[2]  add",
    ]
    assert form["tree"]["run"]["id"] == run.id
    assert [each["task"] for each in form["tree"]["children"]] == ["ship", "ship"]
    assert form["tree"]["hidden"] == 2


def test_an_iteration_that_was_begun_anew_is_one_line(
    runner: cloaca.DefaultRunner, command: Command
) -> None:
    fails = True
    with cloaca.WorkflowBuilder("add"):

        @cloaca.task(retry_attempts=1)
        def add(context: Context) -> dict[str, Any]:
            if fails and context.get("n") == 1:
                raise ValueError("no")
            return {"n": context.get("n", 0) + 1}

    with cloaca.WorkflowBuilder("order"):
        until = cloaca.context_value("n", ">", 1)
        cloaca.loop("count", "add", until=until, max_iterations=3)
    run = runner.submit("order")
    run.wait(WAIT)
    fails = False
    run.retry(children=False)  # another run of the second iteration, with the same input
    run.wait(WAIT)

    first, second = run.tree().children
    (before,) = second.earlier
    assert [first.iteration, second.iteration, before.iteration] == [1, 2, 2]
    assert (second.run.status, before.run.status) == ("Completed", "Failed")
    assert {each.id for each in run.children()} == {first.run.id, second.run.id, before.run.id}
    for shown in ("tree", "show"):
        lines = [each for each in command("runs", shown, run.id).splitlines() if "[2]" in each]
        assert len(lines) == 1
        assert lines[0].endswith(f"begun anew after {before.run.id} (Failed)")
    app = cloaca.ui(runner, auth=cloaca.ui_without_auth, hosts=("testserver",))
    with TestClient(app) as browser:
        page = browser.get(f"/runs/{run.id}?task=count").text
    assert f'begun anew after <a class="link" href="/runs/{before.run.id}">' in page
    assert page.count('id="pane-child-') == 2


@pytest.mark.each_backend
def test_lists_have_the_runs_at_the_top_and_open_to_those_below(
    run: cloaca.RunHandle, command: Command
) -> None:
    def listed(*terms: str) -> list[tuple[str, int]]:
        form = json.loads(command("runs", "list", "--json", *terms))
        return [(each["workflow_name"], each["children"]) for each in form["runs"]]

    assert listed() == listed("parent:none") == [("mail", 0), ("order", 4)]  # one is detached
    assert listed("--limit", "1") == [("mail", 0)]
    assert sorted(listed(f"parent:{run.id}")) == [
        ("add", 0),
        ("add", 0),
        ("mail", 0),
        ("mail", 0),
        ("pack", 1),
    ]
    assert len(listed("parent:any")) == 7
    assert listed("-parent:any") == []
    assert listed("-parent:none", "workflow:label") == [("label", 0)]
    # a filter is about all runs
    assert len(listed("status:completed")) == 7


def test_a_search_for_the_top_counts_and_goes_on_from_page_to_page(
    run: cloaca.RunHandle, runner: cloaca.DefaultRunner
) -> None:
    observer = Observer(runner)

    first = observer.runs("parent:none", limit=1).wait()
    rest = observer.runs("parent:none", limit=1, before=first.next).wait()

    assert [each.workflow_name for each in (*first.runs, *rest.runs)] == ["mail", "order"]
    assert rest.next is None
    assert observer.count("parent:none").wait() == 2


def test_the_list_on_the_page_opens_to_children(
    run: cloaca.RunHandle, runner: cloaca.DefaultRunner
) -> None:
    app = cloaca.ui(runner, auth=cloaca.ui_without_auth, hosts=("testserver",))
    with TestClient(app) as browser:
        top = browser.get("/runs").text
        below = browser.get(f"/runs?q=parent:{run.id}").text

    assert top.count("data-row") == 2
    assert "2 runs, newest first" in top
    assert f'href="/runs?q=parent%3A{run.id}"' in top
    assert 'aria-label="4 child runs"' in top
    assert below.count("data-row") == 5
