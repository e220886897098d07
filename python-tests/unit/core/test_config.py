"""DefaultRunnerConfig: its fields, their sources, and what it refuses."""

from __future__ import annotations

import copy
import math
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tables import each_row

from cloaca_core.config import DefaultRunnerConfig, pool_size_of
from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.store.backends import forced_backend
from cloaca_core.values.times.no_limit import NO_LIMIT, NoLimit
from cloaca_core.values.times.retention import UsualDays

POSITIONAL: dict[str, Any] = {
    "max_concurrent_tasks": 4,
    "executor_poll_interval_ms": 100,
    "scheduler_poll_interval_ms": 100,
    "task_timeout_seconds": 300,
    "pipeline_timeout_seconds": 3600,
    "db_pool_size": 1,
    "enable_recovery": True,
    "enable_cron_scheduling": True,
    "cron_poll_interval_seconds": 30,
    "cron_max_catchup_executions": 100,
    "cron_enable_recovery": True,
    "cron_recovery_interval_seconds": 300,
    "cron_lost_threshold_minutes": 10,
    "cron_max_recovery_age_seconds": 86400,
    "cron_max_recovery_attempts": 3,
}
KEYWORD_ONLY = {
    "max_concurrent_async_tasks": 100,
    "max_active_runs": 1000,
    "lease_seconds": 15,
    "shutdown_grace_seconds": 30,
    "evict_after_seconds": 10,
    "max_recovery_attempts": 3,
    "default_trigger_rule": "none_failed",
    "max_context_bytes": 16 * 1024 * 1024,
    "max_map_items": 100_000,
    "max_open_items": 1000,
    "max_transactional": 4,
    "retention_days": 90,
    "connect_timeout_seconds": 5,
    "runner_id": None,
    "task_log_level": "INFO",
    "executors": {},
    "executor_slots": {},
    "queues": None,
    "redact": None,
}
TABLES: dict[str, Any] = {"executors": {"cpu": "pools:cpu"}, "executor_slots": {"cpu": 4}}
DEFAULTS: dict[str, Any] = {**POSITIONAL, **KEYWORD_ONLY}
TIMEOUTS = ("task_timeout_seconds", "pipeline_timeout_seconds", "workflow_timeout_seconds")
"""The settings that may be without limit; two names are of one."""


@dataclass(frozen=True)
class Found:
    name: str
    usable: bool = True


Backends = Callable[..., None]


@pytest.fixture
def backends(monkeypatch: pytest.MonkeyPatch) -> Backends:
    """Makes these the backends that can be found."""

    def install(*found: Found) -> None:
        module = ModuleType("cloaca_core.store.backends")
        module.available_backends = lambda: list(found)  # type: ignore[attr-defined] # a stand-in
        module.forced_backend = forced_backend  # type: ignore[attr-defined] # the real one
        monkeypatch.setitem(sys.modules, module.__name__, module)

    return install


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backends: Backends) -> Path:
    """An empty working directory, no CLOACA_ variable, SQLite alone."""
    monkeypatch.chdir(tmp_path)
    for name in (*DEFAULTS, "backend", "workflow_timeout_seconds"):
        monkeypatch.delenv(f"CLOACA_{name.upper()}", raising=False)
    backends(Found("sqlite"))
    return tmp_path


def config_of(name: str, value: Any) -> DefaultRunnerConfig:
    return DefaultRunnerConfig(**{name: value})


class TestFields:
    def test_they_have_their_defaults_in_this_order(self) -> None:
        assert list(DefaultRunnerConfig().to_dict().items()) == list(DEFAULTS.items())

    def test_default_is_a_config_without_arguments(self) -> None:
        assert DefaultRunnerConfig.default() == DefaultRunnerConfig()

    def test_the_first_fifteen_are_positional(self) -> None:
        values: list[Any] = [7, 8, 9, 10, 11, 12, False, False, 13, 14, False, 15, 16, 17, 18]
        config = DefaultRunnerConfig(*values)
        assert [getattr(config, name) for name in POSITIONAL] == values

    def test_the_others_are_keywords(self) -> None:
        with pytest.raises(TypeError, match="positional"):
            DefaultRunnerConfig(*POSITIONAL.values(), 100)  # type: ignore[call-arg] # one too many

    def test_none_means_the_default(self) -> None:
        assert DefaultRunnerConfig(**dict.fromkeys(DEFAULTS)) == DefaultRunnerConfig()

    @each_row("name", DEFAULTS)
    def test_each_can_be_given_and_assigned(self, name: str) -> None:
        value = {
            bool: False,
            int: 77,
            str: "none" if name == "task_log_level" else "always",
            type(None): {"redact": "app:secrets", "queues": {"gpu": 1}}.get(name, "me"),
            dict: TABLES.get(name),
        }[type(DEFAULTS[name])]
        assert getattr(config_of(name, value), name) == value
        config = DefaultRunnerConfig()
        setattr(config, name, value)
        assert config.to_dict() == {**DEFAULTS, name: value}

    @each_row("name", DEFAULTS)
    def test_each_is_checked_when_given_and_when_assigned(self, name: str) -> None:
        config = DefaultRunnerConfig()
        for wrong in (-1, "", [], object()):
            with pytest.raises(ConfigError, match=f"^{name} must be") as caught:
                config_of(name, wrong)
            assert caught.value.field == name
            with pytest.raises(ValueError, match=f"^{name} must be"):
                setattr(config, name, wrong)
        assert config == DefaultRunnerConfig()

    def test_the_message_names_the_least_value(self) -> None:
        with pytest.raises(
            ValueError, match=r"^max_concurrent_tasks must be an int of at least 1, got 0$"
        ):
            DefaultRunnerConfig(max_concurrent_tasks=0)

    @each_row("name", [name for name in DEFAULTS if name.endswith(("_ms", "_seconds", "_minutes"))])
    @each_row("far", [10**9 + 1, 10**400])
    def test_a_time_that_no_clock_reaches_is_refused(self, name: str, far: int) -> None:
        with pytest.raises(ConfigError, match=f"^{name} must be .* and at most 1000000000"):
            config_of(name, far)
        assert getattr(config_of(name, 10**9), name) == 10**9

    def test_a_wrong_type_is_a_type_error(self) -> None:
        with pytest.raises(TypeError, match="max_concurrent_tasks must be an int"):
            DefaultRunnerConfig("4")  # type: ignore[arg-type] # the point of the test

    def test_none_can_be_assigned_only_where_it_means_something(self) -> None:
        config = DefaultRunnerConfig()
        for name in DEFAULTS:
            if name in (*TIMEOUTS[:2], "retention_days", "runner_id", "queues", "redact"):
                setattr(config, name, None)
            else:
                with pytest.raises(ConfigTypeError, match=f"^{name} must be .*, got None$"):
                    setattr(config, name, None)

    def test_an_unknown_argument_is_a_type_error(self) -> None:
        with pytest.raises(TypeError, match="max_tasks"):
            DefaultRunnerConfig(max_tasks=1)  # type: ignore[call-arg] # the point of the test

    @each_row("name", ["lease_seconds", "shutdown_grace_seconds"])
    def test_the_seconds_that_0x_did_not_have_may_be_fractions(self, name: str) -> None:
        assert getattr(config_of(name, 0.5), name) == 0.5


class TestRedact:
    @each_row("wrong", ["s3cret", ["s3cret"], ":s3cret", "s3cret:"])
    def test_secrets_themselves_are_refused_and_not_shown(self, wrong: Any) -> None:
        with pytest.raises(ConfigError) as caught:
            config_of("redact", wrong)

        assert "s3cret" not in str(caught.value)
        assert str(caught.value).startswith('redact must be a path such as "package.module:name"')

    def test_the_variable_that_has_them_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CLOACA_REDACT", "s3cret")

        with pytest.raises(ConfigError, match=r"^CLOACA_REDACT: redact .* got another str$"):
            DefaultRunnerConfig()


class TestTables:
    @each_row(
        ("name", "wrong"),
        [
            ("executors", {"cpu": "pools"}),  # no name in the module
            ("executors", {"cpu": ":cpu"}),
            ("executors", {"cpu": "pools:"}),
            ("executors", {"cpu": 4}),
            ("executors", {4: "pools:cpu"}),
            ("executor_slots", {"cpu": 0}),
            ("executor_slots", {"cpu": True}),
            ("executor_slots", {"cpu": "4"}),
        ],
    )
    def test_each_name_and_value_is_checked(self, name: str, wrong: dict[Any, Any]) -> None:
        with pytest.raises(ConfigError, match=f"^{name} must be a table such as") as caught:
            config_of(name, wrong)
        assert caught.value.field == name

    def test_they_are_read_from_a_variable_and_a_file(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "cloaca.toml").write_text(
            '[executors]\ncpu = "pools:cpu"\n[executor_slots]\ncpu = 4\n'
        )
        config = DefaultRunnerConfig()
        assert {name: config.to_dict()[name] for name in TABLES} == TABLES

        monkeypatch.setenv("CLOACA_EXECUTORS", "cpu=pools:cpu, gpu = a.b:c.d")
        monkeypatch.setenv("CLOACA_EXECUTOR_SLOTS", "cpu=2,gpu=1")
        config = DefaultRunnerConfig()
        assert config.executors == {"cpu": "pools:cpu", "gpu": "a.b:c.d"}
        assert config.executor_slots == {"cpu": 2, "gpu": 1}

    @pytest.mark.parametrize("text", ["4", "cpu=many", "cpu"])
    def test_a_variable_that_is_no_table_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        monkeypatch.setenv("CLOACA_EXECUTOR_SLOTS", text)
        with pytest.raises(ConfigError, match=r"^CLOACA_EXECUTOR_SLOTS: executor_slots must be"):
            DefaultRunnerConfig()

    def test_no_config_shares_one_with_anything(self) -> None:
        given = {"cpu": "pools:cpu"}
        config = DefaultRunnerConfig(executors=given)
        given["late"] = config.to_dict()["executors"]["late"] = "pools:late"
        assert config.executors == TABLES["executors"]

        config.executors = given
        given["later"] = "pools:later"
        assert config.executors == {**TABLES["executors"], "late": "pools:late"}

    def test_one_is_set_as_a_whole(self) -> None:
        config = DefaultRunnerConfig(**TABLES)
        with pytest.raises(TypeError):
            config.executors["late"] = "pools:late"  # type: ignore[index] # the point of the test
        assert DefaultRunnerConfig(executors=config.executors).executors == TABLES["executors"]


class TestRetention:
    @each_row("days", [7, 90])
    def test_days_that_were_set_are_told_from_the_default(self, days: int) -> None:
        config = DefaultRunnerConfig(retention_days=days)
        assert config.retention_days == days
        assert not isinstance(config.retention_days, UsualDays)

    def test_the_default_stays_one_in_copies(self) -> None:
        config = DefaultRunnerConfig()
        for each in (
            config,
            replace(config, max_active_runs=7),
            DefaultRunnerConfig(**config.to_dict()),
            copy.deepcopy(config),
            pickle.loads(pickle.dumps(config)),  # noqa: S301 - our own
        ):
            assert each.retention_days == 90
            assert isinstance(each.retention_days, UsualDays)

    def test_what_a_variable_or_a_file_says_was_set(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "cloaca.toml").write_text("retention_days = 90\n")
        assert not isinstance(DefaultRunnerConfig().retention_days, UsualDays)
        monkeypatch.setenv("CLOACA_RETENTION_DAYS", "none")
        assert DefaultRunnerConfig().retention_days is None

    @each_row("days", [0, -1, 100_001, 1.5])
    def test_other_days_are_refused(self, days: float) -> None:
        with pytest.raises(ConfigError, match="retention_days must be an int"):
            config_of("retention_days", days)


class TestTimeout:
    def test_it_has_two_names(self) -> None:
        config = DefaultRunnerConfig(workflow_timeout_seconds=7)
        assert config.pipeline_timeout_seconds == config.workflow_timeout_seconds == 7
        config.workflow_timeout_seconds = 8
        assert config.pipeline_timeout_seconds == config.workflow_timeout_seconds == 8
        config.pipeline_timeout_seconds = 9
        assert config.workflow_timeout_seconds == 9

    def test_both_may_be_given_when_they_are_equal(self) -> None:
        config = DefaultRunnerConfig(pipeline_timeout_seconds=7, workflow_timeout_seconds=7)
        assert config.pipeline_timeout_seconds == 7

    def test_both_unequal_is_refused(self) -> None:
        with pytest.raises(
            ValueError, match="pipeline_timeout_seconds and workflow_timeout_seconds are one"
        ):
            DefaultRunnerConfig(pipeline_timeout_seconds=7, workflow_timeout_seconds=8)

    def test_the_other_name_is_checked_as_well(self) -> None:
        with pytest.raises(ValueError, match="pipeline_timeout_seconds must be an int of at least"):
            DefaultRunnerConfig(workflow_timeout_seconds=0)
        with pytest.raises(ValueError, match="pipeline_timeout_seconds must be an int of at least"):
            DefaultRunnerConfig().workflow_timeout_seconds = 0

    @each_row("name", TIMEOUTS)
    @each_row("said", [NO_LIMIT, None])
    def test_assigned_no_limit_it_is_read_as_none(self, name: str, said: NoLimit | None) -> None:
        config = DefaultRunnerConfig()
        setattr(config, name, said)
        assert getattr(config, name) is None
        assert config.pipeline_timeout_seconds == config.workflow_timeout_seconds
        assert config.to_dict()[name.replace("workflow", "pipeline")] is NO_LIMIT
        assert f"{name.replace('workflow', 'pipeline')}=cloaca.NO_LIMIT" in repr(config)

    @each_row("name", TIMEOUTS)
    def test_as_an_argument_no_limit_is_none_and_none_the_default(self, name: str) -> None:
        assert getattr(config_of(name, NO_LIMIT), name) is None
        assert config_of(name, None) == DefaultRunnerConfig()

    @pytest.mark.parametrize("name", TIMEOUTS)
    @pytest.mark.parametrize("word", ["none", "None"])
    def test_variables_and_files_have_a_word_for_no_limit(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, word: str
    ) -> None:
        (folder / "cloaca.toml").write_text(f'{name} = "{word}"\n')
        assert getattr(DefaultRunnerConfig(), name) is None
        (folder / "cloaca.toml").write_text(f"{name} = 7\n")
        monkeypatch.setenv(f"CLOACA_{name.upper()}", word)
        assert getattr(DefaultRunnerConfig(), name) is None

    @each_row("name", TIMEOUTS)
    def test_the_word_is_for_them_alone(self, name: str) -> None:
        with pytest.raises(ConfigTypeError, match=r"or cloaca\.NO_LIMIT, got 'none'$"):
            config_of(name, "none")

    def test_other_settings_have_a_limit(self, folder: Path) -> None:
        with pytest.raises(ConfigTypeError, match=r"^max_active_runs .*got cloaca\.NO_LIMIT$"):
            config_of("max_active_runs", NO_LIMIT)
        (folder / "cloaca.toml").write_text('max_active_runs = "none"\n')
        with pytest.raises(ConfigTypeError, match=r"max_active_runs .*got 'none'$"):
            DefaultRunnerConfig()

    def test_given_as_infinite_it_is_no_limit(self) -> None:
        config = DefaultRunnerConfig(pipeline_timeout_seconds=math.inf)  # type: ignore[arg-type] # no int
        assert config.pipeline_timeout_seconds is None


class TestPoolSize:
    @pytest.mark.parametrize(
        ("found", "size"),
        [
            pytest.param([Found("sqlite")], 1, id="sqlite alone"),
            pytest.param([Found("sqlite"), Found("postgres", usable=False)], 1, id="and a shell"),
            pytest.param([Found("sqlite"), Found("postgres")], 10, id="both"),
            pytest.param([Found("postgres")], 10, id="postgres alone"),
            pytest.param([], 10, id="none"),
        ],
    )
    def test_it_follows_the_usable_backends(
        self, backends: Backends, found: list[Found], size: int
    ) -> None:
        backends(*found)
        assert DefaultRunnerConfig().db_pool_size == size

    @pytest.mark.parametrize(("forced", "size"), [("sqlite", 1), ("postgres", 10)])
    def test_it_follows_the_forced_backend(
        self, backends: Backends, monkeypatch: pytest.MonkeyPatch, forced: str, size: int
    ) -> None:
        backends(Found("sqlite"), Found("postgres"))
        monkeypatch.setenv("CLOACA_BACKEND", forced)
        assert DefaultRunnerConfig().db_pool_size == size

    def test_backends_are_not_looked_for_when_it_is_given(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "cloaca_core.store.backends", None)
        assert DefaultRunnerConfig(db_pool_size=3).db_pool_size == 3

    def test_to_open_a_runner_no_other_backend_is_looked_for(
        self, backends: Backends, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "cloaca_core.store.backends", None)
            config = DefaultRunnerConfig()
            assert pool_size_of(config) == 10
        backends(Found("sqlite"))
        assert config.db_pool_size == 1

    def test_a_runner_is_opened_with_the_size_that_was_given(self) -> None:
        assert pool_size_of(DefaultRunnerConfig(db_pool_size=3)) == 3


class TestSources:
    def test_an_argument_comes_first_then_variable_then_file_then_pyproject(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "pyproject.toml").write_text("[tool.cloaca]\nmax_concurrent_tasks = 11\n")
        assert DefaultRunnerConfig().max_concurrent_tasks == 11
        (folder / "cloaca.toml").write_text("max_concurrent_tasks = 12\n")
        assert DefaultRunnerConfig().max_concurrent_tasks == 12
        monkeypatch.setenv("CLOACA_MAX_CONCURRENT_TASKS", "13")
        assert DefaultRunnerConfig().max_concurrent_tasks == 13
        assert DefaultRunnerConfig(14).max_concurrent_tasks == 14

    def test_each_setting_has_its_own_first_source(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "pyproject.toml").write_text("[tool.cloaca]\nmax_active_runs = 11\n")
        (folder / "cloaca.toml").write_text("lease_seconds = 2.5\n")
        monkeypatch.setenv("CLOACA_ENABLE_RECOVERY", "false")
        monkeypatch.setenv("CLOACA_RUNNER_ID", "12")
        config = DefaultRunnerConfig(task_timeout_seconds=13)
        assert config.to_dict() == {
            **DEFAULTS,
            "max_active_runs": 11,
            "lease_seconds": 2.5,
            "enable_recovery": False,
            "runner_id": "12",
            "task_timeout_seconds": 13,
        }

    def test_they_are_read_when_a_config_is_made_and_never_later(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = DefaultRunnerConfig()
        monkeypatch.setenv("CLOACA_MAX_ACTIVE_RUNS", "7")
        assert config.max_active_runs == 1000
        assert DefaultRunnerConfig().max_active_runs == 7

    def test_an_empty_variable_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CLOACA_MAX_ACTIVE_RUNS", "")
        assert DefaultRunnerConfig().max_active_runs == 1000

    def test_a_wrong_variable_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CLOACA_MAX_ACTIVE_RUNS", "many")
        with pytest.raises(
            ValueError,
            match=r"^CLOACA_MAX_ACTIVE_RUNS: max_active_runs must be an int of at least 1, "
            r"got 'many'$",
        ):
            DefaultRunnerConfig()

    @pytest.mark.parametrize(
        ("mistyped", "meant"),
        [
            ("CLOACA_MAX_CONCURENT_TASKS", "CLOACA_MAX_CONCURRENT_TASKS"),
            ("CLOACA_TASK_TIMEOUT", "CLOACA_TASK_TIMEOUT_SECONDS"),
            ("CLOACA_WORKFLOW_TIMEOUT_SECOND", "CLOACA_WORKFLOW_TIMEOUT_SECONDS"),
            ("CLOACA_BACKND", "CLOACA_BACKEND"),  # not a setting, but a variable of ours
            ("CLOACA_LOGS", "CLOACA_LOG"),
        ],
    )
    def test_a_mistyped_variable_is_refused_with_the_one_that_was_meant(
        self, monkeypatch: pytest.MonkeyPatch, mistyped: str, meant: str
    ) -> None:
        monkeypatch.setenv(mistyped, "8")
        with pytest.raises(ValueError, match=rf"^{mistyped}: .*did you mean {meant}\?$"):
            DefaultRunnerConfig()

    @pytest.mark.parametrize(
        ("variable", "value"),
        [
            ("CLOACA_HOME", "/srv"),  # far from every name of ours
            ("CLOACA_VAR_MAX_ACTIVE_RUN", "8"),  # for the user's own workflows
            ("CLOACA_TEST_BACKEND", "sqlite"),
            ("CLOACA_MAX_ACTIVE_RUN", ""),  # the shell's way to unset one
            ("MAX_ACTIVE_RUN", "8"),
        ],
    )
    def test_other_variables_are_no_concern(
        self, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
    ) -> None:
        monkeypatch.setenv(variable, value)
        assert DefaultRunnerConfig().to_dict() == DEFAULTS

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("cloaca.toml", "max_active_runs = 0", "max_active_runs must be an int of at least 1"),
            ("cloaca.toml", "max_active_runs = true", "max_active_runs must be an int"),
            ("cloaca.toml", "max_activ_runs = 1", "unknown setting 'max_activ_runs', did you mean"),
            ("cloaca.toml", "[tool.cloaca]", "unknown setting 'tool'"),
            ("cloaca.toml", "max_active_runs =", "cannot be read: "),
            ("pyproject.toml", "[tool.cloaca]\nx = 1", "unknown setting 'x'"),
            ("pyproject.toml", "[tool]\ncloaca = 1", "tool.cloaca must be a table, got 1"),
        ],
    )
    def test_a_wrong_file_is_named(
        self, folder: Path, name: str, content: str, message: str
    ) -> None:
        (folder / name).write_text(content)
        with pytest.raises(ConfigError) as caught:
            DefaultRunnerConfig()
        assert str(caught.value).startswith(f"./{name}: {message}")

    def test_a_file_that_is_no_utf_8_is_named(self, folder: Path) -> None:
        (folder / "cloaca.toml").write_bytes(b"runner_id = '\xff'")
        with pytest.raises(ConfigError, match=r"^\./cloaca\.toml: cannot be read"):
            DefaultRunnerConfig()

    def test_a_pyproject_of_others_is_no_concern(self, folder: Path) -> None:
        (folder / "pyproject.toml").write_text("[project]\nname = 'x'\n[tool.other]\nx = 1\n")
        assert DefaultRunnerConfig().to_dict() == DEFAULTS

    def test_the_other_name_of_the_timeout_is_known_to_each_source(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "cloaca.toml").write_text("workflow_timeout_seconds = 7\n")
        assert DefaultRunnerConfig().pipeline_timeout_seconds == 7
        assert DefaultRunnerConfig(pipeline_timeout_seconds=8).pipeline_timeout_seconds == 8
        monkeypatch.setenv("CLOACA_WORKFLOW_TIMEOUT_SECONDS", "9")
        assert DefaultRunnerConfig().pipeline_timeout_seconds == 9
        monkeypatch.setenv("CLOACA_PIPELINE_TIMEOUT_SECONDS", "10")
        with pytest.raises(ConfigError, match=r"^CLOACA_WORKFLOW_TIMEOUT_SECONDS: .* are one"):
            DefaultRunnerConfig()


class TestAsAValue:
    def test_to_dict_round_trips(self) -> None:
        config = DefaultRunnerConfig(7, runner_id="me", default_trigger_rule="always", **TABLES)
        assert DefaultRunnerConfig(**config.to_dict()) == config

    def test_to_dict_round_trips_without_a_limit(self) -> None:
        config = DefaultRunnerConfig()
        config.pipeline_timeout_seconds = None
        again = DefaultRunnerConfig(**config.to_dict())
        assert again == config
        assert again.pipeline_timeout_seconds is None

    def test_to_dict_round_trips_whatever_the_sources_say_by_then(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        values = DefaultRunnerConfig().to_dict()
        monkeypatch.setenv("CLOACA_MAX_ACTIVE_RUNS", "7")
        assert DefaultRunnerConfig(**values).max_active_runs == 1000

    def test_replace_changes_what_it_is_asked_to_and_nothing_else(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = DefaultRunnerConfig(7)
        config.pipeline_timeout_seconds = None
        monkeypatch.setenv("CLOACA_RUNNER_ID", "other")
        assert replace(config) == config
        assert replace(config, max_active_runs=8).to_dict() == {
            **config.to_dict(),
            "max_active_runs": 8,
        }

    @each_row(
        ("seconds", "changes"),
        [
            (5, {"pipeline_timeout_seconds": 5}),
            (5, {"workflow_timeout_seconds": 5}),
            (5, {"pipeline_timeout_seconds": 5, "workflow_timeout_seconds": 5}),
            (None, {"pipeline_timeout_seconds": NO_LIMIT}),
            (None, {"workflow_timeout_seconds": NO_LIMIT}),
            (3600, {"pipeline_timeout_seconds": None}),  # an argument, so None is the default
            (3600, {"workflow_timeout_seconds": None}),
            (7, {}),
        ],
    )
    def test_replace_knows_both_names_of_the_timeout(
        self, seconds: int | None, changes: dict[str, Any]
    ) -> None:
        config = DefaultRunnerConfig(pipeline_timeout_seconds=7)
        assert replace(config, **changes).pipeline_timeout_seconds == seconds

    def test_replace_checks_what_it_is_given(self) -> None:
        with pytest.raises(ConfigError, match="max_active_runs must be an int of at least 1"):
            replace(DefaultRunnerConfig(), max_active_runs=0)
        with pytest.raises(ConfigError, match="are one setting, got 8 and 9"):
            replace(DefaultRunnerConfig(), pipeline_timeout_seconds=8, workflow_timeout_seconds=9)

    @each_row(
        "again",
        [
            copy.copy,
            copy.deepcopy,
            lambda config: pickle.loads(pickle.dumps(config)),  # noqa: S301 - its own pickle
        ],
    )
    def test_copies_keep_no_limit_as_it_is(
        self, again: Callable[[DefaultRunnerConfig], DefaultRunnerConfig]
    ) -> None:
        config = DefaultRunnerConfig()
        config.pipeline_timeout_seconds = None
        assert again(config).pipeline_timeout_seconds is None

    def test_its_repr_has_every_field(self) -> None:
        shown = repr(DefaultRunnerConfig(runner_id="me"))
        assert shown.startswith("DefaultRunnerConfig(max_concurrent_tasks=4, executor_poll_")
        assert shown.endswith(
            ", runner_id='me', task_log_level='INFO', executors={}, executor_slots={}, "
            "queues=None, redact=None)"
        )

    def test_configs_with_equal_settings_are_equal(self) -> None:
        assert DefaultRunnerConfig(4) == DefaultRunnerConfig() != DefaultRunnerConfig(5)

    @each_row(
        "again",
        [
            copy.copy,
            copy.deepcopy,
            lambda config: pickle.loads(pickle.dumps(config)),  # noqa: S301 - its own pickle
        ],
    )
    def test_copies_are_equal_and_independent(
        self, again: Callable[[DefaultRunnerConfig], DefaultRunnerConfig]
    ) -> None:
        config = DefaultRunnerConfig(7, **TABLES)
        other = again(config)
        assert other == config
        other.max_concurrent_tasks = 8
        assert config.max_concurrent_tasks == 7
        with pytest.raises(ConfigError):
            other.max_concurrent_tasks = 0


@pytest.mark.parametrize(
    ("forced", "size"),
    [
        ("sqlite", 1),
        (" SQLite ", 1),  # as the backend's own reader takes it
        ("postgres", 10),
    ],
)
def test_the_pool_is_that_of_the_forced_backend(
    monkeypatch: pytest.MonkeyPatch, forced: str, size: int
) -> None:
    monkeypatch.setenv("CLOACA_BACKEND", forced)

    assert DefaultRunnerConfig().db_pool_size == size


def test_a_name_that_is_no_setting_is_refused_with_the_nearest_one() -> None:
    config = DefaultRunnerConfig()

    with pytest.raises(AttributeError, match="did you mean 'max_concurrent_tasks'") as refusal:
        config.max_concurent_tasks = 5  # type: ignore[attr-defined]  # the mistake itself

    assert isinstance(refusal.value, ConfigError)
