"""What a caller names becomes the search for acts."""

from __future__ import annotations

from typing import Any

import pytest
from tables import each_row

from cloaca_core.errors import ConfigError, ConfigTypeError, FilterError
from cloaca_core.features.steering.records import ActMark, ActSearch
from cloaca_core.store.acts import ActRow
from cloaca_core.views.history import actions
from cloaca_tools.views.actions import search

SECOND = 1_000_000


def row(act_id: str, run_id: str) -> ActRow:
    return ActRow(act_id, run_id, "w", 1, "cancel", "ann", None, 1, 7 * SECOND + 9)


@each_row(("act_id", "run_id"), [("x", "r"), ("x", ""), ("by/hand", "r")])
def test_a_list_goes_on_from_the_mark_of_an_action(act_id: str, run_id: str) -> None:
    (action,) = actions([row(act_id, run_id)])

    found = search(None, None, action.mark, submissions=True)

    assert found == ActSearch(before=ActMark(7 * SECOND + 9, act_id, run_id))


def test_kinds_are_a_set() -> None:
    assert search("ann", ["cancel", "cancel"], None, submissions=False) == ActSearch(
        "ann", frozenset({"cancel"}), None, submissions=False
    )


@each_row(
    "before",
    [
        *("", "yesterday", "2026-11-27T07:30:00+00:00", "x/y/z", "2026-11-27/x/y"),
        "2026-11-27T07:30:00+00:00/x\0/y",
    ],
)
def test_what_is_no_mark_is_refused(before: str) -> None:
    with pytest.raises(FilterError, match="is not the mark of an action"):
        search(None, None, before, submissions=True)


def test_a_text_is_no_collection_of_kinds() -> None:
    with pytest.raises(ConfigTypeError, match="kinds: a collection of names"):
        search(None, "cancel", None, submissions=True)


@each_row(
    ("given", "says"),
    [
        ({"by": "\0"}, "by must have 1 to 255 characters, no NUL"),
        ({"by": ""}, "by must have 1 to 255 characters"),
        ({"by": 7}, "by must be a str, not int"),
        ({"kinds": ["\0"]}, "an item of kinds must have 1 to 255 characters, no NUL"),
        ({"before": 7}, "before must be a str, not int"),
    ],
)
def test_what_no_database_can_look_for_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        search(**{"by": None, "kinds": None, "before": None, **given}, submissions=True)
