"""``DefaultRunnerConfig``: the settings of a runner, as one table.

Values come from the argument, else ``CLOACA_<FIELD>``, else ``./cloaca.toml``, else the table
``[tool.cloaca]`` of ``./pyproject.toml``, else the default. They are read when a config is made,
never later; only the default of ``db_pool_size`` is determined when it is first read. The engine
decides what a setting does.
"""

# ruff: noqa: RUF009 - a Setting is a descriptor: that one object serves all instances is its nature

from __future__ import annotations

import functools
import inspect
import operator
import os
from dataclasses import KW_ONLY, InitVar, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeAlias, overload

from cloaca_core import logs
from cloaca_core.errors import ConfigError, ConfigTypeError, UnknownSettingError
from cloaca_core.settings import (
    Limit,
    Queues,
    Setting,
    Table,
    flag,
    import_path,
    log_level,
    number,
    one_of,
    optional,
    queues,
    table,
    text,
    unlimited,
    whole,
)
from cloaca_core.values.arguments import nearest_name
from cloaca_core.values.option_names import TriggerRuleName
from cloaca_core.values.times.no_limit import NoLimit
from cloaca_core.values.times.retention import MOST_DAYS, UsualDays

ENVIRONMENT_PREFIX: Final = "CLOACA_"


def _default_pool_size() -> int:
    """1 if SQLite is alone, which ignores the setting; 10 for a server."""
    # Imported here: it imports all drivers, which most configs never need.
    from cloaca_core.store.backends import available_backends, forced_backend

    forced = forced_backend()
    names = {forced} if forced else {found.name for found in available_backends() if found.usable}
    return 1 if names == {"sqlite"} else _POOL_SIZE


_POOL_SIZE: Final = 10

_LONGEST: Final = 10**9
"""Upper bound of any time, in its unit. A longer one is a mistake; instants must fit columns."""
_NO_LOST_RUN: Final = (
    "Accepted for compatibility, without effect: 0.x looked for ticks without a run, and here a "
    "tick and its run are written in one transaction"
)


def _is_path(_: str, path: object) -> bool:
    return isinstance(path, str) and all(path.partition(":"))


def _is_slots(_: str, slots: object) -> bool:
    return isinstance(slots, int) and not isinstance(slots, bool) and slots >= 1


class _WorkflowTimeout:
    """Second name of ``pipeline_timeout_seconds``, in the constructor as well."""

    name = "workflow_timeout_seconds"

    def __init__(self) -> None:
        self.__doc__ = "The same setting as pipeline_timeout_seconds"  # what help() shows

    @overload
    def __get__(self, instance: None, owner: type) -> None: ...

    @overload
    def __get__(self, instance: DefaultRunnerConfig, owner: type) -> int | None: ...

    def __get__(self, instance: DefaultRunnerConfig | None, owner: type) -> int | None:
        return None if instance is None else instance.pipeline_timeout_seconds

    def __set__(self, instance: DefaultRunnerConfig, value: int | NoLimit | None) -> None:
        if self.name in instance.__dict__:
            instance.pipeline_timeout_seconds = value
        else:  # the constructor: __post_init__ compares the two
            instance.__dict__[self.name] = value


class _Origin:
    """Hands the original config to the one that ``dataclasses.replace`` makes.

    ``replace`` passes every value as an argument, and an argument None would mean the default.
    """

    def __get__(
        self, instance: DefaultRunnerConfig | None, owner: type
    ) -> DefaultRunnerConfig | None:
        return instance


@dataclass(repr=False)
class DefaultRunnerConfig:
    """The settings of a runner: readable and writable, checked when given and when assigned.

    A setting that is not given, or given as None, comes from ``CLOACA_<SETTING>``, else from
    ``./cloaca.toml``, else from ``[tool.cloaca]`` of ``./pyproject.toml``, else it has its default.
    ``task_timeout_seconds``, ``retention_days`` and ``pipeline_timeout_seconds``, also known as
    ``workflow_timeout_seconds``, may be ``cloaca.NO_LIMIT``, which variables and files call "none".
    Read as properties they are then None, and assigning None removes the limit, as in 0.x.

    An unusable value is a ``ConfigError`` (ValueError) that names the setting, where it came from
    and what is accepted; an unsupported type is a ``ConfigTypeError`` (TypeError).
    """

    max_concurrent_tasks: Setting[int] = Setting(whole(1), 4, "Task bodies in threads at once")
    executor_poll_interval_ms: Setting[int] = Setting(
        whole(1, _LONGEST), 100, "As scheduler_poll_interval_ms; the shorter one counts"
    )
    scheduler_poll_interval_ms: Setting[int] = Setting(
        whole(1, _LONGEST),
        100,
        "Milliseconds between two checks whether other processes changed the database; while they "
        "do not, longer and longer up to a second. Own work needs no check: events wake the runner",
    )
    task_timeout_seconds: Limit = Limit(
        unlimited(whole(1, _LONGEST)),
        300,
        "Seconds of one attempt in its body, for tasks without timeout_seconds",
    )
    pipeline_timeout_seconds: Limit = Limit(
        unlimited(whole(1, _LONGEST)),
        3600,
        "Seconds from a run's first start on",
    )
    db_pool_size: Setting[int] = Setting(
        whole(1),
        None,
        "Connections to a server, 1 by default with SQLite alone and else 10; SQLite ignores it",
        default_factory=_default_pool_size,
    )
    enable_recovery: Setting[bool] = Setting(
        flag(), True, "Whether this runner takes up the runs of runners that died"
    )
    enable_cron_scheduling: Setting[bool] = Setting(
        flag(), True, "Whether this runner fires the cron schedules of its workflows"
    )
    cron_poll_interval_seconds: Setting[int] = Setting(
        whole(1, _LONGEST),
        30,
        "Seconds between two checks of the schedules, at most 60, in case the clock was set; a "
        "runner sleeps until the next tick is due, and new schedules wake it",
    )
    cron_max_catchup_executions: Setting[int] = Setting(
        whole(0), 100, "Missed ticks that a schedule runs late at once, the newest of them"
    )
    cron_enable_recovery: Setting[bool] = Setting(
        flag(), True, "Whether missed ticks run late; if not, every catchup_policy is skip here"
    )
    cron_recovery_interval_seconds: Setting[int] = Setting(whole(1, _LONGEST), 300, _NO_LOST_RUN)
    cron_lost_threshold_minutes: Setting[int] = Setting(whole(1, _LONGEST), 10, _NO_LOST_RUN)
    cron_max_recovery_age_seconds: Setting[int] = Setting(whole(0, _LONGEST), 86400, _NO_LOST_RUN)
    cron_max_recovery_attempts: Setting[int] = Setting(whole(0), 3, _NO_LOST_RUN)
    _: KW_ONLY
    max_concurrent_async_tasks: Setting[int] = Setting(whole(1), 100, "Coroutine bodies at once")
    max_active_runs: Setting[int] = Setting(
        whole(1), 1000, "Runs in progress at once; further ones wait in the database"
    )
    lease_seconds: Setting[float] = Setting(
        number(0.5, _LONGEST),
        15,
        "Seconds of silence after which other hosts take this runner's runs",
    )
    shutdown_grace_seconds: Setting[float] = Setting(
        number(0, _LONGEST), 30, "Seconds that shutdown() waits for bodies"
    )
    evict_after_seconds: Setting[float] = Setting(
        number(0, _LONGEST),
        10,
        "Seconds that a body waits in memory; then it leaves, and runs again from its top when its "
        "wait is over",
    )
    max_recovery_attempts: Setting[int] = Setting(
        whole(0), 3, "How many processes may die while a task runs alone in them, before it fails"
    )
    default_trigger_rule: Setting[TriggerRuleName] = Setting(
        one_of(("none_failed", "always")),
        "none_failed",
        "When tasks without trigger_rules run: if no dependency failed, or always",
    )
    max_context_bytes: Setting[int] = Setting(
        whole(2), 16 * 1024 * 1024, "Bytes of a context as JSON, at most"
    )
    max_map_items: Setting[int] = Setting(whole(1), 100_000, "Items of a map, at most")
    max_open_items: Setting[int] = Setting(
        whole(1),
        1000,
        "Items of a map between their first start and their end at once, where the map does not "
        "say so",
    )
    max_transactional: Setting[int] = Setting(
        whole(1), 4, "Transactional bodies at once, each with a connection of its own"
    )
    retention_days: Limit = Limit(
        unlimited(whole(1, MOST_DAYS)),
        UsualDays(90),
        "Days that ended runs are kept, where a workflow does not say so. A database of an earlier "
        "version keeps them all until this is set",
    )
    connect_timeout_seconds: Setting[float] = Setting(
        number(0.1, _LONGEST), 5, "Seconds to wait for a silent database host when opening"
    )
    runner_id: Setting[str | None] = Setting(
        optional(text(255)), None, "This runner's name in the database; None, a new one each time"
    )
    task_log_level: Setting[str] = Setting(
        log_level(), "INFO", "The least level of the lines of task bodies that are kept"
    )
    executors: Table[str] = Table(
        table('a table such as {"cpu": "package.module:name"}', _is_path, str),
        meaning="Executors that tasks name, by default none, as objects or functions to import",
        default_factory=dict,
    )
    executor_slots: Table[int] = Table(
        table('a table such as {"cpu": 4}, from 1 on', _is_slots, int),
        meaning="Bodies at once on an executor, by default as many as it has workers",
        default_factory=dict,
    )
    queues: Queues = Queues(
        queues(), None, "The queues of which this runner runs tasks; None for all"
    )
    redact: Setting[str | None] = Setting(
        optional(import_path()),
        None,
        "Secrets to hide in logs and errors: a collection of texts, or a function that returns "
        "one, to import",
    )
    workflow_timeout_seconds: _WorkflowTimeout = _WorkflowTimeout()
    _origin: InitVar[DefaultRunnerConfig | None] = _Origin()

    def __post_init__(self, _origin: DefaultRunnerConfig | None) -> None:
        given = _given(_arguments(self) if _origin is None else _changes(self, _origin))
        for name, setting in _SETTINGS.items():
            found = given.get(name)
            value = setting.default() if found is None else setting.checked(*found)
            setting.settle(self, value)

    if not TYPE_CHECKING:  # with it, checkers would take any name for a setting

        def __setattr__(self, name: str, value: object) -> None:
            if name not in _NAMES:
                message = f"DefaultRunnerConfig has no setting '{name}'{_nearest(name)}"
                raise UnknownSettingError(message, field=name)
            super().__setattr__(name, value)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self.to_dict().items())
        return f"{type(self).__name__}({values})"

    @classmethod
    def default(cls) -> Self:
        """Make a config without arguments."""
        return cls()

    def to_dict(self) -> dict[str, Any]:
        """All settings by name; ``DefaultRunnerConfig(**config.to_dict()) == config``."""
        return {name: each.written(getattr(self, name)) for name, each in _SETTINGS.items()}


def pool_size_of(config: DefaultRunnerConfig) -> int:
    """``db_pool_size`` for a backend that is being opened, without a search for other backends.

    The default differs only where SQLite is the only backend, and SQLite ignores the setting; so
    no other driver has to be imported.
    """
    unread = _SETTINGS["db_pool_size"].is_unread(config)
    return _POOL_SIZE if unread else config.db_pool_size


_SETTINGS: Final[dict[str, Setting[Any]]] = {
    name: value for name, value in vars(DefaultRunnerConfig).items() if isinstance(value, Setting)
}
_TIMEOUT: Final = "pipeline_timeout_seconds"
_NAMES: Final = (*_SETTINGS, _WorkflowTimeout.name)
COMMAND_LINE: Final = ("app", "database_url", "schema")
"""What the command line reads from the same variables and files, beside the settings."""
_WORDS: Final = (*(name.upper() for name in (*_NAMES, *COMMAND_LINE)), "BACKEND", "LOG")
"""Known endings of ``CLOACA_…``; ``backends`` and ``logs`` read the last two."""
_NAMESPACES: Final = ("VAR_", "TEST_")
"""Prefixes of variables that belong to the user's workflows, and to tests."""


def _signature() -> inspect.Signature:
    """The constructor's signature as callers use it; its own annotations are the descriptors'."""
    written = inspect.signature(DefaultRunnerConfig.__init__)
    types = {name: setting.types for name, setting in _SETTINGS.items()}
    types[_WorkflowTimeout.name] = types[_TIMEOUT]
    parameters = [
        parameter.replace(annotation=functools.reduce(operator.or_, (*types[name], None)))
        if name in types
        else parameter
        for name, parameter in written.parameters.items()
        if name != "_origin"
    ]
    return written.replace(parameters=parameters)


DefaultRunnerConfig.__init__.__signature__ = _signature()  # type: ignore[attr-defined] # for help()


# -- where values come from ----------------------------------------------------------------------


class _Given(NamedTuple):
    """A value, and the beginning of an error message about it."""

    value: object
    origin: str


_Source: TypeAlias = dict[str, _Given]


def command_line_value(name: str) -> str | None:
    """What a variable, else a file says for one of ``COMMAND_LINE``."""
    return None if (found := _command_line(name)) is None else found[0]


def origins() -> dict[str, str]:
    """Which variable or file gives each setting that is given outside of the program, those of
    ``COMMAND_LINE`` as well.
    """
    named = {name: found[1] for name in COMMAND_LINE if (found := _command_line(name)) is not None}
    given = {name: found.origin for name, found in _given({}).items()}
    return {name: origin.removesuffix(": ") for name, origin in (given | named).items()}


def _command_line(name: str) -> tuple[str, str] | None:
    """The value of one of ``COMMAND_LINE`` and what gives it, None if nothing does."""
    variable = ENVIRONMENT_PREFIX + name.upper()
    if text := os.environ.get(variable):
        return text, variable
    for values, origin in _tables():
        if (value := values.get(name)) is not None:
            if not isinstance(value, str):
                raise ConfigTypeError(f"{origin}{name} must be text, got {value!r}", field=name)
            return value, origin
    return None


def _given(arguments: _Source) -> _Source:
    """The value given for each setting, from the first source that has one."""
    files = [_settings_of(values, origin) for values, origin in _tables()]
    sources = (*reversed(files), _environment(), arguments)
    merged: _Source = {}
    for source in sources:
        merged |= _with_one_timeout(source)
    return merged


def _arguments(config: DefaultRunnerConfig) -> _Source:
    return {name: _Given(value, "") for name, value in vars(config).items() if value is not None}


def _changes(config: DefaultRunnerConfig, origin: DefaultRunnerConfig) -> _Source:
    """The values of ``origin``, except where an argument differs."""
    changed = {
        name: value
        for name, value in vars(config).items()
        if not _same(value, getattr(origin, name))
    }
    kept = {name: value for name, value in origin.to_dict().items() if name not in changed}
    if _WorkflowTimeout.name in changed:
        kept.pop(_TIMEOUT, None)
    given = {name: value for name, value in changed.items() if value is not None}
    return {name: _Given(value, "") for name, value in (kept | given).items()}


def _setting(name: str) -> Setting[Any]:
    return _SETTINGS[_TIMEOUT if name == _WorkflowTimeout.name else name]


def _environment() -> _Source:
    _refuse_mistyped_variables()
    logs.refuse_unknown_level()
    source: _Source = {}
    for name in _NAMES:
        variable = ENVIRONMENT_PREFIX + name.upper()
        text = os.environ.get(variable)
        if text:  # an empty variable is the shell's way to unset one
            source[name] = _Given(_setting(name).parsed(text), f"{variable}: ")
    return source


def _refuse_mistyped_variables() -> None:
    """Refuse a variable that nothing reads and whose name is almost one of ours."""
    for variable, value in os.environ.items():
        word = variable.removeprefix(ENVIRONMENT_PREFIX)
        if not value or word == variable or word in _WORDS or word.startswith(_NAMESPACES):
            continue
        # Only close names: a variable unlike ours may belong to the user's own program.
        if near := nearest_name(word, _WORDS, cutoff=0.75):
            raise ConfigError(
                f"{variable}: unknown setting, did you mean {ENVIRONMENT_PREFIX}{near}?",
                field=variable,
            )


def _tables() -> list[tuple[dict[str, object], str]]:
    """The tables of the files, the first of which counts most, and how errors about them begin."""
    return [_file("cloaca.toml"), _file("pyproject.toml", "tool", "cloaca")]


def _file(name: str, *tables: str) -> tuple[dict[str, object], str]:
    origin = f"./{name}: "
    values = _table(_toml(name, origin), tables, origin)
    for key in values:
        if key not in (*_NAMES, *COMMAND_LINE):
            raise ConfigError(f"{origin}unknown setting '{key}'{_nearest(key)}", field=key)
    return values, origin


def _settings_of(values: dict[str, object], origin: str) -> _Source:
    return {
        key: _Given(_setting(key).of_file(value), origin)
        for key, value in values.items()
        if key not in COMMAND_LINE
    }


def _toml(name: str, origin: str) -> dict[str, object]:
    if not Path(name).exists():
        return {}
    import tomllib  # here: most programs have no such file, and each would pay for the import

    try:
        with Path(name).open("rb") as file:
            return tomllib.load(file)
    except (OSError, ValueError) as error:  # ValueError: no TOML, or no UTF-8
        raise ConfigError(f"{origin}cannot be read: {error}") from error


def _table(values: dict[str, object], path: tuple[str, ...], origin: str) -> dict[str, object]:
    for key in path:
        inner = values.get(key, {})
        if not isinstance(inner, dict):
            raise ConfigTypeError(f"{origin}{'.'.join(path)} must be a table, got {inner!r}")
        values = inner
    return values


def _nearest(key: str) -> str:
    near = nearest_name(key, _NAMES)
    return f", did you mean '{near}'?" if near else f"; there are {', '.join(_SETTINGS)}"


def _with_one_timeout(source: _Source) -> _Source:
    """The source with the timeout under its one name; two values for it are refused."""
    alias = source.get(_WorkflowTimeout.name)
    if alias is None:
        return source
    timeout = source.get(_TIMEOUT, alias)
    if not _same(timeout.value, alias.value):
        raise ConfigError(
            f"{alias.origin}{_TIMEOUT} and {_WorkflowTimeout.name} are one setting, "
            f"got {timeout.value!r} and {alias.value!r}",
            field=_TIMEOUT,
        )
    return {**source, _TIMEOUT: alias}


def _same(value: object, other: object) -> bool:
    """True when two values are equal; comparing some objects, such as arrays, gives no bool."""
    try:
        return value is other or bool(value == other)
    except Exception:  # noqa: BLE001 - the setting's own check refuses it later, by name
        return False
