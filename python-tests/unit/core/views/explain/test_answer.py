"""The answer puts together what is said of the run, its tasks and the runners."""

from __future__ import annotations

from model.facts_by_hand import NOW, facts, failed, here, run_row, state

from cloaca_core.values.times.instants import SECOND
from cloaca_core.views.explain.answer import explanation
from cloaca_core.views.task_results import Wait


def test_the_main_reason_comes_first() -> None:
    row = run_row("Waiting", due_at=NOW + SECOND)
    found = explanation(facts(row, failed("fetch", retry_at=NOW + SECOND), runners=[state()]))
    assert (found.run_id, found.workflow_name, found.status) == ("r", "flow", "Waiting")
    assert found.code == "retry"
    assert found.waits_for == Wait("retry", "fetch", "2023-11-14T22:14:21.000000+00:00")
    assert [each.task_id for each in found.tasks] == ["fetch", "load", "report"]
    assert [each.id for each in found.runners] == ["r1"]
    assert (found.at, found.notes) == ("2023-11-14T22:14:20.000000+00:00", ())


def test_a_run_that_has_ended_needs_no_runner() -> None:
    row = run_row("Completed", ended_at=NOW)
    assert explanation(facts(row, runners=[state()], here=here())).runners == ()


def test_what_is_not_known_is_said() -> None:
    (note,) = explanation(facts(run_row(), tasks=None, known_version=None)).notes
    assert note.startswith("no definition of this workflow is registered here or recorded")
    (note,) = explanation(facts(run_row(), known_version="bbbbbbbbbbbbbbbb")).notes
    assert note == (
        "the tasks are those of version bbbbbbbbbbbbbbbb of the workflow: version "
        "aaaaaaaaaaaaaaaa, with which the run was submitted, is not known here"
    )


def test_a_run_that_was_made_without_a_version_has_none_to_be_missed() -> None:
    newest = ("bbbbbbbbbbbbbbbb", ("fetch", "load"))
    known = facts(run_row(version=""), known_version="bbbbbbbbbbbbbbbb", newest=newest)
    text = (
        "the tasks are those of version bbbbbbbbbbbbbbbb of the workflow: none was known when the "
        "run was made"
    )
    assert explanation(known).notes == (text,)


def test_runners_elsewhere_may_have_another_version() -> None:
    newest = ("bbbbbbbbbbbbbbbb", ("fetch", "load"))
    text = (
        "the run was submitted with version aaaaaaaaaaaaaaaa of the workflow, and the version that "
        "a runner has registered last is bbbbbbbbbbbbbbbb, which lacks report; whether the run "
        "goes on under that one, waits for a runner of its own or fails is not recorded"
    )
    assert explanation(facts(run_row(), newest=newest)).notes == (text,)
    assert explanation(facts(run_row(), newest=newest, here=here(version=None))).notes == (text,)
    assert explanation(facts(run_row(), newest=newest, here=here())).notes == ()
    same = ("aaaaaaaaaaaaaaaa", ("fetch",))
    assert explanation(facts(run_row(), newest=same)).notes == ()
    ended = run_row("Completed", ended_at=NOW)
    assert explanation(facts(ended, newest=newest)).notes == ()


def test_a_note_tells_who_leaves_a_run_that_was_begun_again() -> None:
    newest = ("bbbbbbbbbbbbbbbb", ("fetch", "load"))
    row = run_row("Pending", started_at=None, round=2)
    text = (
        "the run was planned by version aaaaaaaaaaaaaaaa of the workflow, and the version that a "
        "runner has registered last is bbbbbbbbbbbbbbbb, which lacks report: that runner leaves "
        "the run to others"
    )
    assert explanation(facts(row, newest=newest)).notes == (text,)
    (note,) = explanation(facts(row, known_version="bbbbbbbbbbbbbbbb")).notes
    assert note.endswith("by which the run was planned, is not known here")
