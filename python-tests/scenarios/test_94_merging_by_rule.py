"""94: a workflow says by which rule a key is merged where branches that changed it meet."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner
from scenarios.test_74_workflow_pages import Web

import cloaca
from cloaca_tools.cli.root import cli


def keep(context: cloaca.Context) -> None:
    """Change nothing."""


def add(key: str, number: int) -> Any:
    return lambda context: {key: context.get(key, 0) + number}


@pytest.mark.each_backend
def test_what_each_branch_added_counts_once(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("basket").merge("total", "sum").merge("prices", "append"):
        for name in ("ann", "bob"):
            cloaca.task(id=name)(
                lambda c: {"prices": [*c["prices"], 3], "total": c["total"] + 3, "who": "x"}
            )
        cloaca.task(id="join", dependencies=["ann", "bob"])(
            lambda c: {"seen": [c["total"], c["prices"]]}
        )
        cloaca.task(id="late", dependencies=["bob"])(add("total", 100))

    final = runner.execute("basket", {"total": 10, "prices": [1]}).final_context

    assert final["seen"] == [16, [1, 3, 3]]
    assert (final["total"], final["prices"]) == (116, [1, 3, 3])  # at the end, too


@pytest.mark.parametrize(
    ("rule", "result"), [("sum", 12), ("min", 5), ("max", 7), ("last", 5), ("append", None)]
)
def test_each_rule_in_a_diamond(runner: cloaca.DefaultRunner, rule: Any, result: Any) -> None:
    with cloaca.WorkflowBuilder("diamond").merge("n", rule):
        cloaca.task(id="top")(lambda c: {"n": 0})
        cloaca.task(id="left", dependencies=["top"])(lambda c: {"n": 7})
        cloaca.task(id="right", dependencies=["top"])(lambda c: {"n": 5})
        cloaca.task(id="join", dependencies=["left", "right"])(lambda c: {"joined": True})

    ended = runner.execute("diamond")

    if result is not None:
        assert ended.final_context["n"] == result
    else:
        assert ended.task_results["join"].error == (
            "MergeError: the rule append of key 'n' merges lists, and task 'left' wrote a number"
        )
        assert ended.task_results["join"].attempts == 1


@pytest.mark.each_backend
def test_values_that_do_not_fit_fail_the_task_at_which_they_meet(
    runner: cloaca.DefaultRunner,
) -> None:
    """Whatever kind of node it is. A task that cleans up sees the key as without the rule."""
    with cloaca.WorkflowBuilder("odd").merge("n", "sum"):
        cloaca.task(id="one")(lambda c: {"n": 1})
        cloaca.task(id="text")(lambda c: {"n": "two"})
        cloaca.task(id="body", dependencies=["one", "text"])(lambda c: {"ran": True})
        cloaca.task(id="map", dependencies=["one", "text"], map="items")(lambda c, item: item)
        cloaca.approval("node", "Pay?", dependencies=["one", "text"])
        cloaca.task(id="clean", dependencies=["body"], trigger_rules=cloaca.always())(
            lambda c: {"cleaned": c["n"]}
        )

    ended = runner.execute("odd", {"items": [1, 2]})

    told = "MergeError: the rule sum of key 'n' merges numbers, and task 'text' wrote a text"
    assert {ended.task_results[name].error for name in ("body", "map", "node")} == {told}
    assert ended.error_message is not None
    assert ended.error_message.endswith(f"first error: body: {told}")
    assert ended.final_context["cleaned"] == "two"
    assert "ran" not in ended.final_context


def test_a_child_run_does_not_begin_with_them(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("below"):
        cloaca.task(id="body")(keep)
    with cloaca.WorkflowBuilder("above").merge("n", "sum"):
        cloaca.task(id="one")(lambda c: {"n": 1})
        cloaca.task(id="text", dependencies=["one"])(lambda c: {"n": "two"})
        cloaca.task(id="other", dependencies=["one"])(lambda c: {"n": 2})
        cloaca.child("start", "below", dependencies=["text", "other"])

    handle = runner.submit("above")

    assert handle.result().task_results["start"].error_type == "MergeError"
    assert list(handle.children()) == []


def test_values_that_meet_at_the_end_fail_the_run(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("ends").merge("n", "max"):
        cloaca.task(id="one")(lambda c: {"n": 1})
        cloaca.task(id="text")(lambda c: {"n": [2]})

    ended = runner.execute("ends")

    assert ended.status == "Failed"
    assert ended.error_message == (
        "final context: the rule max of key 'n' merges numbers, and task 'text' wrote a list"
    )


def test_a_branch_that_failed_or_was_skipped_adds_nothing(runner: cloaca.DefaultRunner) -> None:
    mended: list[int] = []

    def bad(context: cloaca.Context) -> dict[str, Any]:
        context["n"] = 1000
        if not mended:
            raise RuntimeError("on purpose")
        return {"n": 20}

    with cloaca.WorkflowBuilder("some").merge("n", "sum"):
        cloaca.task(id="one")(add("n", 3))
        cloaca.task(id="bad", retry_attempts=1)(bad)
        cloaca.task(id="skipped", dependencies=["bad"])(add("n", 500))
        cloaca.task(
            id="join", dependencies=["one", "bad", "skipped"], trigger_rules=cloaca.always()
        )(lambda c: {"joined": c["n"]})

    handle = runner.submit("some", {"n": 10})
    assert handle.result().final_context["joined"] == 13
    mended.append(1)
    runner.retry(handle.id)

    assert handle.result().final_context["joined"] == 13 + 510


def test_a_fork_merges_what_it_kept(runner: cloaca.DefaultRunner) -> None:
    with cloaca.WorkflowBuilder("fork").merge("n", "sum"):
        cloaca.task(id="one")(add("n", 3))
        cloaca.task(id="two")(add("n", 4))
        cloaca.task(id="join", dependencies=["one", "two"])(lambda c: {"joined": c["n"]})

    first = runner.submit("fork", {"n": 10})
    assert first.result().final_context["joined"] == 17

    forked = runner.fork(first.id, "two", context={"n": 40})  # in place of 10, and 4 are added
    assert forked.result().final_context["joined"] == 47


def test_two_maps_that_fill_one_list(runner: cloaca.DefaultRunner) -> None:
    """A rule is of any key, so the result of a map is a value that can be merged."""
    with cloaca.WorkflowBuilder("maps").merge("left", "append"):
        cloaca.task(id="left", map="items")(lambda c, item: item + 1)
        cloaca.task(id="other")(lambda c: {"left": ["other"]})
        cloaca.task(id="join", dependencies=["left", "other"])(keep)

    assert runner.execute("maps", {"items": [1, 2]}).final_context["left"] == [2, 3, "other"]


def test_people_see_the_rules_of_a_workflow(
    runner: cloaca.DefaultRunner, database_url: str
) -> None:
    with cloaca.WorkflowBuilder("sums").merge("n", "sum").merge("names", "append"):
        cloaca.task(id="one")(keep)
    runner.execute("sums").raise_for_status()

    shown = CliRunner().invoke(cli, ["--database-url", database_url, "workflows", "show", "sums"])

    assert "merges    n by sum, names by append\n" in shown.stdout
    assert "n by sum, names by append" in Web(runner).text("/workflow", name="sums")
