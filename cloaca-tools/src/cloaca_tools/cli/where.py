"""Where a command works: on which database, with whose workflows.

An option counts first, then its variable, then the file. Looking opens read-only, steering never
makes a file; only ``run``, ``worker`` and ``db upgrade`` make a database.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Final, Literal, ParamSpec, TypeAlias, TypeVar

import click

from cloaca_core.errors import (
    BackendError,
    StoreOpenError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from cloaca_tools.cli import exits
from cloaca_tools.cli.failures import Failure, message_of

if TYPE_CHECKING:
    from cloaca_core.client.client import Client
    from cloaca_core.definition.registry import Registry
    from cloaca_tools.observer import Observer

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C")
_P = ParamSpec("_P")
_R = TypeVar("_R")
Mode: TypeAlias = Literal["ro", "rw", "rwc"]

_NOT_OPENED: Final = (StoreOpenError, StoreUnavailableError, StoreReadOnlyError, BackendError)
_PASSWORD: Final = re.compile(r"([?&](?:ssl)?password=)[^&]*", re.IGNORECASE)


class BrokenProgram(Failure):
    """The module of -A raises an error as it is imported; the message shows where."""


@dataclass(slots=True)
class Where:
    """The values of the options; None for an option that is not given."""

    app: str | None = None
    database_url: str | None = None
    schema: str | None = None

    def url(self) -> str:
        """The URL of the database, as it is given."""
        if (found := self._value("database_url")) is None:
            raise click.UsageError(
                "no database: give --database-url, or set CLOACA_DATABASE_URL, or database_url in "
                "./cloaca.toml or [tool.cloaca] of ./pyproject.toml"
            )
        return found

    def schema_name(self) -> str | None:
        """The schema of a tenant, if any."""
        return self._value("schema")

    def app_name(self) -> str | None:
        """The module of the workflows, if any is named."""
        return self._value("app")

    def options(self) -> dict[str, str]:
        """The option that gives each value which is given by one."""
        given = {"app": self.app, "database_url": self.database_url, "schema": self.schema}
        return {
            name: f"--{name.replace('_', '-')}"
            for name, value in given.items()
            if value is not None
        }

    @contextmanager
    def looking(self) -> Iterator[Client]:
        """A client that may only look."""
        with self.client("ro") as client:
            yield client

    @contextmanager
    def observing(self) -> Iterator[Observer]:
        """The answers to what is asked of a database that is only looked at."""
        from cloaca_tools.observer import Observer

        with self.looking() as client:
            yield Observer(client)

    @contextmanager
    def client(self, mode: Mode, registry: Registry | None = None) -> Iterator[Client]:
        """A client; without the registry of a program it goes by the recorded definitions."""
        from cloaca_core.client.client import Client
        from cloaca_core.definition.registry import Registry

        url = url_with_mode(self.url(), mode)
        known = Registry() if registry is None else registry
        _put_here_on_path()  # a setting may name an object of the program
        with opened(lambda: Client(url, schema=self.schema_name(), registry=known)) as client:
            yield client

    def registry(self) -> Registry | None:
        """The registry of the program that -A names, imported; None if none is named."""
        name = self.app_name()
        return None if name is None else imported(name)

    def needed_registry(self) -> Registry:
        """The registry of the program, which this command cannot do without."""
        if (found := self.registry()) is None:
            raise click.UsageError(
                "no workflows: give -A MODULE, or set CLOACA_APP, or app in ./cloaca.toml or "
                "[tool.cloaca] of ./pyproject.toml"
            )
        return found

    def _value(self, name: str) -> str | None:
        from cloaca_core.config import command_line_value

        given: str | None = getattr(self, name)
        return command_line_value(name) if given is None else given


@contextmanager
def opened(open_: Callable[[], C]) -> Iterator[C]:
    """Open a client or runner, and close it at the end. A database that cannot be opened ends the
    command with a code of its own.
    """
    with opening():
        found: Any = open_()
    with found:
        yield found


@contextmanager
def opening(*, must_be_there: bool = False) -> Iterator[None]:
    """A database that cannot be opened within the block ends the command with a code of its own.

    The message names the commands that make a database, unless it ``must_be_there`` as the source
    of another one.
    """
    try:
        yield
    except _NOT_OPENED as error:
        message = str(error) if must_be_there else message_of(error)
        raise Failure(message, exits.NO_DATABASE) from error


def url_with_mode(url: str, mode: Mode) -> str:
    """The URL with the mode in which it is to be opened, unless it names one itself."""
    from cloaca_core.store.backends import backend_for

    with opening():
        backend = backend_for(url).name
    path, _, query = url.partition("?")
    is_known = (mode == "ro" and backend in ("sqlite", "postgres")) or backend == "sqlite"
    is_given = any(each.startswith("mode=") for each in query.split("&"))
    if mode == "rwc" or is_given or not is_known or path.endswith(":memory:"):
        return url
    return f"{path}?{query}{'&' if query else ''}mode={mode}"


def without_password(url: str) -> str:
    """The URL as it may be shown."""
    before, sign, after = _PASSWORD.sub(r"\1***", url).partition("://")
    user, at, host = after.rpartition("@")
    name, colon, _ = user.partition(":")
    return f"{before}{sign}{name}{colon}{'***' if colon else ''}{at}{host}"


def imported(name: str) -> Registry:
    """The registry of ``module`` or ``module:registry``. The working directory is on the path.

    ``BrokenProgram`` if the module raises an error, also one of cloaca about a definition.
    """
    from importlib import import_module

    from cloaca_core.definition.registry import Registry, default_registry

    module_name, _, attribute = name.partition(":")
    if not module_name or module_name.startswith("."):
        raise click.BadParameter(f"{name!r} is not MODULE[:REGISTRY]", param_hint="-A")
    _put_here_on_path()
    try:
        found: Any = import_module(module_name)
    except _NOT_OPENED:
        raise  # it opens a database as it is imported, and that is the cause
    except Exception as error:
        raise _not_imported(module_name, error) from error
    if not attribute:
        return default_registry()
    for each in attribute.split("."):
        if not hasattr(found, each):
            raise click.BadParameter(f"{module_name} has no {attribute!r}", param_hint="-A")
        found = getattr(found, each)
    if not isinstance(found, Registry):
        kind = type(found).__name__
        raise click.BadParameter(f"{name} is no Registry, but a {kind}", param_hint="-A")
    return found


def _put_here_on_path() -> None:
    """Let modules of the working directory be imported."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def _not_imported(module: str, error: Exception) -> click.ClickException:
    """The exception that ends a command whose program raises an error as it is imported."""
    from cloaca_tools.cli.own_frames import told

    if isinstance(error, ModuleNotFoundError):
        missing = error.name or ""
        if f"{module}.".startswith(f"{missing}."):  # else the module is there, and lacks one itself
            return click.BadParameter(f"there is no module {missing!r}", param_hint="-A")
    return BrokenProgram(f"{module} cannot be imported:\n{told(error)}")


# -- options -------------------------------------------------------------------------------------


def where_of(ctx: click.Context) -> Where:
    """Where the command of a context works."""
    found: Where = ctx.ensure_object(Where)
    return found


def pass_where(command: Callable[Concatenate[Where, _P], _R]) -> Callable[_P, _R]:
    """Call a command with ``Where`` as its first argument."""
    return click.make_pass_decorator(Where, ensure=True)(command)


def _keep(ctx: click.Context, option: click.Parameter, value: str | None) -> None:
    """Note an option that stands after the command."""
    if value is not None and option.name is not None:
        setattr(where_of(ctx), option.name, value)


def database_options(function: F) -> F:
    """Let a command take ``--database-url`` and ``--schema``."""
    for flag, metavar, text in (
        ("--schema", "NAME", "The schema of a tenant on PostgreSQL."),
        ("--database-url", "URL", "The database; else CLOACA_DATABASE_URL, else the file."),
    ):
        function = click.option(
            flag, metavar=metavar, help=text, expose_value=False, callback=_keep
        )(function)
    return function


def app_options(function: F) -> F:
    """Let a command take ``-A``, beside the options of the database."""
    return click.option(
        "-A",
        "--app",
        metavar="MODULE[:REGISTRY]",
        help="Import workflows from here; else CLOACA_APP, else the file.",
        expose_value=False,
        callback=_keep,
    )(database_options(function))
