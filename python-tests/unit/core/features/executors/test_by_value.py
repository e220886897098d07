"""Marking an executor whose workers get functions by value."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import pytest

from cloaca_core.errors import ConfigError
from cloaca_core.features.executors.by_value import ByValue, by_value

MODULE = sys.modules["cloaca_core.features.executors.by_value"]
"""Its package has a function of this name."""


def test_an_executor_or_a_function_that_makes_one_is_kept_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _install_cloudpickle(monkeypatch)

    assert by_value(ThreadPoolExecutor) == ByValue(ThreadPoolExecutor)
    with ThreadPoolExecutor(1) as pool:
        assert by_value(pool).executor is pool


def test_without_cloudpickle_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "find_spec", lambda _name: None)

    with pytest.raises(ConfigError, match="pip install cloudpickle") as caught:
        by_value(ThreadPoolExecutor)

    assert caught.value.field == "executors"


def _install_cloudpickle(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("cloudpickle")
    monkeypatch.setitem(sys.modules, "cloudpickle", module)
    monkeypatch.setattr(MODULE, "find_spec", lambda _name: module)
