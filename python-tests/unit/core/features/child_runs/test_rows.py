"""Which end of a child a body waits for, and of which ends parents are told."""

from __future__ import annotations

from model.runs import active_run, graph_of
from tables import each_row

from cloaca_core.features.child_runs.records import (
    FAILED_PARENTS,
    TOLD_ENDS,
    FailedParent,
    NodeChild,
    ToldEnd,
)
from cloaca_core.features.child_runs.rows import (
    awaited_end,
    failed_parent_rows,
    message_of_end,
    row_of_child,
    told_end_rows,
)
from cloaca_core.features.steps.records import MemoRow
from cloaca_core.values.child_kinds import NODE, RUN_WORKFLOW
from cloaca_core.values.waits import EVENT, RUN, end_name, run_of_end
from cloaca_testing.conformance.rows import memo, run_end


def heard(name: str, attempt: int = 2, kind: str = RUN) -> MemoRow:
    """An attempt has heard of an end, or of something else."""
    return memo("r")._replace(kind=kind, name=name, attempt=attempt)


@each_row(
    ("number", "memos", "name"),
    [
        (1, [], "c"),
        (3, [], "c:3"),
        (3, [heard("c:2")], "c:2"),
        (3, [heard("c:10"), heard("c:2")], "c:2"),
        (3, [heard("c")], "c"),
        (3, [heard("c", attempt=1)], "c:3"),  # a new attempt asks anew
        (3, [heard("d:2"), heard("c:2", kind=EVENT)], "c:3"),
    ],
)
def test_a_body_waits_for_the_round_of_which_its_attempt_has_heard_else_for_the_present_one(
    number: int, memos: list[MemoRow], name: str
) -> None:
    assert awaited_end("c", number, 2, memos) == name


def test_the_name_of_an_end_leads_to_its_run() -> None:
    assert [run_of_end(end_name("c", number)) for number in (1, 2)] == ["c", "c"]


def test_the_message_of_an_end_is_that_of_the_table() -> None:
    """See the store's contract: ``test_each_round_of_a_child_ends_by_a_name_of_its_own``."""
    row = active_run(graph_of(a={}), child_kind=RUN_WORKFLOW).row
    ended = row._replace(id="c", parent_id="p", status="Failed", ended_at=7)

    first, second = (message_of_end(ended._replace(round=number)) for number in (1, 2))

    assert (first.run_id, first.number, first.sent_at) == ("p", 0, 7)
    assert (first.kind, first.name, first.id) == (RUN, "c", "c:1")
    assert (second.kind, second.name, second.id) == (RUN, "c:2", "c:2")
    assert second.payload == '{"round":2,"status":"Failed"}'


def test_a_child_that_is_ours_has_its_queues() -> None:
    child = NodeChild(
        *("p", "c", "flow", "v", "{}", "{}", "p::a::i-1.0@1", 5, 3, None, None),
        queue="cpu",
        asked_queue="gpu",
        owner="r1",
    )

    row = row_of_child(child)

    assert (row.queue, row.asked_queue, row.child_kind) == ("cpu", "gpu", NODE)


def test_only_the_parent_of_a_child_of_some_kind_is_told() -> None:
    run = active_run(graph_of(a={}))
    child = active_run(graph_of(a={}), child_kind=RUN_WORKFLOW)

    assert told_end_rows(run) == {}
    assert told_end_rows(child) == {TOLD_ENDS: (ToldEnd(child.id),)}


def test_only_a_run_that_fails_and_may_have_waited_cancels_children() -> None:
    run = active_run(graph_of(a={}))
    ends = [run_end(run.id, status=status) for status in ("Failed", "Completed", "Cancelled")]

    assert [failed_parent_rows(run, end) for end in ends] == [{}, {}, {}]
    run.awaits_children = True
    marked = {FAILED_PARENTS: (FailedParent(run.id),)}
    assert [failed_parent_rows(run, end) for end in ends] == [marked, {}, {}]
