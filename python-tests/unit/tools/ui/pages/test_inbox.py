"""What the inbox makes of approvals and acts."""

from __future__ import annotations

from dataclasses import replace

from cloaca_core.features.waits.approvals import OpenApproval
from cloaca_core.values.payloads.redaction import Redaction
from cloaca_core.views.history import Action
from cloaca_tools.ui.forms.schema_fields import Field
from cloaca_tools.ui.pages.inbox import Wrong, card, decided_in, done_in
from cloaca_tools.views.inbox import Question


def question(run_id: str = "r", task: str = "sign") -> Question:
    asked = OpenApproval(
        run_id=run_id,
        workflow_name="flow",
        task_id=task,
        prompt="ok?",
        choices=("approve", "reject"),
        schema={"type": "object", "properties": {"n": {"type": "integer"}}},
        opened_at="2026-11-27T07:30:00+00:00",
        expires_at=None,
        tags={},
        name=task,
    )
    return Question(asked, {"sold": 1}, None)


def act(kind: str, reason: str | None, *, changed: bool = True) -> Action:
    return Action("a", "2026-11-27T07:30:00+00:00", kind, "r", "flow", "ann", reason, changed)


def test_a_card_has_the_fields_and_the_facts_of_its_decision() -> None:
    found = card(question(), None, Redaction())

    assert [field.name for field in found.fields] == ["data.n"]
    assert found.facts.shown[0].label == "Sold"
    assert (found.id, found.note, found.error) == ("ask-r-sign", "", "")


def test_a_form_that_was_filled_in_wrongly_keeps_what_it_had_and_no_other_card_does() -> None:
    filled = (Field("data.n", "n", "N", "integer", value="many", error="must be a whole number"),)
    wrong = Wrong("r", "sign", filled, note="seen", error="no")

    assert card(question(), wrong, Redaction()).fields == filled
    assert (
        card(question(), wrong, Redaction()).note,
        card(question(), wrong, Redaction()).error,
    ) == ("seen", "no")
    assert card(question(task="other"), wrong, Redaction()).note == ""
    assert card(question(run_id="other"), wrong, Redaction()).fields != filled


def test_decisions_are_told_from_other_acts() -> None:
    acts = [
        act("approve", "sign: approve, fine: by me"),
        act("cancel", None),
        act("approve", "sign: reject, too much"),
        act("resume", "terminal is back"),
        act("resume", None),
        act("resume", None, changed=False),
        replace(act("resume", "of all runs of a workflow"), run_id=None),
    ]

    assert [(each.task, each.choice, each.rejects) for each in decided_in(acts)] == [
        ("sign", "approve, fine: by me", False),
        ("sign", "reject, too much", True),
        ("", "resumed, terminal is back", False),
        ("", "resumed", False),
    ]


def test_the_act_that_was_done_last_with_a_run_is_told() -> None:
    acts = [
        act("cancel", None, changed=False),
        act("cancel", "sold out"),
        act("resume", None),
        act("approve", "sign: approve"),
        act("fork", None),
    ]

    def told(*since: Action, task: str = "") -> str | None:
        found = done_in(since, "r", task)
        return None if found is None else found.choice

    assert told(*acts) == "cancelled, sold out"
    assert told(*acts[2:]) == "resumed"
    assert told(*acts, task="sign") == "approve"
    assert told(*acts[3:]) is None
    assert done_in(acts, "other", "") is None
