"""The runs that an act on many is about."""

from __future__ import annotations

import pytest
from starlette.datastructures import QueryParams
from tables import each_row

from cloaca_core.errors import FilterError
from cloaca_tools.ui.acts.bulk_acts import MOST_IDS, Chosen, chosen
from cloaca_tools.ui.refusals import RefusedError

ONE = "01a21be5-11f8-7698-b160-4bb5455456c6"
OTHER = "01a21be5-11b4-7708-96d7-23773acde2a7"


def given(*pairs: tuple[str, str]) -> Chosen:
    return chosen(QueryParams(list(pairs)))


def test_runs_are_chosen_by_their_ids() -> None:
    it = given(("kind", "retry"), ("id", ONE), ("id", OTHER), ("id", ONE), ("q", "status:failed"))

    assert str(it.filter) == f"id:{ONE},{OTHER}"
    assert it.words == ["runs", "retry", ONE, OTHER]
    assert it.q == "status:failed"


def test_or_by_the_filter_of_the_list_whatever_is_selected() -> None:
    it = given(("kind", "cancel"), ("all", "1"), ("id", ONE), ("q", 'tag.k:"a b" since:1h'))

    assert str(it.filter) == 'tag.k:"a b" since:1h'
    assert it.words == ["runs", "cancel", 'tag.k:"a b"', "since:1h"]


def test_no_filter_means_all_runs() -> None:
    """An act needs a term: without any it would be refused."""
    it = given(("kind", "pause"), ("all", "1"))

    assert str(it.filter) == "since:1970-01-01"
    assert it.words == ["runs", "pause", "--all"]


def test_only_so_many_ids_are_taken() -> None:
    ids = [("id", f"01a21be5-11f8-7698-b160-{number:012d}") for number in range(MOST_IDS + 5)]

    assert len(given(("kind", "retry"), *ids).ids) == MOST_IDS


@each_row("which", [("all", "1"), ("id", ONE)])
def test_a_filter_that_cannot_be_read_chooses_nothing(which: tuple[str, str]) -> None:
    with pytest.raises(FilterError, match="no key 'foo'"):
        given(("kind", "cancel"), which, ("q", "foo:bar"))


@each_row(
    ("pairs", "status"),
    [
        ([("kind", "retry")], 422),
        ([("kind", "retry"), ("id", "../../x")], 422),
        ([("kind", "erase"), ("id", ONE)], 404),
        ([("id", ONE)], 404),
    ],
)
def test_anything_else_is_refused(pairs: list[tuple[str, str]], status: int) -> None:
    with pytest.raises(RefusedError) as refused:
        given(*pairs)

    assert refused.value.status == status
