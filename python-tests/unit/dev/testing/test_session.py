"""A run of the tests: what each process needs, and how it ends."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from tables import each_row

from dev.console import say
from dev.environments.interpreters import Interpreter
from dev.testing import jobs as planning, results, session
from dev.testing.jobs import Wanted, plan
from dev.testing.junit import Counts

OLD = Interpreter((3, 11, 7), Path("python3.11"))


def test_a_server_is_looked_for_only_when_a_test_needs_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dev.databases.sources.server", lambda: nullcontext("postgresql://u:p@h/d"))
    (sqlite,) = plan(Wanted(backend="sqlite", file="model"), [OLD])
    postgres = replace(sqlite, target=replace(sqlite.target, backend="postgres"))

    with session._server_for([sqlite]) as settings:
        assert settings == {}
    with session._server_for([sqlite, postgres]) as settings:
        assert settings == {"CLOACA_TEST_POSTGRES_URL": "postgresql://u:p@h/d"}


@each_row(
    ("expected", "code", "counts"),
    [
        ("began no test for 900 s and was killed in a.py::test_b", None, None),
        ("began no test for 900 s and was killed in a.py::test_b", None, Counts(3)),
        ("pytest died with exit code 1 in a.py::test_b", 1, None),
        ("pytest ended with exit code 3", 3, Counts(3)),
        ("", 1, Counts(3, 1)),  # its failures speak for themselves
        ("", 0, Counts(3)),
    ],
)
def test_a_job_that_did_not_end_by_itself_names_the_test_that_was_running(
    expected: str, code: int | None, counts: Counts | None
) -> None:
    assert session._problem(code, counts, filtered=False, test="a.py::test_b") == expected


def test_each_job_is_told_of_when_it_ends_and_listed_where_it_was_planned(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    first, second = plan(Wanted(backend="sqlite", file="scenarios/test_01_installed.py"), [OLD]) * 2
    second = replace(second, share=replace(second.share, name="second"))
    second_was_told = threading.Event()

    def run_job(job: planning.Job, *_: object) -> results.Outcome:
        if job is first:
            assert second_was_told.wait(60)
        return results.Outcome(job, Counts(1), 1.0, "", tmp_path, "", "")

    def shown(outcome: results.Outcome) -> None:
        if outcome.job is second:
            second_was_told.set()
        say(outcome.job.name)

    monkeypatch.setattr(session, "_run_job", run_job)
    monkeypatch.setattr(results, "shown", shown)
    python = {first.target: Path("python")}

    outcomes = session._run_all([first, second], python, tmp_path, {}, None)

    assert [each.job for each in outcomes] == [first, second]
    assert capsys.readouterr().out.splitlines()[1:] == ["second", "scenarios/test_01_installed.py"]


@each_row(
    ("problem", "code", "filtered"),
    [
        ("holds no test", 5, False),  # as a file does whose tests were renamed
        ("", 5, True),  # none of this file matches -k
        ("", 0, False),
        ("pytest ended with exit code 3", 3, False),
    ],
)
def test_a_process_that_ran_no_test_is_a_problem_unless_some_were_chosen(
    problem: str, code: int, filtered: bool
) -> None:
    assert session._problem(code, Counts(), filtered=filtered) == problem
