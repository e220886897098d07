"""An open approval as users see it: its form, and its text."""

from __future__ import annotations

from cloaca_core.features.waits.approvals import OpenApproval, open_approvals
from cloaca_core.features.waits.records import OpenApprovalRow

NOW = 1_700_000_000_000_000
ROW = OpenApprovalRow(
    run_id="r",
    workflow="public::embedded::order",
    task_id="pay",
    name="signed",
    opened_at=NOW,
    due_at=NOW + 60_000_000,
    detail=(
        '{"prompt":"Pay 90?","choices":["approve","reject"],"schema":{"type":"object",'
        '"properties":{"amount":{"type":"integer"},"text":{"type":"string"}},'
        '"required":["amount"]}}'
    ),
    run_status="Waiting",
    tags='{"customer":"7"}',
)


def test_it_has_what_the_rows_have() -> None:
    (found,) = open_approvals([ROW])

    assert found == OpenApproval(
        run_id="r",
        workflow_name="order",
        task_id="pay",
        prompt="Pay 90?",
        choices=("approve", "reject"),
        schema={
            "type": "object",
            "properties": {"amount": {"type": "integer"}, "text": {"type": "string"}},
            "required": ["amount"],
        },
        opened_at="2023-11-14T22:13:20.000000+00:00",
        expires_at="2023-11-14T22:14:20.000000+00:00",
        tags={"customer": "7"},
        name="signed",
    )


def test_its_text_is_for_people() -> None:
    (found,) = open_approvals([ROW])
    assert str(found).splitlines() == [
        "signed of order: Pay 90?",
        "  choices  approve, reject",
        "  run      r",
        "  since    2023-11-14T22:13:20.000000+00:00",
        "  until    2023-11-14T22:14:20.000000+00:00",
        "  data     amount, text?",
        "  tags     customer=7",
    ]


def test_its_text_has_no_more_than_there_is() -> None:
    plain = ROW._replace(due_at=None, detail='{"prompt":"Go?","choices":["approve"]}', tags="{}")
    (found,) = open_approvals([plain])
    assert (found.schema, found.expires_at) == (None, None)
    assert str(found).splitlines() == [
        "signed of order: Go?",
        "  choices  approve",
        "  run      r",
        "  since    2023-11-14T22:13:20.000000+00:00",
    ]


def test_a_schema_without_fields_is_pointed_at() -> None:
    bare = ROW._replace(detail='{"prompt":"Go?","choices":["approve"],"schema":{"$ref":"#/x"}}')
    (found,) = open_approvals([bare])
    assert "  data     see its schema" in str(found).splitlines()


def test_a_damaged_row_does_not_hide_the_others() -> None:
    damaged = ROW._replace(detail="{", tags="[")
    first, second = open_approvals([damaged, ROW])
    assert (first.prompt, first.choices, first.tags) == ("", (), {})
    assert second.prompt == "Pay 90?"
