"""Declarations are checked, kept, and change nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tables import each_row

from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.features.cloacina.declarations import (
    batch_accumulator,
    boundary_schema,
    passthrough_accumulator,
    polling_accumulator,
    reactor,
    state_accumulator,
    stream_accumulator,
)

WRONG: Any = object()


def test_a_reactor_is_its_class_with_its_facts() -> None:
    prices: Any = type("Prices", (), {})

    declared = reactor(name="prices", accumulators=["bid", "ask"], mode="when_all")(prices)

    assert declared is prices
    assert declared.NAME == "prices"
    assert declared.ACCUMULATORS == ["bid", "ask"]
    assert declared.REACTION_MODE == "when_all"


def test_a_reactor_reacts_to_any_input_unless_it_says_otherwise() -> None:
    declared: Any = reactor(name="prices", accumulators=["bid"])(type("Prices", (), {}))

    assert declared.REACTION_MODE == "when_any"


@each_row(
    ("call", "error", "message"),
    [
        (lambda: reactor(name="r", accumulators=[]), DefinitionError, "list cannot be empty"),
        (
            lambda: reactor(name="r", accumulators=["a"], mode=WRONG),
            DefinitionError,
            "unknown mode .*, expected 'when_any' or 'when_all'",
        ),
        (lambda: reactor(name="r", accumulators="ab"), DefinitionTypeError, "list of names"),
        (lambda: reactor(name="r", accumulators=[WRONG]), DefinitionTypeError, r"\[0\]"),
        (lambda: reactor(name=WRONG, accumulators=["a"]), DefinitionTypeError, "name must"),
        (
            lambda: reactor(name="r", accumulators=["a"])(WRONG),
            DefinitionTypeError,
            "must be applied to a class",
        ),
    ],
)
def test_a_wrong_reactor_is_refused_where_it_is_declared(
    call: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()


def test_the_function_of_an_accumulator_stays_as_it_is() -> None:
    def read(event: object) -> object:
        return event

    decorators: list[Any] = [
        passthrough_accumulator,
        stream_accumulator(type="kafka", topic="orders", group="cars"),
        polling_accumulator(interval="5s"),
        batch_accumulator(flush_interval="1s", max_buffer_size=10),
        state_accumulator(capacity=3),
        boundary_schema(order=int, total=float),
    ]

    assert all(decorate(read) is read for decorate in decorators)


@each_row(
    ("call", "error", "message"),
    [
        (lambda: passthrough_accumulator(WRONG), DefinitionTypeError, "decorates a function"),
        (lambda: stream_accumulator(type=WRONG, topic="t"), DefinitionTypeError, "type must"),
        (lambda: stream_accumulator(type="t", topic=WRONG), DefinitionTypeError, "topic must"),
        (
            lambda: stream_accumulator(type="t", topic="t", group=WRONG),
            DefinitionTypeError,
            "group must",
        ),
        (lambda: polling_accumulator(interval=WRONG), DefinitionTypeError, "interval must"),
        (lambda: batch_accumulator(flush_interval=WRONG), DefinitionTypeError, "flush_interval"),
        (
            lambda: batch_accumulator(flush_interval="1s", max_buffer_size=-1),
            DefinitionError,
            "max_buffer_size must be at least 0, got -1",
        ),
        (lambda: state_accumulator(capacity=WRONG), DefinitionTypeError, "capacity must"),
    ],
)
def test_a_wrong_accumulator_is_refused_where_it_is_declared(
    call: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()
