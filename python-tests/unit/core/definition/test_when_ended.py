"""What follows the ends of runs is checked when it is told."""

from __future__ import annotations

from typing import Any

import pytest
from tables import each_row

from cloaca_core.definition.context import Context
from cloaca_core.definition.when_ended import WhenEnded, read_when_ended
from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.states import RunStatus

FLOW = "acme::shop::nightly"


def read(statuses: object = "Failed", submit: object = "alert", context: Any = None) -> WhenEnded:
    return read_when_ended(FLOW, statuses, submit, context)


@each_row(
    ("given", "found"),
    [
        ("Failed", ("Failed",)),
        (RunStatus.CANCELLED, ("Cancelled",)),
        (["Failed", "Completed"], ("Failed", "Completed")),
        (("Failed", "Failed"), ("Failed",)),  # once
        (iter(["Completed"]), ("Completed",)),
        ({"Completed"}, ("Completed",)),
    ],
)
def test_one_state_or_several(given: object, found: tuple[str, ...]) -> None:
    assert read(given).statuses == found
    assert [type(each) for each in read("Failed").statuses] == [str]


@each_row(
    ("given", "error", "text"),
    [
        ("Pending", DefinitionError, 'unknown statuses "Pending": expected one of Completed, Fail'),
        ("failed", DefinitionError, 'unknown statuses "failed"'),
        (["Failed", "Running"], DefinitionError, 'unknown statuses "Running"'),
        ((), DefinitionError, "must name one or several of Completed, Failed, Cancelled"),
        ([7], DefinitionTypeError, "statuses must be a str, got int"),
        (None, DefinitionTypeError, "statuses must be one or several of .*, got NoneType"),
        (b"Failed", DefinitionTypeError, "got bytes"),
        ({"Failed": 1}, DefinitionTypeError, "got dict"),
    ],
)
def test_other_states_are_refused(given: object, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        read(given)


@each_row(
    ("given", "found"),
    [
        ("alert", "acme::shop::alert"),
        ("other::shop::alert", "other::shop::alert"),
        ("nightly", FLOW),
    ],
)
def test_a_name_is_one_of_the_same_tenant_and_package(given: str, found: str) -> None:
    assert read(submit=given).submit == found


@each_row(
    ("given", "error", "text"),
    [
        ("", DefinitionError, "submit '' must have 1 to 255 characters"),
        ("a\n", DefinitionError, "must not contain control characters"),
        ("shop::alert", DefinitionError, "its full one, tenant::package::workflow; got 'shop::a"),
        ("a::b::c::d", DefinitionError, "tenant::package::workflow"),
        ("a::::c", DefinitionError, "submit '' must have 1 to 255 characters"),
        (3, DefinitionTypeError, "submit must be a str, got int"),
    ],
)
def test_other_names_are_refused(given: object, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        read(submit=given)


def test_a_context_is_kept_as_it_is_now() -> None:
    given = {"to": ["ann"]}
    found = read(context=given).context
    given["to"].append("bob")

    assert found == {"to": ["ann"]}
    assert read(context=Context({"n": 1})).context == {"n": 1}
    assert read().context == {}
    with pytest.raises(TypeError):
        found["to"] = []  # type: ignore[index] # the point of the test


@each_row("key", ["run_id", "workflow_name", "status", "error"])
def test_the_keys_that_tell_of_the_end_are_not_to_be_taken(key: str) -> None:
    with pytest.raises(
        DefinitionError, match=f"which tell of the run that has ended; it has {key}"
    ):
        read(context={key: 1})


def test_a_run_may_follow_one_of_its_own_workflow_but_not_after_a_cancel() -> None:
    assert read(["Completed", "Failed"], "nightly").submit == FLOW
    assert read("Cancelled", "acme::shop::other").submit == "acme::shop::other"

    for name in ("nightly", FLOW):
        with pytest.raises(DefinitionError, match="could never be stopped"):
            read(["Failed", "Cancelled"], name)
