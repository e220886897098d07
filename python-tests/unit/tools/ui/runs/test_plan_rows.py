"""The plan of a retry or a fork as rows, and the command line that does the same."""

from __future__ import annotations

from cloaca_core.features.reruns.results import Plan, PlanItem
from cloaca_tools.ui.runs.plan_rows import KEPT_SHOWN, RUN_SHOWN, PlanRow, shown

PLAN = Plan(
    keep=(PlanItem("load", "succeeded"),),
    run=(PlanItem("publish", "failed"), PlanItem("notify", "depends on publish")),
    drop=(PlanItem("gone", "the definition has no such task"),),
)
STATUSES = {"load": "Completed", "publish": "Failed", "notify": "Skipped"}


def test_rows_begin_with_what_runs() -> None:
    found = shown("retry", PLAN, STATUSES, "01a2")

    assert found.rows == (
        PlanRow("publish", "run", "failed", "Failed", is_free=True),
        PlanRow("notify", "run", "comes after publish", "Skipped", is_free=False),
        PlanRow("gone", "drop", "the definition has no such task", "", is_free=False),
        PlanRow("load", "keep", "succeeded", "Completed", is_free=True),
    )
    assert (found.says, found.dropped) == ("Run 2, keep 1", 1)
    assert (found.chosen, found.by_default) == (("publish",), True)
    assert found.words == ("runs", "retry", "01a2")
    assert found.drawn == {"publish": "again", "notify": "again", "load": "keep", "gone": "drop"}


def test_a_task_that_its_rule_has_skipped_may_be_skipped_again() -> None:
    found = shown(
        "fork",
        PLAN,
        STATUSES,
        "01a2",
        ["publish"],
        by_rule={"notify"},
        above={"publish": ["load"], "notify": ["publish"]},
    )

    assert found.says == "Fork, run 1 to 2, keep 1"
    assert found.rows[1].why == "comes after publish; its rule decides anew"


def test_a_task_of_another_branch_is_skipped_again_by_its_rule() -> None:
    """So is one after it; a task that ran all the same runs again, and one after that may."""
    above = {
        "publish": ["load"],
        "refund": ["load"],
        "tell": ["refund"],
        "always": ["tell"],
        "last": ["always"],
    }
    again = ("publish", *list(above)[1:])
    plan = Plan(PLAN.keep, tuple([PlanItem(each, "skipped") for each in again]), ())
    found = shown(
        "fork",
        plan,
        dict.fromkeys(above, "Skipped"),
        "01a2",
        ["publish"],
        by_rule={"publish", "refund", "tell", "last"},
        above=above,
    )

    assert found.says == "Fork, run 1 to 3, keep 1, skip 2"
    assert [row.task for row in found.rows if row.verdict == "skip"] == ["refund", "tell"]
    assert {row.why for row in found.rows if row.verdict == "skip"} == {"its rule skips it again"}
    assert (found.drawn["refund"], found.drawn["always"]) == ("skip", "again")


def test_a_choice_stands_in_the_command() -> None:
    plan = Plan((), (PlanItem("it's", "chosen"), PlanItem("b", "never started")), ())
    found = shown("retry", plan, {"it's": "Completed", "b": "NotStarted"}, "01a2", ["it's"])

    assert [row.is_free for row in found.rows] == [True, False]
    assert (found.chosen, found.by_default) == (("it's",), False)
    assert found.words == ("runs", "retry", "01a2", "--task", "it's")


def test_a_fork_begins_at_its_task() -> None:
    found = shown("fork", PLAN, STATUSES, "01a2", ["publish"])

    assert (found.says, found.names) == ("Fork, run 2, keep 1", ("load", "publish", "notify"))
    assert (found.words, found.last_words) == (("runs", "fork", "01a2"), ("publish",))


def test_of_many_kept_tasks_the_first_have_rows() -> None:
    keep = tuple([PlanItem(f"t{number}", "succeeded") for number in range(20)])
    plan = Plan(keep, (), ())

    assert len(shown("retry", plan, {}, "01a2").rows) == KEPT_SHOWN
    assert shown("retry", plan, {}, "01a2").hidden == 20 - KEPT_SHOWN
    assert len(shown("retry", plan, {}, "01a2", everything=True).rows) == 20


def test_of_many_tasks_that_run_the_first_have_rows_and_none_is_lost() -> None:
    names = [f"t{number}" for number in range(RUN_SHOWN + 5)]
    plan = Plan((), tuple([PlanItem(name, "failed") for name in names]), ())
    found = shown("retry", plan, {}, "01a2")

    assert (len(found.rows), found.hidden_run, found.count) == (RUN_SHOWN, 5, RUN_SHOWN + 5)
    assert found.unseen == tuple(names[RUN_SHOWN:])
    assert {row.task for row in found.rows} | set(found.unseen) == set(found.chosen)
    assert shown("retry", plan, {}, "01a2", everything=True).unseen == ()
