"""How much rows of features weigh."""

from __future__ import annotations

from cloaca_core.features.follow_ups.records import FOLLOW_UPS, NewFollowUp
from cloaca_core.run.rows import ROW_BYTES


def test_what_follows_an_end_weighs_as_much_as_its_context() -> None:
    row = NewFollowUp("f", "run", 0, "Failed", "alert", "x" * 100)

    assert FOLLOW_UPS.weight([row]) == ROW_BYTES + 100
