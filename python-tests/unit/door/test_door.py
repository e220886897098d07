"""The door: everything public comes from ``cloaca``, by name, typed and documented."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import get_type_hints

import pytest
from tables import each_row

import cloaca
from cloaca_core import errors
from cloaca_core._version import __version__ as core_version
from cloaca_core.store import backends

SOURCE = ast.parse(Path(cloaca.__file__).read_text("utf-8"))
NOT_IN_ALL = {"annotations", "TYPE_CHECKING"}
"""What the door needs for itself."""


def _imports() -> list[tuple[str, str]]:
    """The door's imports, as (name, name in the door); private names are machinery."""
    # Names that are imported on first use stand in a block for type checkers alone.
    put_off = [node for node in SOURCE.body if ast.unparse(node).startswith("if TYPE_CHECKING:")]
    lists = [SOURCE.body, *(node.body for node in put_off if isinstance(node, ast.If))]
    imports = [node for each in lists for node in each if isinstance(node, ast.ImportFrom)]
    found = [node for node in imports if node.module != "cloaca"]  # a package of the door's own
    pairs = [(each.name, each.asname or each.name) for node in found for each in node.names]
    return [(name, called) for name, called in pairs if called[0] != "_" or called[:2] == "__"]


def test_all_is_a_literal_that_a_type_checker_can_read() -> None:
    (assigned,) = [
        node.value
        for node in SOURCE.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]

    assert ast.literal_eval(assigned) == cloaca.__all__


def test_what_is_found_when_asked_for_is_offered_as_the_rest_is() -> None:
    assert set(cloaca.__all__) <= set(dir(cloaca))
    assert "TYPE_CHECKING" not in dir(cloaca)


def test_all_names_each_thing_once() -> None:
    assert len(set(cloaca.__all__)) == len(cloaca.__all__)


def test_what_is_imported_is_exported_and_nothing_else_is() -> None:
    defined = {node.name for node in SOURCE.body if isinstance(node, ast.FunctionDef)}
    imported = {called for _, called in _imports()}
    public = (imported | defined) - NOT_IN_ALL

    assert set(cloaca.__all__) == public


def test_every_import_says_that_it_is_a_re_export() -> None:
    """``from x import y as y``: what editors and strict type checkers take for public."""
    for node in SOURCE.body:
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("cloaca"):
            assert [each.asname for each in node.names if each.asname is None] == [], node.module


@each_row("name", cloaca.__all__)
def test_every_public_thing_is_documented(name: str) -> None:
    thing = getattr(cloaca, name)
    if inspect.isclass(thing) or inspect.isfunction(thing):
        assert inspect.getdoc(thing)


@each_row("function", [cloaca.task, cloaca.WorkflowBuilder.add_task])
def test_types_of_a_definition_are_there_at_run_time(function: Callable[..., object]) -> None:
    """For what documents or checks by annotations: their names are not for type checkers alone."""
    assert "return" in get_type_hints(function)


def test_every_error_that_can_be_caught_can_be_named() -> None:
    kinds = {
        name
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.CloacaError) and not name.startswith("_")
    }

    assert kinds <= set(cloaca.__all__)


@each_row(
    "name",
    [
        # Names that programs for cloaca 0.2 import; cron, triggers and tenants come later.
        "Context", "DefaultRunner", "DefaultRunnerConfig", "HelloClass", "PipelineResult",
        "RetryPolicy", "RetryPolicyBuilder", "BackoffStrategy", "RetryCondition",
        "TaskNamespace", "Workflow", "WorkflowBuilder", "WorkflowContext", "__version__",
        "get_backend", "get_version", "hello_world", "register_workflow_constructor", "task",
        # 0.12 adds these.
        "TaskHandle", "WorkflowResult",
    ],
)  # fmt: skip
def test_the_names_of_earlier_versions_are_there(name: str) -> None:
    assert name in cloaca.__all__


def test_it_states_its_version() -> None:
    assert cloaca.get_version() == cloaca.__version__ == core_version


def test_the_greetings_say_what_they_always_said() -> None:
    hello = cloaca.HelloClass()

    assert cloaca.hello_world() == "Hello from Cloaca backend!"
    assert hello.get_message() == "Hello from HelloClass!"
    assert repr(hello) == "HelloClass(message='Hello from HelloClass!')"


def test_the_backend_is_looked_for_each_time_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for expected in ("postgres", None):
        monkeypatch.setattr(cloaca, "_chosen_backend", lambda answer=expected: answer)
        assert cloaca.__backend__ == expected


def test_the_backend_is_the_one_that_get_backend_names() -> None:
    assert cloaca.__backend__ == backends.chosen_backend()


def test_another_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="module 'cloaca' has no attribute 'no_such_thing'"):
        # The comment is the other half: a type checker knows it too.
        cloaca.no_such_thing  # type: ignore[attr-defined]  # noqa: B018


def test_a_star_import_brings_everything_and_starts_nothing() -> None:
    program = (
        "import sys, threading\n"
        "from cloaca import *\n"
        "import cloaca\n"
        "assert all(name in globals() for name in cloaca.__all__)\n"
        "print(threading.active_count(), [m for m in ('sqlite3', 'aiosqlite', 'psycopg')"
        " if m in sys.modules])\n"
    )
    assert _printed(program) == ["1 []"]


def test_a_program_that_only_defines_waits_for_no_engine_and_no_loop() -> None:
    program = (
        "import sys, cloaca\n"
        "with cloaca.WorkflowBuilder('w') as block:\n"
        "    cloaca.task(id='t')(print)\n"
        "def names(*prefixes): return sorted(m for m in sys.modules if m.startswith(prefixes))\n"
        "costly = ('asyncio', 'cloaca_core.engine', 'cloaca_core.client')\n"
        "print(block.workflow, names(*costly))\n"
        "print(cloaca.DefaultRunner.__name__, 'asyncio' in sys.modules)\n"
    )
    assert _printed(program) == ["Workflow(name='w', tasks=1) []", "DefaultRunner True"]


def test_the_executors_are_there_without_an_import_of_their_own() -> None:
    program = (
        "import sys, cloaca\n"
        "print('cloaca_core.features.executors' in sys.modules, 'executors' in cloaca.__all__)\n"
        "print(cloaca.executors.process(workers=2), 'executors' in dir(cloaca))\n"
        "print('asyncio' in sys.modules, 'multiprocessing' in sys.modules)\n"
    )
    assert _printed(program) == ["False False", "process(workers=2) True", "False False"]


def test_the_executors_have_a_door_of_their_own() -> None:
    kinds = [getattr(cloaca.executors, name) for name in cloaca.executors.__all__]
    modules = {kind.__module__ for kind in kinds if isinstance(kind, type)}

    assert modules == {
        f"cloaca_core.features.executors.{name}" for name in ("by_value", "process", "ray")
    }


def test_the_formatter_of_logs_is_there_without_an_import_of_its_own() -> None:
    program = (
        "import sys, cloaca\n"
        "print('cloaca.logs' in sys.modules, 'logs' in dir(cloaca))\n"
        "print(cloaca.logs.JsonFormatter.__module__, 'asyncio' in sys.modules)\n"
    )
    assert _printed(program) == ["False True", "cloaca_core.features.telemetry.json_logs False"]


def test_what_is_put_off_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = cloaca.DefaultRunner
    monkeypatch.setattr(cloaca, "_import_module", None)

    assert cloaca.DefaultRunner is found


def test_it_is_typed() -> None:
    assert files("cloaca").joinpath("py.typed").is_file()


def _printed(program: str) -> list[str]:
    """The lines that a program of its own prints."""
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()
