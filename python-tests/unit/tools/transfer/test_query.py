"""Values of any type are shown as JSON takes them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tables import each_row

import cloaca
from cloaca_core.features.transfer.backends import Rows
from cloaca_tools.transfer.query import QueryAnswer, _shown, query_database


@each_row(
    ("shown", "value"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        ("inf", float("inf")),
        ("00ff", b"\x00\xff"),
        ("2026-03-01T00:00:00+00:00", datetime(2026, 3, 1, tzinfo=UTC)),
        ("1.50", Decimal("1.50")),
        ({"a": ["ff"]}, {"a": [b"\xff"]}),
    ],
)
def test_a_value_is_shown_as_json_takes_it(shown: object, value: Any) -> None:
    answer = _shown(Rows(["x"], [(value,)], more=True))

    assert answer == QueryAnswer(("x",), ((shown,),), more=True)
    assert answer.to_dict() == {"columns": ["x"], "rows": [[shown]], "more": True}


def test_the_statement_is_asked_of_the_database(tmp_path: Path) -> None:
    path = tmp_path / "work.db"
    cloaca.Client(path).shutdown()

    assert query_database(path, "SELECT count(*) AS n FROM cloaca_run").rows == ((0,),)
    with pytest.raises(TypeError, match="sql"):
        query_database(path, b"SELECT 1")  # type: ignore[arg-type] # on purpose
