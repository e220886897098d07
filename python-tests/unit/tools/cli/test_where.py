"""Which database and which workflows a command works with."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from tables import each_row

import cloaca
from cloaca_core.errors import StoreOpenError
from cloaca_tools.cli.failures import Failure
from cloaca_tools.cli.where import (
    BrokenProgram,
    Where,
    imported,
    opening,
    url_with_mode,
    without_password,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, without anything that says where."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("CLOACA_DATABASE_URL", "CLOACA_APP", "CLOACA_SCHEMA"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_an_option_counts_before_a_variable_and_that_before_a_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "pyproject.toml").write_text('[tool.cloaca]\ndatabase_url = "sqlite://a.db"\n')
    assert Where().url() == "sqlite://a.db"
    (folder / "cloaca.toml").write_text('database_url = "sqlite://b.db"\napp = "shop"\n')
    assert (Where().url(), Where().app_name()) == ("sqlite://b.db", "shop")
    monkeypatch.setenv("CLOACA_DATABASE_URL", "sqlite://c.db")
    assert Where().url() == "sqlite://c.db"
    assert Where(database_url="sqlite://d.db").url() == "sqlite://d.db"


def test_a_setting_beside_it_in_the_file_is_still_one_of_runners(folder: Path) -> None:
    (folder / "cloaca.toml").write_text('schema = "acme"\nlease_seconds = 20\n')

    assert Where().schema_name() == "acme"
    assert cloaca.DefaultRunnerConfig().lease_seconds == 20


def test_a_value_that_is_no_text_is_refused(folder: Path) -> None:
    (folder / "cloaca.toml").write_text("app = 7\n")

    with pytest.raises(cloaca.ConfigError, match=r"\./cloaca.toml: app must be text, got 7"):
        Where().app_name()


def test_without_a_database_it_says_how_to_name_one() -> None:
    with pytest.raises(click.UsageError, match="--database-url"):
        Where().url()
    with pytest.raises(click.UsageError, match="-A MODULE"):
        Where().needed_registry()


@each_row(
    ("expected", "url", "mode"),
    [
        ("sqlite://w.db?mode=ro", "sqlite://w.db", "ro"),
        ("w.db?mode=rw", "w.db", "rw"),
        ("w.db", "w.db", "rwc"),
        # what the URL says itself counts
        ("sqlite://w.db?mode=rwc", "sqlite://w.db?mode=rwc", "ro"),
        ("sqlite://w.db?_busy_timeout=9&mode=ro", "sqlite://w.db?_busy_timeout=9", "ro"),
        # a client refuses it with a reason of its own
        (":memory:", ":memory:", "ro"),
    ],
)
def test_looking_is_read_only_and_steering_makes_no_file(
    expected: str, url: str, mode: str
) -> None:
    assert url_with_mode(url, mode) == expected  # type: ignore[arg-type] # of the parameters


@pytest.mark.backend("postgres", reason="its URLs have modes of their own")
def test_a_server_is_looked_at_read_only_and_has_no_other_mode() -> None:
    url = "postgresql://app@db.example/work?schema=acme"

    assert url_with_mode(url, "ro") == f"{url}&mode=ro"
    assert url_with_mode(url, "rw") == url


@each_row(
    ("expected", "url"),
    [
        ("postgresql://app:***@db/work", "postgresql://app:secret@db/work"),
        ("postgresql://app:***@db/work", "postgresql://app:se@cret@db/work"),
        ("postgresql://app@db/work", "postgresql://app@db/work"),
        (
            "postgresql://db:5432/work?password=***&user=app",
            "postgresql://db:5432/work?password=se@cret&user=app",
        ),
        ("postgresql://db/work?sslpassword=***", "postgresql://db/work?sslpassword=secret"),
        ("sqlite://work.db", "sqlite://work.db"),
        ("work.db", "work.db"),
    ],
)
def test_a_password_is_not_shown(expected: str, url: str) -> None:
    assert without_password(url) == expected


@each_row(
    ("expected", "must_be_there"),
    [("no file. `cloaca run`, `cloaca worker` and `cloaca db upgrade` make it", False),
     # such as the source of a copy, which none of them is to make
     ("no file", True)],
)  # fmt: skip
def test_a_database_that_cannot_be_opened_is_told_with_what_makes_it(
    expected: str, must_be_there: bool
) -> None:
    with pytest.raises(Failure) as ended, opening(must_be_there=must_be_there):
        raise StoreOpenError("no file", reason="missing")

    assert (ended.value.message, ended.value.exit_code) == (expected, 4)


class TestImported:
    def test_a_module_of_the_working_directory_with_its_own_registry(self, folder: Path) -> None:
        (folder / "own_where.py").write_text("import cloaca\nclass a: r = cloaca.Registry()\n")

        assert imported("own_where:a.r").namespaces() == []

    def test_without_a_registry_it_is_the_programs(self, folder: Path) -> None:
        from cloaca_core.definition.registry import default_registry

        (folder / "plain_where.py").write_text("")

        assert imported("plain_where") is default_registry()

    @each_row(
        ("name", "says"),
        [
            ("nowhere_at_all", "there is no module 'nowhere_at_all'"),
            ("", r"'' is not MODULE\[:REGISTRY\]"),
            (".odd_where", r"'.odd_where' is not MODULE\[:REGISTRY\]"),
            ("odd_where:missing", "odd_where has no 'missing'"),
            ("odd_where:number", "odd_where:number is no Registry, but a int"),
        ],
    )
    def test_what_is_not_there_is_said(self, folder: Path, name: str, says: str) -> None:
        (folder / "odd_where.py").write_text("number = 7\n")

        with pytest.raises(click.BadParameter, match=says):
            imported(name)

    def test_a_module_that_lacks_another_one_says_so_itself(self, folder: Path) -> None:
        (folder / "lacking_where.py").write_text("import nothing_of_that_name\n")

        with pytest.raises(BrokenProgram, match="nothing_of_that_name"):
            imported("lacking_where")

    def test_a_module_that_raises_is_told_with_its_own_frames(self, folder: Path) -> None:
        (folder / "broken_where.py").write_text("import cloaca\n1 / 0\n")

        with pytest.raises(BrokenProgram) as ended:
            imported("broken_where")

        first, _, *frames, last = ended.value.message.splitlines()
        assert (first, last) == (
            "broken_where cannot be imported:",
            "ZeroDivisionError: division by zero",
        )
        assert sum(line.startswith("  File ") for line in frames) == 1
        assert ended.value.exit_code == 1

    def test_a_definition_that_is_refused_is_told_with_the_line_of_the_program(
        self, folder: Path
    ) -> None:
        (folder / "refused_where.py").write_text("import cloaca\ncloaca.WorkflowBuilder('')\n")

        with pytest.raises(BrokenProgram) as ended:
            imported("refused_where")

        assert 'refused_where.py", line 2' in ended.value.message
        assert "DefinitionError: " in ended.value.message.splitlines()[-1]
        assert ended.value.exit_code == 1

    def test_a_database_that_the_program_cannot_open_stays_the_cause(self, folder: Path) -> None:
        (folder / "opening_where.py").write_text(
            "import cloaca\ncloaca.Client('sqlite:///not/there.db')\n"
        )

        with pytest.raises(cloaca.StoreOpenError):
            imported("opening_where")
