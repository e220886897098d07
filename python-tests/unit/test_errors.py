"""The tree of exceptions: each carries its facts, also into another process."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable

import pytest

from cloaca_core import errors
from cloaca_core.errors import CloacaError

KINDS = [
    kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, CloacaError) and not name.startswith("_")
]


def facts_of(kind: type[CloacaError]) -> dict[str, object]:
    """A value for each fact that the constructor takes."""
    parameters = inspect.signature(kind.__init__).parameters.values()
    return {each.name: ("a", "b") for each in parameters if each.kind is each.KEYWORD_ONLY}


@pytest.mark.parametrize("kind", KINDS)
def test_facts_are_attributes(kind: type[CloacaError]) -> None:
    error = kind("what happened", **facts_of(kind))

    assert {name: getattr(error, name) for name in facts_of(kind)} == facts_of(kind)
    assert str(error) == "what happened"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "again",
    [
        copy.copy,
        lambda error: pickle.loads(pickle.dumps(error)),  # noqa: S301 - its own pickle
    ],
)
def test_a_copy_has_the_same_facts(
    kind: type[CloacaError], again: Callable[[CloacaError], CloacaError]
) -> None:
    error = kind("what happened", **facts_of(kind))
    error.add_note("and where")

    other = again(error)

    assert type(other) is kind
    assert (str(other), other.args, vars(other)) == (str(error), error.args, vars(error))
