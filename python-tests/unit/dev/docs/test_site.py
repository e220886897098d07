"""The builder of the site: what its pages load, and how its failures are told."""

from __future__ import annotations

from dev.docs.site import loaded_by, readable


def test_what_a_page_loads_is_told_from_what_it_links_to() -> None:
    html = '<a href="//far.example/a"></a><script src="b.js"></script><link href="c.css">'

    assert loaded_by(html) == ["b.js", "c.css"]


def test_a_failure_of_the_builder_is_told_without_its_traceback() -> None:
    trace = "Traceback (most recent call last):\n  File …"

    assert readable(f"Build started\n\x1b[33mno such page\x1b[0m\n{trace}") == "no such page"
    assert readable(f"Build started\n{trace}") == trace
