"""How a node that waits goes on: by time, by a message, by the end of its time."""

from __future__ import annotations

from typing import Any

import pytest
from tables import each_row

from cloaca_core.definition.waits.kinds import Approval, NodeWait, Sleep, WaitFor
from cloaca_core.errors import ContextValueError
from cloaca_core.features.waits.node_waits import (
    due_at,
    outcome_of_message,
    outcome_of_timeout,
)
from cloaca_core.run.merge import UNCHANGED, Change
from cloaca_core.values.times.instants import SECOND

OPENED = 1_000 * SECOND
PAY = Approval("Pay?", ("approve", "reject"))
STRICT = Approval("Pay?", ("approve", "reject"), reject_policy="fail")
MADE = (
    '{"choice":"reject","by":"ann","at":"1970-01-01T00:00:01+00:00","note":"late","data":{"n":1}}'
)


def failed(outcome: object) -> tuple[str, str]:
    """The class and the message of the error with which a node ends."""
    return type(outcome).__name__, str(outcome)


class TestTheTime:
    @each_row(
        ("wait", "expected"),
        [
            (Sleep(seconds=1.5), OPENED + 1_500_000),
            (Sleep(seconds=0.0), OPENED),
            (Sleep(seconds=1e-9), OPENED + 1),
            (Sleep(until=5), 5),
            # 1970 is an instant too.
            (Sleep(until=0), 0),
            (WaitFor("e"), None),
            (WaitFor("e", 2.0), OPENED + 2 * SECOND),
            (PAY, None),
            (Approval("Pay?", ("a",), timeout=2.0), OPENED + 2 * SECOND),
        ],
    )
    def test_it_counts_from_the_opening_or_is_an_instant(
        self, wait: NodeWait, expected: int | None
    ) -> None:
        assert due_at(wait, "n", OPENED, {}) == expected

    def test_it_is_found_in_the_context(self) -> None:
        context: dict[str, Any] = {"due": "1970-01-01T01:00:01+01:00", "order": {"due": "x"}}

        assert due_at(Sleep(until_key=("due",)), "n", OPENED, context) == SECOND
        context["order"]["due"] = "1970-01-01T00:00:02Z"
        assert due_at(Sleep(until_key=("order", "due")), "n", OPENED, context) == 2 * SECOND

    @each_row(
        ("keys", "message"),
        [
            (("gone",), "task 'n' sleeps until the instant at gone, which its context does not"),
            (("order", "gone"), r"the instant at order\.gone, which"),
            (("text", "due"), r"the instant at text\.due, which"),
            (("text",), "task 'n' .* at text, where its context has 'soon'"),
            (("number",), "at number, where its context has 5: expected a text"),
            (("naive",), "where its context has '2026-03-29T02:30:00'"),
            (("none",), "where its context has None"),
        ],
    )
    def test_another_value_is_refused_by_task_and_key(
        self, keys: tuple[str, ...], message: str
    ) -> None:
        context: dict[str, Any] = {
            "order": {},
            "text": "soon",
            "number": 5,
            "naive": "2026-03-29T02:30:00",
            "none": None,
        }

        with pytest.raises(ContextValueError, match=message) as raised:
            due_at(Sleep(until_key=keys), "n", OPENED, context)

        assert raised.value.path == ".".join(keys)


class TestAMessage:
    def test_a_payload_is_the_value_of_the_node(self) -> None:
        assert outcome_of_message(WaitFor("e"), "n", '{"x":[1]}') == Change({"n": {"x": [1]}}, [])
        assert outcome_of_message(WaitFor("e"), "n", "null") == Change({"n": None}, [])

    def test_a_decision_is_the_value_of_the_node(self) -> None:
        outcome = outcome_of_message(PAY, "ok", MADE)

        assert outcome == Change(
            {
                "ok": {
                    "choice": "reject",
                    "by": "ann",
                    "at": "1970-01-01T00:00:01+00:00",
                    "note": "late",
                    "data": {"n": 1},
                }
            },
            [],
        )

    def test_a_rejection_fails_a_node_whose_policy_says_so(self) -> None:
        assert failed(outcome_of_message(STRICT, "ok", MADE)) == (
            "ApprovalRejectedError",
            "task 'ok' was rejected by ann: late",
        )
        approved = MADE.replace("reject", "approve")
        assert isinstance(outcome_of_message(STRICT, "ok", approved), Change)

    def test_the_error_says_no_more_than_is_known(self) -> None:
        assert failed(outcome_of_message(STRICT, "ok", '{"choice":"reject"}')) == (
            "ApprovalRejectedError",
            "task 'ok' was rejected",
        )


class TestTheEndOfTheTime:
    def test_a_sleep_changes_nothing(self) -> None:
        assert outcome_of_timeout(Sleep(seconds=1.0), "n", SECOND) == UNCHANGED

    @each_row("default", [None, 0, {"x": [1]}])
    def test_a_default_is_taken_in_place_of_a_payload(self, default: Any) -> None:
        outcome = outcome_of_timeout(WaitFor("e", 1.0, default), "n", SECOND)

        assert outcome == Change({"n": default}, [])

    def test_a_default_is_chosen_by_no_person(self) -> None:
        wait = Approval("Pay?", ("approve", "reject"), timeout=1.0, default="reject")

        assert outcome_of_timeout(wait, "ok", SECOND) == Change(
            {
                "ok": {
                    "choice": "reject",
                    "by": None,
                    "at": "1970-01-01T00:00:01+00:00",
                    "note": None,
                    "data": None,
                }
            },
            [],
        )

    def test_a_default_may_reject_and_fail(self) -> None:
        wait = Approval("Pay?", ("reject",), timeout=1.0, default="reject", reject_policy="fail")

        assert failed(outcome_of_timeout(wait, "ok", SECOND)) == (
            "ApprovalRejectedError",
            "task 'ok' was rejected",
        )

    def test_without_a_default_the_node_fails(self) -> None:
        assert failed(outcome_of_timeout(WaitFor("paid", 90.0), "n", SECOND)) == (
            "EventTimeoutError",
            "task 'n' waited 90s for the event 'paid'",
        )
        wait = Approval("Pay?", ("approve",), timeout=0.5)
        assert failed(outcome_of_timeout(wait, "ok", SECOND)) == (
            "EventTimeoutError",
            "task 'ok' waited 0.5s for a decision",
        )
