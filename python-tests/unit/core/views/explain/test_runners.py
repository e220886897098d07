"""Which runners may execute a run, and why the others do not."""

from __future__ import annotations

from model.facts_by_hand import NOW, START, attempted, facts, here, run_row, state
from tables import each_row

from cloaca_core.features.explain.facts import Facts
from cloaca_core.features.explain.records import Holds
from cloaca_core.run.rows import RestartRow
from cloaca_core.values.times.instants import SECOND
from cloaca_core.views.explain.explanation import RunnerExplanation
from cloaca_core.views.explain.runners import (
    change_of_version,
    explained_runners,
    lacking_runners,
)

PENDING = run_row("Pending", started_at=None)
NEXT = "bbbbbbbbbbbbbbbb"


def only(known: Facts) -> RunnerExplanation:
    (found,) = explained_runners(known)
    return found


def judged(known: Facts) -> tuple[bool | None, str]:
    return only(known).may_run, only(known).why


def test_runners_are_told_in_their_order_with_what_they_own() -> None:
    runners = [state("r1", owned=3), state("r2", is_here=True), state("r3", fenced=True)]
    found = explained_runners(facts(PENDING, runners=runners, here=here()))
    assert [(each.id, each.alive, each.is_here, each.active_runs) for each in found] == [
        ("r1", True, False, 3),
        ("r2", True, True, 0),
        ("r3", False, False, 0),
    ]


def test_the_owner_runs_it() -> None:
    owner = state(owned=1, owns_workflow=True, is_here=True)
    known = facts(run_row(owner="r1"), runners=[owner])
    assert judged(known) == (True, "owns this run; it owns 1 run")


def test_an_owner_says_which_executors_it_lacks_if_it_is_here() -> None:
    lacks = here(lacks=("gpu", "big"))
    ours = facts(run_row(owner="r1"), runners=[state(is_here=True)], here=lacks)
    text = "it has no executor gpu and big: bodies that ask for it are put off"
    assert judged(ours) == (True, f"owns this run; it owns 0 runs; {text}")
    other = judged(facts(run_row(owner="r1"), runners=[state()], here=lacks))
    assert "executor" not in other[1]


def test_until_when_an_owner_elsewhere_counts_as_alive() -> None:
    owner = state(owned=1, lease_until=NOW + SECOND)
    text = (
        "owns this run; it owns 1 run; its lease ends at 2023-11-14T22:14:21Z, in 1 s, "
        "unless it renews it"
    )
    assert judged(facts(run_row(owner="r1"), runners=[owner])) == (True, text)
    ours = state(owned=1, lease_until=NOW + SECOND, is_here=True)
    known = facts(run_row(owner="r1"), runners=[ours])
    assert judged(known) == (True, "owns this run; it owns 1 run")


def test_another_runner_that_owns_such_runs_may_run_it() -> None:
    known = facts(PENDING, runners=[state(owned=2, owns_workflow=True)])
    text = "has this workflow; it owns 2 runs; how many it may own is not recorded"
    assert judged(known) == (True, text)


def test_of_others_it_is_not_known() -> None:
    known = facts(PENDING, runners=[state(owned=2)], here=here())
    text = "it owns 2 runs, none of this workflow; which workflows it has is not recorded"
    assert judged(known) == (None, text)


@each_row(
    ("ours", "may_run", "why"),
    [
        (here(), True, "has this workflow; it owns 4 runs of at most 10"),
        (
            here(lacks=("gpu",)),
            True,
            (
                "has this workflow; it owns 4 runs of at most 10; "
                "it has no executor gpu: bodies that ask for it are put off"
            ),
        ),
        (here(version=None), False, "has not registered this workflow"),
        (
            here(version=None, near="public::embedded::flows"),
            False,
            "has not registered this workflow; it has flows, did you mean that?",
        ),
        (
            here(claims=False),
            False,
            "has this workflow, but claims nothing: stopped, or opened with start=False",
        ),
        (here(free=0), False, "has this workflow, but its 10 places (max_active_runs) are taken"),
        (
            here(version=NEXT),
            True,
            f"has this workflow; it owns 4 runs; the run goes on under version {NEXT}",
        ),
    ],
)
def test_of_the_runner_of_this_process_all_is_known(ours: object, may_run: bool, why: str) -> None:
    known = facts(PENDING, runners=[state(owned=4, is_here=True)], here=ours)  # type: ignore[arg-type]  # a runner of this process
    assert judged(known) == (may_run, why)


@each_row(
    ("gone", "why"),
    [
        (state(fenced=True), "was declared dead; its runs are taken over"),
        (state(process_ended=True, lease_until=NOW), "its process has ended"),
        (
            state(process_ended=True, lease_until=NOW + SECOND),
            "its process has ended; its lease ends at 2023-11-14T22:14:21Z, in 1 s",
        ),
        (state(lease_until=NOW), "has not renewed its lease, which ended at 2023-11-14T22:14:20Z"),
    ],
)
def test_a_runner_that_is_gone_runs_nothing(gone: object, why: str) -> None:
    known = facts(run_row(owner="r1"), runners=[gone])  # type: ignore[list-item]  # a runner's state
    assert judged(known) == (False, why)
    assert not only(known).alive


@each_row("alive", [state(), state(lease_until=NOW + 1), state(lease_until=START, is_here=True)])
def test_a_lease_that_is_not_over_or_not_needed_is_a_live_runners(alive: object) -> None:
    assert only(facts(PENDING, runners=[alive])).alive  # type: ignore[list-item]  # as above


# -- another version -----------------------------------------------------------------------------


def test_the_same_version_or_none_changes_nothing() -> None:
    assert change_of_version(facts(run_row()), here()) is None
    assert change_of_version(facts(run_row()), here(version=None)) is None
    assert change_of_version(facts(run_row(version="")), here()) is None


def test_a_task_that_is_to_be_tried_again_is_lacking() -> None:
    rows = [attempted("fetch", "Failed", retry_at=NOW), attempted("load", "Completed")]
    lacking = here(version=NEXT, tasks=("report",))
    text = f"the run goes on under version {NEXT}, which lacks fetch: not run then"
    assert change_of_version(facts(run_row(), *rows), lacking) == text


def test_a_body_that_a_process_has_left_is_lacking() -> None:
    rows = [attempted("fetch", "Running"), attempted("load", "Skipped")]
    text = f"the run goes on under version {NEXT}, which lacks fetch: not run then"
    lacking = here(version=NEXT, tasks=("report",))
    assert change_of_version(facts(run_row(), *rows), lacking) == text


def test_a_task_that_runs_again_is_lacking() -> None:
    known = facts(
        run_row("Pending", round=2, started_at=None),
        attempted("fetch", "Completed"),
        attempted("load", "Failed"),
        attempted("report", "Completed"),
        restarts=[RestartRow("r", "load", 2, 2)],
    )
    lacking = here(version=NEXT, tasks=("fetch", "report"))
    text = f"the run goes on under version {NEXT}, which lacks load: not run then"
    assert change_of_version(known, lacking) == text


def test_a_runner_that_refuses_a_run_may_not_run_it() -> None:
    refusing = here(version=NEXT, refuses=True)
    ours = [state(is_here=True)]
    assert only(facts(PENDING, runners=ours, here=refusing)).why == (
        "leaves this run, as its version of the workflow is another one (version_policy)"
    )
    alike = here(version=NEXT, refuses=True, has_same_tasks=True)
    assert only(facts(PENDING, runners=ours, here=alike)).may_run
    begun = facts(run_row(), attempted("fetch", "Completed"), runners=ours, here=refusing)
    assert only(begun).may_run is False
    full = here(version=NEXT, free=0)
    assert only(facts(PENDING, runners=ours, here=full)).may_run is False


def test_a_run_that_a_process_may_have_begun_is_refused() -> None:
    refusing = here(version=NEXT, refuses=True)
    text = change_of_version(facts(run_row(recoveries=1)), refusing)
    assert text is not None
    assert "the run fails when it is claimed" in text


def test_a_runner_that_was_there_before_the_run_leaves_one_of_which_it_lacks_tasks() -> None:
    ours, fewer = [state(is_here=True)], here(version=NEXT, tasks=("fetch", "load"))
    assert only(facts(PENDING, runners=ours, here=fewer)).may_run  # its version came later
    older = here(version=NEXT, tasks=("fetch", "load"), is_older=True)
    known = only(facts(PENDING, runners=ours, here=older))
    assert (known.may_run, known.why) == (False, LEAVES)


# -- runners that lack a task --------------------------------------------------------------------

AGAIN = run_row("Pending", started_at=None, round=2)
LEAVES = "leaves this run, as its version of the workflow lacks report"


def test_runners_that_have_left_a_run_say_which_tasks_they_lack() -> None:
    runners = [state("r1"), state("r2", owned=1, owns_workflow=True), state("r3")]
    known = facts(AGAIN, runners=runners, lacking={"r1": ("report",), "r2": ("load", "report")})

    found = [(each.may_run, each.why) for each in explained_runners(known)]
    assert found[:2] == [(False, LEAVES), (False, LEAVES.replace("report", "load and report"))]
    assert found[2][0] is None


@each_row("holds", [Holds(), Holds(forked=1)])
def test_this_runner_is_about_to_leave_a_run_of_which_it_lacks_a_task(holds: Holds) -> None:
    ours = here(version=NEXT, tasks=("fetch", "load"))
    row = AGAIN if not holds.forked else PENDING
    known = facts(row, runners=[state(is_here=True)], here=ours, holds=holds)
    assert judged(known) == (False, LEAVES)


def test_another_run_goes_on_without_the_task() -> None:
    ours = here(version=NEXT, tasks=("fetch", "load"))
    known = facts(PENDING, runners=[state(is_here=True)], here=ours)
    assert only(known).may_run is True


def test_nothing_is_said_of_tasks_of_a_version_that_is_not_known() -> None:
    ours = here(version=NEXT, tasks=("fetch", "load"))
    known = facts(AGAIN, runners=[state(is_here=True)], here=ours, known_version="c")
    assert only(known).may_run is True


def test_a_runner_that_is_gone_leaves_nothing() -> None:
    known = facts(AGAIN, runners=[state(fenced=True)], lacking={"r1": ("report",)})
    assert lacking_runners(known) == {}
    assert only(known).why == "was declared dead; its runs are taken over"
