"""The statements of a noun are a set with the names that its class lists."""

from __future__ import annotations

from cloaca_core.store.sql.base import Statements
from cloaca_core.store.sql.queries import Statement


class Two(Statements, file="two.sql"):
    """Statements in another order than that of the alphabet."""

    second: Statement
    first: Statement


def test_a_set_has_the_names_that_its_class_lists() -> None:
    assert Two.names() == ("second", "first")


def test_its_statements_are_read_by_name_and_in_their_order() -> None:
    one, other = Statement("first", "SELECT 1", ()), Statement("second", "SELECT 2", ())

    found = Two(second=other, first=one)

    assert (found.first, found.second) == (one, other)
    assert list(found) == [other, one]
