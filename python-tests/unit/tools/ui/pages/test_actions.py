"""Acts of a person or a kind."""

from __future__ import annotations

from dataclasses import replace

from tables import each_row

from cloaca_core.features.steering.records import ACT_KINDS
from cloaca_core.views.history import Action
from cloaca_tools.ui.pages.actions import kinds_of, lines_of, together
from cloaca_tools.ui.words.schedule_texts import ACTS


def act(by: str, kind: str) -> Action:
    return Action(f"{by}-{kind}", "2026-11-27T07:30:00+00:00", kind, "r", "flow", by, None, True)


@each_row(
    ("chosen", "kinds"),
    [
        ("", None),
        ("cancel", ["cancel"]),
        ("triggers", ["enable_trigger", "disable_trigger"]),
        ("limits", ["set_limit", "clear_limit", "define_limit"]),
        ("runners", ["drain_runner"]),
        ("no such kind", ["no such kind"]),
    ],
)
def test_a_group_has_its_kinds(chosen: str, kinds: list[str] | None) -> None:
    assert kinds_of(chosen) == kinds


def test_each_kind_of_act_has_words() -> None:
    assert tuple(ACTS) == ACT_KINDS


def test_an_act_of_two_lists_counts_once() -> None:
    """One call that steers several runs makes an act of each, under one id."""
    one, started = act("ann", "pause"), replace(act("bob", "submit"), id="other")
    another = replace(one, run_id="another")

    assert together([started, one, another], [one, another]) == [started, one, another]


def test_an_act_on_several_runs_is_one_row_that_leads_to_them() -> None:
    one = replace(act("ann", "retry"), id="7")
    other = replace(one, run_id="another", workflow_name="mail")
    alone = act("bob", "pause")
    both, single = lines_of([one, other, alone])

    assert (both.act, both.runs, both.workflows) == (one, 2, ("flow", "mail"))
    assert (both.filter, both.mark) == ("by:ann act:7", other.mark)
    assert (single.runs, single.mark) == (1, alone.mark)
