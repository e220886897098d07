"""The state of things in a sentence."""

from __future__ import annotations

from tables import each_row

from cloaca_tools.ui.pages.now import lede
from cloaca_tools.views.inbox import WaitingForPeople


@each_row(
    ("failing", "decisions", "stopped", "expected"),
    [
        (0, 0, 0, "Nothing fails, and nothing waits for you."),
        (1, 0, 0, "1 workflow fails."),
        (2, 3, 2, "2 workflows fail. 3 decisions and 2 paused runs wait for you."),
        (0, 1, 0, "1 decision waits for you."),
        (0, 0, 1, "1 paused run waits for you."),
        (0, 100, 0, "99+ decisions wait for you."),
        (0, 1, 1, "1 decision and 1 paused run wait for you."),
    ],
)
def test_the_lede_is_short(failing: int, decisions: int, stopped: int, expected: str) -> None:
    assert lede(failing, WaitingForPeople(decisions, stopped)) == expected


@each_row(
    ("workflows", "triggers", "expected"),
    [(0, 1, "1 trigger fails."), (1, 2, "1 workflow and 2 triggers fail.")],
)
def test_triggers_that_fail_are_told_beside_workflows(
    workflows: int, triggers: int, expected: str
) -> None:
    assert lede(workflows, WaitingForPeople(0, 0), triggers) == expected
