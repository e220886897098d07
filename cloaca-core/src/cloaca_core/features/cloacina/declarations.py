"""Declarations of what feeds a computation graph from outside: reactors, accumulators, boundaries.

They are checked and kept, and nothing runs them: this engine receives no streams. A graph with a
reactor can be run by hand, with ``graph.execute(inputs)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias, TypeVar

from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.arguments import text

AnyT = TypeVar("AnyT")
ClassT = TypeVar("ClassT", bound=type)
FunctionT = TypeVar("FunctionT", bound=Callable[..., object])

ReactionMode: TypeAlias = Literal["when_any", "when_all"]
_MODES: Final = ("when_any", "when_all")


def reactor(
    *, name: str, accumulators: Sequence[str], mode: ReactionMode = "when_any"
) -> Callable[[ClassT], ClassT]:
    """Declare a class as the reactor of computation graphs; it gets ``NAME``, ``ACCUMULATORS`` and
    ``REACTION_MODE``. ``accumulators`` are the names of the inputs of its graphs. Nothing fires it.
    """
    text("name", name)
    names = _names(accumulators)
    if mode not in _MODES:
        raise DefinitionError(
            f"@cloaca.reactor: unknown mode {mode!r}, expected 'when_any' or 'when_all'"
        )

    def declare(kind: ClassT) -> ClassT:
        if not isinstance(kind, type):
            raise DefinitionTypeError(
                "@cloaca.reactor must be applied to a class, such as `class Prices: pass`, got "
                f"{type(kind).__name__}"
            )
        for attribute, value in (
            ("NAME", name),
            ("ACCUMULATORS", names),
            ("REACTION_MODE", mode),
        ):
            setattr(kind, attribute, value)
        return kind

    return declare


def _names(accumulators: object) -> list[str]:
    if not isinstance(accumulators, list | tuple):
        raise DefinitionTypeError(
            "@cloaca.reactor: 'accumulators' must be a list of names, got "
            f"{type(accumulators).__name__}"
        )
    if not accumulators:
        raise DefinitionError("@cloaca.reactor: 'accumulators' list cannot be empty")
    for index, each in enumerate(accumulators):
        text(f"accumulators[{index}]", each)
    return list(accumulators)


def passthrough_accumulator(func: FunctionT) -> FunctionT:
    """Declare a function as an accumulator that hands on each event; the function is unchanged."""
    return _accumulator(func)


def stream_accumulator(
    *,
    type: str,  # noqa: A002 - the public name of the parameter
    topic: str,
    group: str | None = None,
) -> Callable[[FunctionT], FunctionT]:
    """Declare a function as an accumulator of a topic of a stream; nothing connects to it."""
    text("type", type)
    text("topic", topic)
    if group is not None:
        text("group", group)
    return _accumulator


def polling_accumulator(*, interval: str) -> Callable[[FunctionT], FunctionT]:
    """Declare a function as an accumulator that would be polled; nothing polls it."""
    text("interval", interval)
    return _accumulator


def batch_accumulator(
    *, flush_interval: str, max_buffer_size: int | None = None
) -> Callable[[FunctionT], FunctionT]:
    """Declare a function as an accumulator of batches of events; nothing fills them."""
    text("flush_interval", flush_interval)
    if max_buffer_size is not None and _integer("max_buffer_size", max_buffer_size) < 0:
        raise DefinitionError(f"max_buffer_size must be at least 0, got {max_buffer_size}")
    return _accumulator


def state_accumulator(*, capacity: int) -> Callable[[FunctionT], FunctionT]:
    """Declare a function as an accumulator that keeps its last values; nothing fills it."""
    _integer("capacity", capacity)
    return _accumulator


def boundary_schema(**_fields: object) -> Callable[[AnyT], AnyT]:
    """Declare the fields of the events that enter an accumulator; the decorated object is
    unchanged, and the fields are checked by nothing.
    """
    return _unchanged


def _unchanged(decorated: AnyT) -> AnyT:
    return decorated


def _accumulator(function: FunctionT) -> FunctionT:
    if not callable(function):
        raise DefinitionTypeError(
            f"an accumulator decorates a function, got {type(function).__name__}"
        )
    return function


def _integer(parameter: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise DefinitionTypeError(f"{parameter} must be an int, got {type(value).__name__}")
    return value
