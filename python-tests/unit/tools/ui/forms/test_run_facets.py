"""The choices beside the list of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cloaca_tools.ui.forms.filter_line import filter_line
from cloaca_tools.ui.forms.run_facets import RunFacet, Value, run_facets
from cloaca_tools.views.lists.facets import Facets

FOUND = Facets(
    number=3,
    is_all=True,
    statuses=(("Failed", 2), ("Completed", 1)),
    workflows=(("order", 3),),
    queues=(("default", 3),),
    tags=((("shop", "no"), 2), (("token", "x"), 1)),
)


def masked(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: "***" if key == "token" else value for key, value in tags.items()}


def facets(q: str, found: Facets = FOUND) -> dict[str, RunFacet]:
    return {each.name: each for each in run_facets(filter_line([q]), found, masked)}


def test_each_value_is_a_filter_with_its_count() -> None:
    found = facets("since:1h")

    assert list(found) == ["State", "Workflow", "Tag"]  # there is one queue, the default
    assert len(found["State"].values) == 8
    assert Value("Failed", "since:1h status:Failed", 2, is_chosen=False) in found["State"].values
    assert Value("Paused", "since:1h status:Paused", 0, is_chosen=False) in found["State"].values
    assert found["Workflow"].values == (
        Value("order", "since:1h workflow:order", 3, is_chosen=False),
    )


def test_a_chosen_value_is_removed_by_its_link_also_if_no_run_has_it() -> None:
    found = facets("workflow:mail tag.shop:no")

    assert found["Workflow"].chosen == "mail"
    assert found["Workflow"].values[1] == Value("mail", "tag.shop:no", 0, is_chosen=True)
    assert found["Tag"].chosen == "shop=no"
    assert found["Tag"].values[0] == Value("shop=no", "workflow:mail", 2, is_chosen=True)


def test_a_secret_is_no_choice() -> None:
    assert [each.label for each in facets("")["Tag"].values] == ["shop=no"]


def test_queues_are_a_choice_where_there_are_several() -> None:
    found = facets("", replace(FOUND, queues=(("default", 2), ("gpu", 1))))

    assert [each.text for each in found["Queue"].values] == ["queue:default", "queue:gpu"]
