"""19: settings come from the program, the environment or a file, are checked, and are honoured."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tables import each_row

import cloaca

WAIT = 60
DEFAULTS = {
    "max_concurrent_tasks": 4,
    "executor_poll_interval_ms": 100,
    "scheduler_poll_interval_ms": 100,
    "task_timeout_seconds": 300,
    "pipeline_timeout_seconds": 3600,
    "enable_recovery": True,
    "enable_cron_scheduling": True,
    "cron_poll_interval_seconds": 30,
    "cron_max_catchup_executions": 100,
    "cron_enable_recovery": True,
    "cron_recovery_interval_seconds": 300,
    "cron_lost_threshold_minutes": 10,
    "cron_max_recovery_age_seconds": 86400,
    "cron_max_recovery_attempts": 3,
    "max_concurrent_async_tasks": 100,
    "max_active_runs": 1000,
    "lease_seconds": 15,
    "shutdown_grace_seconds": 30,
    "max_recovery_attempts": 3,
    "connect_timeout_seconds": 5,
    "max_context_bytes": 16 * 1024 * 1024,
}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_defaults() -> None:
    config = cloaca.DefaultRunnerConfig()
    assert {name: getattr(config, name) for name in DEFAULTS} == DEFAULTS
    assert config.workflow_timeout_seconds == 3600
    assert cloaca.DefaultRunnerConfig.default().to_dict() == config.to_dict()
    assert repr(config).startswith("DefaultRunnerConfig(max_concurrent_tasks=4, ")


@pytest.mark.backend("sqlite", reason="PostgreSQL's pool is wider")
def test_with_sqlite_alone_the_pool_has_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOACA_BACKEND", "sqlite")
    assert cloaca.DefaultRunnerConfig().db_pool_size == 1


def test_positional_arguments_are_in_the_order_of_old() -> None:
    config = cloaca.DefaultRunnerConfig(7, 50, 60, 70, 80, 2, False)
    assert config.to_dict() == {
        **cloaca.DefaultRunnerConfig().to_dict(),
        "max_concurrent_tasks": 7,
        "executor_poll_interval_ms": 50,
        "scheduler_poll_interval_ms": 60,
        "task_timeout_seconds": 70,
        "pipeline_timeout_seconds": 80,
        "db_pool_size": 2,
        "enable_recovery": False,
    }
    assert cloaca.DefaultRunnerConfig(None).max_concurrent_tasks == 4


def test_a_config_survives_the_way_through_a_dict() -> None:
    config = cloaca.DefaultRunnerConfig(max_concurrent_tasks=9, lease_seconds=2.5)
    config.pipeline_timeout_seconds = None
    again = cloaca.DefaultRunnerConfig(**config.to_dict())
    assert again.to_dict() == config.to_dict()
    assert again.pipeline_timeout_seconds is None


@pytest.mark.parametrize(
    "name", ["task_timeout_seconds", "pipeline_timeout_seconds", "workflow_timeout_seconds"]
)
def test_no_limit_has_a_word_of_its_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {name: cloaca.NO_LIMIT}
    endless = cloaca.DefaultRunnerConfig(**settings)
    assert getattr(endless, name) is None  # as in 0.x
    assert cloaca.NO_LIMIT in endless.to_dict().values()
    assert cloaca.DefaultRunnerConfig(**endless.to_dict()) == endless
    assigned = cloaca.DefaultRunnerConfig()
    setattr(assigned, name, None)
    assert assigned == endless
    monkeypatch.setenv(f"CLOACA_{name.upper()}", "none")
    assert cloaca.DefaultRunnerConfig() == endless


def test_the_two_names_of_the_pipeline_timeout_are_one_setting() -> None:
    assert cloaca.DefaultRunnerConfig(workflow_timeout_seconds=9).pipeline_timeout_seconds == 9
    both = cloaca.DefaultRunnerConfig(workflow_timeout_seconds=9, pipeline_timeout_seconds=9)
    both.workflow_timeout_seconds = 10
    assert both.pipeline_timeout_seconds == 10
    with pytest.raises(ValueError, match="pipeline_timeout_seconds and workflow_timeout_seconds"):
        cloaca.DefaultRunnerConfig(workflow_timeout_seconds=9, pipeline_timeout_seconds=8)


@each_row(
    ("name", "value", "kind", "least"),
    [
        ("max_concurrent_tasks", 0, ValueError, "1"),
        ("max_concurrent_tasks", -1, ValueError, "1"),
        ("max_concurrent_tasks", "4", TypeError, "1"),
        ("max_concurrent_tasks", True, TypeError, "1"),
        ("max_concurrent_tasks", 4.0, TypeError, "1"),
        ("task_timeout_seconds", 0, ValueError, "1"),
        ("max_active_runs", 0, ValueError, "1"),
        ("lease_seconds", 0, ValueError, "0.5"),
        ("lease_seconds", math.nan, ValueError, "0.5"),
        ("shutdown_grace_seconds", -1, ValueError, "0"),
        ("enable_recovery", "yes", TypeError, "True or False"),
        ("enable_recovery", 1, TypeError, "True or False"),
        ("default_trigger_rule", "sometimes", ValueError, "always"),
        ("runner_id", "", ValueError, "1"),
    ],
)
def test_what_is_not_acceptable_is_refused_both_ways(
    name: str, value: Any, kind: type[Exception], least: str
) -> None:
    for attempt in (
        lambda: cloaca.DefaultRunnerConfig(**{name: value}),
        lambda: setattr(cloaca.DefaultRunnerConfig(), name, value),
    ):
        with pytest.raises(kind, match=f"{name} must be .*{least}") as caught:
            attempt()
        assert isinstance(caught.value, cloaca.ConfigError)
        assert caught.value.field == name


def test_the_sources_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("pyproject.toml").write_text(
        "[tool.cloaca]\nmax_concurrent_tasks = 11\nmax_active_runs = 12\nlease_seconds = 13\n"
        "max_recovery_attempts = 14\n[tool.other]\nmax_concurrent_tasks = 99\n"
    )
    Path("cloaca.toml").write_text(
        "max_concurrent_tasks = 21\nmax_active_runs = 22\nlease_seconds = 23\n"
    )
    monkeypatch.setenv("CLOACA_MAX_CONCURRENT_TASKS", "31")
    monkeypatch.setenv("CLOACA_MAX_ACTIVE_RUNS", "32")
    monkeypatch.setenv("CLOACA_ENABLE_RECOVERY", "no")
    config = cloaca.DefaultRunnerConfig(max_concurrent_tasks=41)
    assert (
        config.max_concurrent_tasks,  # argument
        config.max_active_runs,  # environment
        config.lease_seconds,  # cloaca.toml
        config.max_recovery_attempts,  # pyproject.toml
        config.task_timeout_seconds,  # default
        config.enable_recovery,
    ) == (41, 32, 23, 14, 300, False)


def test_sources_are_read_when_the_config_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    config = cloaca.DefaultRunnerConfig()
    monkeypatch.setenv("CLOACA_MAX_CONCURRENT_TASKS", "31")
    assert config.max_concurrent_tasks == 4


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("cloaca.toml", "max_concurent_tasks = 1", "max_concurrent_tasks"),
        ("cloaca.toml", "nonsense = 1", r"cloaca\.toml.*nonsense"),
        ("cloaca.toml", "max_active_runs = 0", r"cloaca\.toml.*max_active_runs must be .*1"),
        ("cloaca.toml", "max_active_runs = '5'", r"cloaca\.toml.*max_active_runs must be "),
        ("cloaca.toml", "no toml at all", r"cloaca\.toml"),
        ("pyproject.toml", "[tool.cloaca]\nnonsense = 1", r"pyproject\.toml.*nonsense"),
        ("pyproject.toml", "[tool]\ncloaca = 7", r"pyproject\.toml.*tool\.cloaca"),
    ],
)
def test_a_wrong_file_is_refused_by_name(file: str, text: str, message: str) -> None:
    Path(file).write_text(text)
    with pytest.raises(cloaca.ConfigError, match=message):
        cloaca.DefaultRunnerConfig()


def test_a_wrong_variable_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOACA_MAX_ACTIVE_RUNS", "many")
    with pytest.raises(cloaca.ConfigError, match=r"CLOACA_MAX_ACTIVE_RUNS.*'many'"):
        cloaca.DefaultRunnerConfig()


@pytest.mark.each_backend
def test_a_runner_without_a_config_reads_the_sources(
    monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    monkeypatch.setenv("CLOACA_RUNNER_ID", "from-the-environment")
    with cloaca.DefaultRunner(database_url) as runner:
        assert runner.health()["runner_id"] == "from-the-environment"


@pytest.mark.parametrize("limit", [1, 3])
def test_max_concurrent_tasks_is_really_the_limit(
    open_runner: Callable[..., cloaca.DefaultRunner], limit: int
) -> None:
    runner = open_runner(max_concurrent_tasks=limit)
    lock = threading.Lock()
    inside: list[int] = []
    most: list[int] = []
    full = threading.Barrier(limit)

    def body(context: cloaca.Context) -> None:
        with lock:
            inside.append(1)
            most.append(len(inside))
        full.wait(WAIT)  # no body ends before all slots are taken
        with lock:
            inside.pop()

    with cloaca.WorkflowBuilder("bounded"):
        for index in range(limit * 3):
            cloaca.task(id=f"t{index}", retry_attempts=1)(body)
    handles = runner.submit_many("bounded", [None, None])
    assert [handle.result(WAIT).error_message for handle in handles] == [None, None]
    assert max(most) == limit


def test_max_context_bytes_is_really_the_limit(
    open_runner: Callable[..., cloaca.DefaultRunner],
) -> None:
    runner = open_runner(max_context_bytes=100)
    with cloaca.WorkflowBuilder("grows"):
        cloaca.task(id="only", retry_attempts=1)(lambda context: {"more": "x" * context["n"]})
    assert runner.execute("grows", {"n": 10}).status == "Completed"
    result = runner.execute("grows", {"n": 100})
    assert result.status == "Failed"
    assert "max_context_bytes is 100" in str(result.error_message)
    with pytest.raises(ValueError, match="max_context_bytes is 100"):
        runner.execute("grows", {"n": 1, "text": "x" * 100})


@each_row("config", [{"max_concurrent_tasks": 1}, 7, "config"])
def test_a_config_of_another_type_is_refused(database_url: str, config: Any) -> None:
    with pytest.raises(TypeError, match="config"):
        cloaca.DefaultRunner(database_url, config=config)
    with pytest.raises(TypeError, match="config"):
        cloaca.DefaultRunner.with_config(database_url, config)


def test_with_config_is_the_same(database_url: str) -> None:
    config = cloaca.DefaultRunnerConfig(runner_id="mine")
    with cloaca.DefaultRunner.with_config(database_url, config) as runner:
        assert runner.health()["runner_id"] == "mine"
    with cloaca.DefaultRunner.with_config(database_url=database_url, config=config) as runner:
        assert runner.health()["runner_id"] == "mine"
