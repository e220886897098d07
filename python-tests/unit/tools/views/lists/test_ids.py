"""A reference names one run, or says why it does not."""

from __future__ import annotations

import pytest
from model.observed import Observed
from tables import each_row

from cloaca_core.errors import AmbiguousRunError, ConfigTypeError, RunNotFoundError
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import new_run
from cloaca_tools.views.lists import ids


@pytest.fixture
async def observed() -> Observed:
    observed = Observed()
    await submit(observed.store, *[new_run(name, owner=None) for name in ("a1", "a2", "b1")])
    return observed


@each_row(
    ("ref", "expected"),
    [("@", "b1"), ("@~0", "b1"), ("@~2", "a1"), ("b", "b1"), (" B1 ", "b1"), ("a2", "a2")],
)
async def test_a_reference_is_a_run(observed: Observed, ref: str, expected: str) -> None:
    assert await ids.resolved(observed.engine, ids.checked_ref(ref)) == expected


@each_row("ref", ["c", "@~3", "@x", "@~", "", "a run"])
async def test_none_is_not_found(observed: Observed, ref: str) -> None:
    with pytest.raises(RunNotFoundError) as none:
        await ids.resolved(observed.engine, ids.checked_ref(ref))
    assert none.value.run_id == ref


async def test_several_are_named(observed: Observed) -> None:
    with pytest.raises(AmbiguousRunError, match="a2, a1") as several:
        await ids.resolved(observed.engine, "a")
    assert several.value.candidates == ("a2", "a1")


async def test_a_mark_is_a_reference_or_the_id_of_a_run_that_may_be_gone(
    observed: Observed,
) -> None:
    gone = "0190abcd-0000-7000-8000-000000000000"

    assert await ids.marked(observed.engine, "b") == "b1"
    assert await ids.marked(observed.engine, gone) == gone


def test_other_types_are_refused() -> None:
    with pytest.raises(ConfigTypeError):
        ids.checked_ref(3)  # type: ignore[arg-type]  # what a caller without types may give
