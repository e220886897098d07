"""A feature is asked what it writes with a batch only if the batch has rows of it."""

from __future__ import annotations

import pytest
from tables import each_row

from cloaca_core.store.batch import Batch, Kind
from cloaca_core.store.sql.commit_part import CommitPart, Stages, Steps, steps_at

APPLES, PEARS = Kind[str]("apples"), Kind[str]("pears")


class Feature:
    """Counts how often it is asked."""

    def __init__(self, kind: Kind[str], *, after_ends: bool = False) -> None:
        self.asked = 0
        self.part = CommitPart(
            kinds=frozenset((kind,)), after_ends=after_ends, succession=self._succession
        )

    def _succession(self, _: Batch) -> Steps:
        self.asked += 1
        return {}


@each_row(
    ("rows", "ends", "asked"),
    [
        ([APPLES], False, (1, 0)),
        ([PEARS], False, (0, 1)),
        # The ends of runs of schedules concern one of them.
        ([APPLES], True, (1, 1)),
        ([], True, (0, 1)),
        ([APPLES, PEARS], False, (1, 1)),
    ],
)
def test_features_without_rows_are_not_asked(
    rows: list[Kind[str]], ends: bool, asked: tuple[int, int]
) -> None:
    one, other = Feature(APPLES), Feature(PEARS, after_ends=True)
    batch = Batch("r1", [], [], [], {}, rows={kind: ["x"] for kind in rows})
    stages = Stages([one.part, other.part]).asked(batch.rows, ends=ends)

    steps_at(stages.succession, batch)

    assert (one.asked, other.asked) == asked


def test_rows_that_no_feature_writes_are_a_mistake_and_not_lost() -> None:
    with pytest.raises(LookupError, match="pears"):
        Stages([Feature(APPLES).part]).asked({PEARS: ["x"]})
