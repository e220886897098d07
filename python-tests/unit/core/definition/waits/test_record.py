"""A node in the record of its workflow is the same without its code."""

from __future__ import annotations

from tables import each_row

from cloaca_core.definition.rules import All, ContextValue, Operator
from cloaca_core.definition.waits.kinds import (
    Approval,
    Child,
    Constant,
    Loop,
    NodeWait,
    Sleep,
    WaitFor,
)
from cloaca_core.definition.waits.record import read_wait, written_wait
from cloaca_core.values.payloads.json_values import decode, encode

WAITS: list[NodeWait] = [
    Sleep(seconds=1.5),
    Sleep(until=1_774_744_200_000_001),
    Sleep(until_key=("order", "due")),
    WaitFor("paid"),
    WaitFor("paid", 5.0, None),
    WaitFor("paid", 5.0, {"n": [1]}),
    Approval("Pay?", ("approve", "reject")),
    Approval("Pay?", ("a",), None, {"type": "object"}, 60.0, "a", "fail"),
    Child("double"),
    Loop(
        "double",
        outputs=("n",),
        until=All((ContextValue("n", Operator.GREATER_THAN, 9),)),
        max_iterations=3,
    ),
    Child("double", (), (), -3, -1, (("of", "node"),), "gpu"),
    Child("double", (("n", ("a", "b")), ("unit", Constant(["kg"])), ("x", Constant(None))), ("n",)),
]


@each_row("wait", WAITS)
def test_what_was_written_is_read(wait: NodeWait) -> None:
    written = decode(encode(dict(written_wait(wait))))

    assert isinstance(written, dict)
    assert read_wait(wait.kind, written) == wait


def test_a_default_that_was_not_given_is_left_out() -> None:
    assert written_wait(WaitFor("paid", 5.0)) == {"event": "paid", "timeout": 5.0}
    assert written_wait(WaitFor("paid", 5.0, None))["default"] is None


def test_an_instant_is_text_for_people() -> None:
    assert written_wait(Sleep(until=0))["until"] == "1970-01-01T00:00:00+00:00"


def test_the_type_of_the_data_stays_behind() -> None:
    wait = Approval("Pay?", ("a",), data_type=Sleep, schema={"type": "object"})

    assert read_wait("approval", dict(written_wait(wait))) == Approval(
        "Pay?", ("a",), schema={"type": "object"}
    )


def test_a_kind_of_a_newer_version_is_left_out() -> None:
    assert read_wait("map", {"items": "chunks"}) is None
