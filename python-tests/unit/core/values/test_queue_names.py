"""The names of queues."""

from __future__ import annotations

import pytest
from tables import each_row

from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.queue_names import checked_queue, is_queue_name, most_asked


@each_row("name", ["a", "x" * 100, "gpu large", "größer", "a:b"])
def test_a_name_is_any_short_printable_text(name: str) -> None:
    assert checked_queue("queue", name) == name


@each_row("name", ["", "x" * 101, "a,b", "a=1", " a", "a ", "a\nb", "a\0"])
def test_a_name_that_lists_could_not_hold_is_refused(name: str) -> None:
    assert not is_queue_name(name)
    with pytest.raises(DefinitionError, match=r"^queue must be 1 to 100 printable characters"):
        checked_queue("queue", name)


def test_another_type_is_a_type_error() -> None:
    with pytest.raises(DefinitionTypeError, match="queue must be a str, got int"):
        checked_queue("queue", 7)


def test_of_equal_numbers_the_first_is_asked_for_most() -> None:
    assert most_asked(["b", "a", "a", "b"]) == "b"
    assert most_asked(["b", "a", "a"]) == "a"
