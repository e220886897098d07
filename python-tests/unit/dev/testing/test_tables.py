"""A table is one test, which runs all of its rows and fails with those that fail."""

from __future__ import annotations

import inspect

import pytest
from tables import each_row


def test_each_row_is_run_with_the_fixtures() -> None:
    seen: list[tuple[object, ...]] = []

    @each_row("a, b", [(1, 2), pytest.param(3, 4, id="named")])
    def run(a: int, b: int, fixture: str) -> None:
        seen.append((a, b, fixture))

    assert list(inspect.signature(run).parameters) == ["fixture"]
    run(fixture="f")
    assert seen == [(1, 2, "f"), (3, 4, "f")]


@each_row("rows", [[(), (1,)], [[], [1]]])
async def test_a_row_of_one_value_is_that_value(rows: list[object]) -> None:
    seen: list[object] = []

    @each_row("value", rows)
    async def run(value: object) -> None:
        seen.append(value)

    await run()
    assert seen == rows


def test_rows_go_on_behind_one_that_fails_and_a_failure_names_its_row() -> None:
    @each_row("value", [1, 2, pytest.param(3, id="three"), "4"])
    def run(value: object) -> None:
        with pytest.raises(ZeroDivisionError):  # what it raises itself is no Exception
            _ = 1 // (value != 2)
        raise ValueError

    with pytest.raises(BaseExceptionGroup, match="4 of 4 rows failed") as failed:
        run()
    notes = [each.__notes__ for each in failed.value.exceptions]
    assert notes == [[f"in the row {row}"] for row in ("1", "2", "three", "'4'")]


def test_one_failure_is_raised_as_it_is() -> None:
    @each_row("value", ["a", "b"], ids=["first", "second"])
    def run(value: str) -> None:
        assert value == "a"

    with pytest.raises(AssertionError) as failed:
        run()
    assert failed.value.__notes__ == ["in the row second"]


def test_an_argument_that_the_test_does_not_take_is_refused() -> None:
    with pytest.raises(TypeError, match="run takes no wrong"):

        @each_row("wrong", [1])
        def run(value: int) -> None:
            raise AssertionError(value)
