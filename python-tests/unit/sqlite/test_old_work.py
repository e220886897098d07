"""Which files a release of cloaca 0.x has made."""

from __future__ import annotations

import pytest

from cloaca_sqlite.old_work import _instant, release_of

COMMON = {"contexts", "task_executions", "__diesel_schema_migrations"}


@pytest.mark.parametrize(
    ("tables", "release"),
    [
        (COMMON | {"pipeline_executions"}, "0.2"),
        (COMMON | {"workflow_executions"}, "0.12"),
        (COMMON, None),
        ({"workflow_executions"}, None),
        (set(), None),
    ],
)
def test_a_release_is_known_by_its_tables(tables: set[str], release: str | None) -> None:
    assert release_of(tables) == release


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:01.000002999+00:00", 1_000_002),  # 0.x writes nanoseconds
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01 00:00:01", 1_000_000),
        (None, None),
    ],
)
def test_instants_are_read_as_they_were_written(text: str | None, instant: int | None) -> None:
    assert _instant(text) == instant
