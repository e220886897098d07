"""Which transactions make runs claimable that claims may look past."""

from __future__ import annotations

import re

from every_statement import every_statement
from tables import each_row

from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row, Statement
from cloaca_postgres.statements import WORDING
from cloaca_postgres.wakeups.late_runs import ANSWERED, AS_OF, LATE, LONG_AGO, PARKING, are_late

NOW = 1_700_000_000_000_000
OLD = NOW - LATE - 1
HOLDING = {"cancel_unowned", "cancel_run", "expire_runs", "end_cancelled", "pause_new_children"}
"""Statements that take a run from its owner, or free it, to end or to pause it."""
BESIDE = {"insert_follow_up", "start_after_cancelled"}
"""Statements that are always beside others, by which they are known."""

_MAKES_CLAIMABLE = re.compile(
    r"""INSERT\ INTO\ cloaca_run\ \(
        | UPDATE\ cloaca_run\b .* (\bowner|\bdue_at|\bpaused_at)\ =\ (NULL|CASE)
        | UPDATE\ cloaca_run\b .* \bbehind\ =\ \(
        | DELETE\ FROM\ cloaca_paused_workflow""",
    re.VERBOSE | re.DOTALL,
)


def one(name: str, **values: object) -> Step:
    """A statement that was executed once."""
    return Step(Statement(name, "", tuple(values)), tuple(values.values()))


def many(name: str, *rows: dict[str, object]) -> Step:
    """A statement of several rows."""
    return Step(Statement(name, "", tuple(rows[0])), rows=[tuple(row.values()) for row in rows])


def test_every_statement_after_which_a_run_is_claimable_is_known() -> None:
    statements = every_statement("cloaca_postgres", WORDING)
    found = {name for name, each in statements.items() if _MAKES_CLAIMABLE.search(each.sql)}

    known = {*LONG_AGO, *ANSWERED, PARKING, *AS_OF, *BESIDE, *HOLDING}
    assert found - known == set()
    assert known <= statements.keys()
    assert {
        n for n, parameter in AS_OF.items() if parameter not in statements[n].parameters
    } == set()


@each_row(
    ("step", "answer", "expected"),
    [
        (one("claim"), [], False),
        *((one(name), [], True) for name in sorted(LONG_AGO)),
        *((one(name, **{at: NOW - LATE}), [], False) for name, at in AS_OF.items()),
        *((one(name, **{at: OLD}), [], True) for name, at in AS_OF.items()),
        (one("start_next"), [], False),  # nobody waited behind the ended run
        (one("start_next"), [("a",)], True),
        (one("make_due_claimable"), [("a", NOW - LATE)], False),
        (one("make_due_claimable"), [("a", NOW), ("b", OLD)], True),
        (many(PARKING, {"due_at": NOW, "begun": 1, "parked_at": OLD}), [], False),
        (many(PARKING, {"due_at": None, "begun": 1, "parked_at": NOW}), [], False),
        (many(PARKING, {"due_at": None, "begun": 1, "parked_at": OLD}), [], True),
        (many(PARKING, {"due_at": None, "begun": 0, "parked_at": NOW}), [], True),
        # runs of our own are not for others to claim
        (many("insert_run", {"owner": "r1", "created_at": OLD}), [], False),
        (
            many(
                "insert_run",
                {"owner": "r1", "created_at": OLD},
                {"owner": None, "created_at": NOW},
            ),
            [],
            False,
        ),
        (many("insert_plain_run", {"owner": None, "created_at": OLD}), [], True),
        (many("end_run", {"ended_at": OLD}), [], False),
    ],
)
def test_runs_are_late_if_they_were_claimable_long_before_they_were_committed(
    step: Step, answer: list[Row], expected: bool
) -> None:
    assert are_late([step], [answer], NOW) is expected


def test_a_run_that_follows_another_is_claimable_since_its_end() -> None:
    follows = many("insert_follow_up", {"id": "a"})

    assert are_late([many("end_run", {"ended_at": OLD}), follows], [[], []], NOW)
    assert not are_late([many("end_run", {"ended_at": NOW}), follows], [[], []], NOW)
