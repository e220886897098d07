"""Options that are more than a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from tables import each_row

from cloaca_core.values.times.no_limit import NO_LIMIT
from cloaca_tools.cli.arguments import DURATION, LIMIT, context_of, tags_of


@each_row(
    ("seconds", "text"),
    [
        (90.0, "90"),
        (2.5, "2.5s"),
        (600.0, "10m"),
        (129_600.0, "1d12h"),
        (694_861.0, "1w1d1h1m1s"),
        (0.0, "0"),
    ],
)
def test_a_duration_is_in_seconds(seconds: float, text: str) -> None:
    assert DURATION.convert(text, None, None) == seconds


@each_row("text", ["", "h", "5x", "1h1d", "-5", "none", "1e3"])
def test_another_text_is_no_duration(text: str) -> None:
    with pytest.raises(click.BadParameter, match="no duration"):
        DURATION.convert(text, None, None)


def test_a_limit_may_be_none() -> None:
    assert LIMIT.convert("None", None, None) is NO_LIMIT
    assert LIMIT.convert("2m", None, None) == 120


@each_row(
    ("context", "pairs"),
    [
        ({"name": "ann"}, ["name=ann"]),
        ({"sum": "a=b"}, ["sum=a=b"]),
        ({"n": 7, "l": [1]}, ["n:=7", "l:=[1]"]),
        ({"empty": ""}, ["empty="]),
        ({"n": 2}, ["n:=1", "n:=2"]),
    ],
)
def test_pairs_are_text_or_json(context: dict[str, Any], pairs: list[str]) -> None:
    assert context_of(None, pairs) == context


@each_row("pair", ["name", "=x", ":=1", "n:=x"])
def test_another_pair_is_refused(pair: str) -> None:
    with pytest.raises(click.BadParameter):
        context_of(None, [pair])


def test_pairs_count_more_than_the_file(tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"a": 1, "b": 2}')

    assert context_of(str(file), ["b:=3"]) == {"a": 1, "b": 3}


@pytest.mark.parametrize("text", ["[1]", "{", None])
def test_a_file_without_an_object_is_refused(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "input.json"
    if text is not None:
        file.write_text(text)

    with pytest.raises(click.BadParameter):
        context_of(str(file), [])


def test_tags_are_pairs_of_text() -> None:
    assert tags_of(["shop=oslo", "kind="]) == {"shop": "oslo", "kind": ""}
    assert tags_of([]) is None
    with pytest.raises(click.BadParameter, match="KEY=VALUE"):
        tags_of(["shop"])
