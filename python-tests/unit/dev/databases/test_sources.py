"""Where the tests' PostgreSQL comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
from tables import each_row

from dev.console import TaskFailed
from dev.databases import programs, sources
from dev.databases.sources import FromIndex, Installed, Running, Source

HERE = Path("/opt/postgresql/bin")

GIVEN = "postgresql://given@h/postgres"

STARTED = "postgresql://started@h/postgres"


@each_row(
    ("expected", "given", "started", "binaries"),
    [
        (Running(GIVEN, programs.VARIABLE), GIVEN, STARTED, HERE),
        (Running(STARTED, "services.up"), None, STARTED, HERE),
        (Installed(HERE), None, None, HERE),
        (FromIndex(), None, None, None),
        # A variable that is set to nothing is not set.
        (Running(STARTED, "services.up"), " ", STARTED, None),
    ],
)
def test_the_first_that_there_is_is_taken(
    expected: Source, given: str | None, started: str | None, binaries: Path | None
) -> None:
    environ = {} if given is None else {programs.VARIABLE: given}
    assert sources.source(environ, started, binaries) == expected


def test_a_server_that_was_named_and_does_not_answer_is_a_failure_and_not_another_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(programs.VARIABLE, "postgresql://me:secret@127.0.0.1:1/postgres")
    monkeypatch.setattr("dev.databases.maintenance.why_no_answer", lambda url: "refused")
    told = f"of {programs.VARIABLE} does not answer"
    with pytest.raises(TaskFailed, match=told) as caught, sources.server():
        pass
    assert "services.up" in str(caught.value)
    assert "secret" not in str(caught.value)
