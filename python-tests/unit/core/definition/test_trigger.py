"""The decorator: it registers, and leaves the function as it was."""

from __future__ import annotations

from typing import Any

import pytest

from cloaca_core.definition.registry import Registry, default_registry
from cloaca_core.definition.trigger import trigger
from cloaca_core.errors import ConfigTypeError, DefinitionError


@pytest.fixture
def registry() -> Registry:
    return Registry()


def test_a_decorated_function_is_registered_and_stays_what_it_was(registry: Registry) -> None:
    def found() -> bool:
        return True

    assert trigger(on="w", registry=registry)(found) is found
    (registered,) = registry.triggers()
    assert (registered.name, registered.function) == ("found", found)


def test_the_programs_own_registry_is_the_default() -> None:
    try:

        @trigger(name="test_trigger: default")
        def found() -> bool:
            return True

        assert "test_trigger: default" in {each.name for each in default_registry().triggers()}
    finally:
        default_registry().clear()


def test_wrong_options_are_refused_before_there_is_a_function(registry: Registry) -> None:
    with pytest.raises(DefinitionError, match="Invalid poll_interval"):
        trigger(poll_interval="zz", registry=registry)


def test_a_registry_is_one() -> None:
    given: Any = "registry"
    with pytest.raises(ConfigTypeError, match="registry must be a Registry, not str"):
        trigger(registry=given)


def test_a_refused_function_registers_nothing(registry: Registry) -> None:
    not_a_function: Any = 3
    with pytest.raises(DefinitionError):
        trigger(name="n", registry=registry)(not_a_function)

    assert registry.triggers() == []
