"""Functions are found by module and name, and it is known before which cannot be."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tables import each_row
from unit.core.features.executors import foreign_classes

from cloaca_core.errors import ExecutorError
from cloaca_core.features.executors.names import (
    attribute,
    cannot_travel,
    found,
    why_main_cannot_be_imported,
    why_not_by_name,
)

foreign = foreign_classes.foreign
HERE = foreign.__module__


class Jobs:
    @staticmethod
    def crunch() -> None:
        """Is found by its dotted name."""

    @classmethod
    def make(cls) -> type[Jobs]:
        """Is bound to its class, or to one below."""
        return cls

    def method(self) -> None:
        """Is one of an object."""

    def __call__(self) -> None:
        """Is called without a name."""


class Nights(Jobs):
    """Has no function of its own."""


def replaced() -> None:
    """Stands for a function whose name became another's."""


first, replaced = replaced, lambda: None  # as a decorator does


class TestFound:
    def test_it_is_the_one_of_its_module(self) -> None:
        assert found(HERE, "foreign") is foreign
        assert found(__name__, "Jobs.crunch") is Jobs.crunch
        assert found(__name__, "Jobs.make")() is Jobs

    def test_its_module_is_imported(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "jobs_of_a_user.py").write_text("def crunch(): return 7\n")
        monkeypatch.syspath_prepend(tmp_path)
        try:
            assert found("jobs_of_a_user", "crunch")() == 7
        finally:
            del sys.modules["jobs_of_a_user"]

    @each_row(
        ("module", "name", "message"),
        [
            ("not_a_module", "f", "the worker finds no f in the module not_a_module: No module"),
            (HERE, "gone", f"the worker finds no gone in the module {HERE}: "),
            (HERE, "__name__", f"__name__ of the module {HERE} is no function in the worker"),
        ],
    )
    def test_one_that_is_not_there(self, module: str, name: str, message: str) -> None:
        with pytest.raises(ExecutorError) as caught:
            found(module, name)
        assert str(caught.value).startswith(message)


def test_an_attribute_has_a_dotted_name() -> None:
    assert attribute(sys.modules[__name__], "Jobs.crunch.__name__") == "crunch"
    with pytest.raises(AttributeError):
        attribute(Jobs, "crunch.gone")


class TestWhyNot:
    @each_row("function", [foreign, Jobs.crunch, Jobs.make, functools.reduce])
    def test_what_can_be_imported_has_no_reason(self, function: Callable[..., Any]) -> None:
        assert why_not_by_name(function) is None

    @each_row(
        ("function", "reason"),
        [
            (lambda: None, "TestWhyNot.<lambda> is defined within a function"),
            (functools.partial(foreign), "is no function of a module"),
            (Jobs(), "is no function of a module"),
            (Jobs().method, f"Jobs.method is bound to <{__name__}.Jobs object at "),
            (Nights.make, f"Jobs.make is bound to <class '{__name__}.Nights'>"),
            (first, f"replaced of the module {__name__} is another object: it was defined again"),
        ],
        ids=[
            "lambda",
            "partial",
            "callable object",
            "method of an object",
            "method of a class below",
            "replaced",
        ],
    )
    def test_what_cannot_has_one(self, function: Callable[..., Any], reason: str) -> None:
        assert reason in (why_not_by_name(function) or "")

    def test_a_function_whose_module_has_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delitem(sys.modules, HERE)
        assert why_not_by_name(foreign) == f"the module {HERE} has no foreign"

    def test_the_error_says_what_to_do(self) -> None:
        assert cannot_travel("crunch", "cpu", "f is defined within a function") == (
            "task 'crunch' cannot run on executor 'cpu', whose workers import it by name: "
            "f is defined within a function. Define it at the top of a module, under a name of its "
            "own, or give the executor as cloaca.executors.by_value(...), which sends functions "
            "with cloudpickle"
        )


class TestMain:
    """``multiprocessing.spawn`` imports a main module from its name or its file."""

    @pytest.mark.parametrize(
        ("spec", "file", "expected"),
        [
            (None, __file__, None),
            ("app", __file__, None),
            ("tools.app", __file__, None),
            ("tools.__main__", __file__, "tools.__main__ is not imported by them"),
            ("__main__", __file__, "__main__ is not imported by them"),
            (None, None, "the program is no file that they can import"),
            (None, "<stdin>", "the program is no file that they can import"),
        ],
        ids=["script", "-m app", "-m tools.app", "-m tools", "folder", "-c", "stdin"],
    )
    def test_it_is_known_which_can_be_imported(
        self,
        monkeypatch: pytest.MonkeyPatch,
        spec: str | None,
        file: str | None,
        expected: str | None,
    ) -> None:
        main = ModuleType("__main__")
        main.__spec__ = None if spec is None else ModuleSpec(spec, None)
        if file is not None:
            main.__file__ = file
        monkeypatch.setitem(sys.modules, "__main__", main)

        assert why_main_cannot_be_imported() == expected
