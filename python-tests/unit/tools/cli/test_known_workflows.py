"""The names that a command tells of when it does not know a workflow."""

from __future__ import annotations

import pytest
from tables import each_row

from cloaca_core.errors import WorkflowNotFoundError
from cloaca_tools.cli.failures import Failure
from cloaca_tools.cli.known_workflows import SHOWN, listed_names, naming_known


@each_row(
    ("expected", "known"),
    [
        ([], []),
        # full names are left out
        (["Known workflows: ask, bill"], ["bill", "ask", "public::embedded::ordnr"]),
        # the nearest one stands first
        (["Known workflows: ordre, ask, bill"], ["bill", "ask", "ordre"]),
    ],
)
def test_names_are_listed(expected: list[str], known: list[str]) -> None:
    assert listed_names("ordnr", known) == expected


def test_no_more_than_ten_are_listed() -> None:
    (line,) = listed_names("zz99", [f"w{number:04}" for number in range(1_500)] + ["zz98"])

    assert (
        line == f"Known workflows: zz98, {', '.join([f'w{n:04}' for n in range(9)])} and 1,491 more"
    )
    assert line.count(",") == SHOWN


def test_a_workflow_that_is_not_found_keeps_its_code() -> None:
    with pytest.raises(Failure) as ended, naming_known(lambda: ["order"]):
        raise WorkflowNotFoundError("no workflow", name="ordre")

    assert (ended.value.message, ended.value.exit_code) == (
        "no workflow\nKnown workflows: order",
        1,
    )
