"""The tree is the one that is drawn; every error is also the built-in that 0.x raised there."""

from __future__ import annotations

import builtins
import copy
import inspect
import pickle
import re
from typing import Any

from tables import each_row

from cloaca_core import errors
from cloaca_core._version import __version__
from cloaca_core.errors import (
    AmbiguousBackendError,
    BodyCancelled,
    BodySignal,
    CloacaError,
    ConfigError,
    ContextKeyError,
    ContextTypeError,
    ContextValueError,
    PipelineTimeoutError,
    WorkflowValidationError,
    missing_extra,
)

_BRANCH = re.compile(
    r"(?P<indent>[ │]*)(?:[├└]── )?(?P<name>\w+Error|WorkerLost)\b *(?:\((?P<also>[\w, ]+)\))?"
)


def _public() -> dict[str, type[CloacaError]]:
    """Every class that can be raised by name."""
    return {
        name: kind
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, CloacaError) and not name.startswith("_")
    }


def _drawn() -> dict[str, tuple[str | None, set[str]]]:
    """The parent and the built-ins of each class, as the tree in the docstring says."""
    drawing = inspect.cleandoc(errors.__doc__ or "").split("\n\n")[1]
    above: list[str] = []
    tree: dict[str, tuple[str | None, set[str]]] = {}
    for line in inspect.cleandoc(drawing).splitlines():
        match = _BRANCH.match(line)
        assert match is not None, line
        depth = match.start("name") // 4
        del above[depth:]
        also = match["also"].split(", ") if match["also"] else []
        tree[match["name"]] = (above[-1] if above else None, set(also))
        above.append(match["name"])
    return tree


def _built_ins(kind: type) -> set[str]:
    """The built-in exceptions that a class derives from, without those that every one has."""
    found = {each.__name__ for each in kind.__mro__ if each.__module__ == builtins.__name__}
    return found - {"object", "BaseException", "Exception", "LookupError", "OSError"}


def test_the_tree_is_drawn_whole() -> None:
    assert set(_drawn()) == set(_public())


@each_row(("name", "parent", "also"), [(n, *rest) for n, rest in _drawn().items()])
def test_a_class_hangs_where_the_tree_shows_it(
    name: str, parent: str | None, also: set[str]
) -> None:
    kind = _public()[name]
    if parent is None:
        assert kind is CloacaError
        return
    inherited = _built_ins(_public()[parent])

    assert parent == next(each.__name__ for each in kind.__mro__[1:] if each in _public().values())
    assert _built_ins(kind) == inherited | also


@each_row(
    ("name", "built_in"),
    [
        # As cloaca 0.2 and 0.12 raise in the same place.
        ("ContextKeyError", KeyError),
        ("DefinitionError", ValueError),
        ("ConfigError", ValueError),
        ("WorkflowNotFoundError", ValueError),
        ("PipelineTimeoutError", ValueError),
        ("RunnerClosedError", ValueError),
        ("BackendNotFoundError", ImportError),
        ("AmbiguousBackendError", ImportError),
        ("BackendVersionError", ImportError),
        ("StoreOpenError", ValueError),
        ("SecretsNotConfiguredError", RuntimeError),
        ("SecretDeniedError", PermissionError),
        # Added by the contract.
        ("PipelineTimeoutError", TimeoutError),
        ("RunnerClosedError", RuntimeError),
        ("RunNotFoundError", KeyError),
        ("ContextTypeError", TypeError),
        ("DefinitionTypeError", TypeError),
        ("ConfigTypeError", TypeError),
        ("UnknownSettingError", AttributeError),
    ],
)
def test_older_programs_catch_what_they_caught(name: str, built_in: type[Exception]) -> None:
    assert issubclass(_public()[name], built_in)


def test_signals_pass_what_catches_errors() -> None:
    """A body that catches all errors of cloaca, or all there are, is ended all the same."""
    assert issubclass(BodyCancelled, BodySignal)
    assert not issubclass(BodySignal, Exception)


# -- facts ---------------------------------------------------------------------------------------


def _facts(kind: type[CloacaError]) -> dict[str, object]:
    """A value for each fact that the constructor takes."""
    parameters = inspect.signature(kind.__init__).parameters.values()
    return {each.name: ("a", "b") for each in parameters if each.kind is each.KEYWORD_ONLY}


@each_row("kind", _public().values())
def test_facts_are_attributes_and_the_message_is_the_text(kind: type[CloacaError]) -> None:
    error = kind("what happened", **_facts(kind))

    assert {name: getattr(error, name) for name in _facts(kind)} == _facts(kind)
    assert str(error) == "what happened"


@each_row(
    ("error", "facts"),
    [
        (ContextValueError("m"), {"path": ""}),
        (WorkflowValidationError("m"), {"missing": None}),
        (ConfigError("m"), {"field": ""}),
        (PipelineTimeoutError("m"), {"run_id": None, "timeout": None}),
        (AmbiguousBackendError("m", names=["a", "b"]), {"names": ("a", "b")}),
        (CloacaError("m"), {"accepted": ()}),
    ],
)
def test_a_fact_that_is_not_known_says_so(error: CloacaError, facts: dict[str, Any]) -> None:
    assert {name: getattr(error, name) for name in facts} == facts


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    error = missing_extra("cloaca.metrics", "metrics", "prometheus_client")

    assert (error.extra, error.package) == ("metrics", "prometheus_client")
    command = f'pip install "cloaca[metrics]=={__version__}"'
    assert str(error) == f"cloaca.metrics needs the package prometheus_client: {command}"


@each_row("kind", [ContextKeyError, CloacaError, PipelineTimeoutError])
def test_an_error_without_a_message_has_an_empty_text(kind: Any) -> None:
    assert str(kind("")) == ""


# -- between processes ---------------------------------------------------------------------------


def _sent(error: CloacaError) -> Any:
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - it was made here


def _samples() -> list[CloacaError]:
    """One error of each class, with its facts."""
    return [kind("what happened", **_facts(kind)) for kind in _public().values()]


@each_row("error", _samples())
def test_an_error_passes_whole_from_one_process_to_another(error: CloacaError) -> None:
    """As the result of a process pool does; one that cannot be read there breaks the pool."""
    error.add_note("on the way")
    for copied in (_sent(error), copy.copy(error)):
        assert type(copied) is type(error)
        assert copied.args == ("what happened",)
        assert str(copied) == "what happened"
        assert vars(copied) == vars(error)


def test_the_handles_of_accepted_runs_stay_with_their_runner() -> None:
    error = ContextTypeError("what happened", path="contexts[3]")
    error.accepted = [lambda: "a handle holds what cannot be pickled"]

    received = _sent(error)

    assert (received.path, received.accepted) == ("contexts[3]", ())
