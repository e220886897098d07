"""The awaiting half of a class is rendered from its blocking half."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tables import each_row

from dev.console import TaskFailed
from dev.packaging.awaiting import Awaiting, docstring

BLOCKING = '''"""A module."""

from collections.abc import Iterator

from package.client.handles import RunHandle
from package.client.waiting import refuse_blocking_call


class Client:
    """A client."""

    name = "Client of a RunHandle"

    # -- run ---

    def submit(self, name: str) -> RunHandle:
        """Submit a run… and go on."""
        return RunHandle(self._calls, *self._calls.submit(name).wait())  # RunHandle

    def cancel(self, run_id: str) -> bool:
        """Cancel a run."""
        refuse_blocking_call()
        return self._do(Cancel(run_id))

    def write(self, connection: object) -> str:
        """Write a run."""
        return outbox.submit(self._steps.wait(connection))

    def lines(self) -> Iterator[str]:
        """The lines, as they come."""
        return iter(self._calls.lines())

    # -- stop ---

    def stop(self) -> None:
        """Stop."""
        self._calls.stop().wait()
'''
AWAITING = '''\
    # -- run ---

    async def submit(self, name: str) -> AsyncRunHandle:
        """Submit a run… and go on."""
        return AsyncRunHandle(self._calls, *await self._calls.submit(name))  # RunHandle

    async def cancel(self, run_id: str) -> bool:
        """Cancel a run."""
        raise_if_cancelled()
        return await self._do(Cancel(run_id))

    async def write(self, connection: object) -> str:
        """Write a run."""
        return await outbox.submit_awaited(await self._steps.wait_async(connection))

    def lines(self) -> AsyncIterator[str]:
        """The lines, as they come. For ``async for``."""
        return aiter(self._calls.lines())'''


@pytest.fixture
def awaiting(tmp_path: Path) -> Awaiting:
    (tmp_path / "client.py").write_text(BLOCKING)
    return Awaiting(tmp_path)


def test_each_wait_is_awaited_and_all_else_stays(awaiting: Awaiting) -> None:
    more = {"lines": "For ``async for``."}
    assert awaiting.methods("client.py", "Client", without=["stop"], more=more) == AWAITING


def test_imports_are_those_of_the_rendered_modules(awaiting: Awaiting) -> None:
    assert awaiting.imports("client.py").splitlines() == [
        "from collections.abc import AsyncIterator",
        "from package.client.async_handles import AsyncRunHandle",
        "from package.client.waiting import raise_if_cancelled",
    ]


def test_a_class_or_a_module_that_is_not_there_is_named(awaiting: Awaiting) -> None:
    with pytest.raises(TaskFailed, match="no class Runner"):
        awaiting.methods("client.py", "Runner")
    with pytest.raises(TaskFailed, match=r"other\.py cannot be read"):
        awaiting.imports("other.py")


LONG = "It has facts, of which there are many. " * 5


@each_row(
    ("blocking", "expected"),
    [
        ("Stop now. It takes a while.", '"""Stop now. It takes a while."""'),
        (f"Stop now. {LONG}", '"""Stop now. See ``Client.stop``."""'),
        # the first sentence may go on in a second line
        (f"Stop\n    now. {LONG}", '"""Stop now. See ``Client.stop``."""'),
        # one line would have no place for the quotes at its end
        ("word " * 17 + "w.", '"""' + "word " * 16 + 'word\n        w.\n        """'),
    ],
)
def test_a_long_docstring_refers_to_that_of_the_blocking_half(blocking: str, expected: str) -> None:
    (kind,) = ast.parse(f'class Client:\n    def stop(self): """{blocking}"""').body
    assert isinstance(kind, ast.ClassDef)
    (function,) = kind.body
    assert isinstance(function, ast.FunctionDef)
    assert docstring(function, "Client", "") == expected


def test_a_docstring_that_refers_to_another_method_is_taken_as_it_is() -> None:
    text = f"Cancel a run; see ``RunHandle.cancel``. {LONG}".strip()
    (function,) = ast.parse(f'def cancel(self): """{text}"""').body
    assert isinstance(function, ast.FunctionDef)
    assert "Client.cancel" not in docstring(function, "Client", "")
    assert docstring(function, "Client", "").count("many") == 5


def test_a_method_needs_a_docstring_of_a_sentence() -> None:
    (function,) = ast.parse('def stop(self): """no sentence"""').body
    assert isinstance(function, ast.FunctionDef)
    with pytest.raises(TaskFailed, match=r"docstring of Client\.stop has no sentence"):
        docstring(function, "Client", "")
