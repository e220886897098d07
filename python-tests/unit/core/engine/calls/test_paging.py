"""Which rows a listing asks for."""

from __future__ import annotations

import sys

import pytest
from tables import each_row

from cloaca_core.engine.calls.paging import checked_page
from cloaca_core.errors import DefinitionError, DefinitionTypeError


def test_without_arguments_it_is_the_first_hundred() -> None:
    assert checked_page(None, None) == {"limit": 100, "offset": 0}


def test_more_than_a_database_can_count_is_everything() -> None:
    assert checked_page(2**80, 3) == {"limit": sys.maxsize, "offset": 3}


@each_row(("limit", "offset", "name"), [(-1, 0, "limit"), (1, -1, "offset")])
def test_a_negative_number_is_refused_by_name(limit: int, offset: int, name: str) -> None:
    with pytest.raises(DefinitionError, match=name):
        checked_page(limit, offset)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(DefinitionTypeError, match="limit"):
        checked_page(True, None)
