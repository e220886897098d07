"""What bash is given for the line that it passes."""

from __future__ import annotations

import pytest
from tables import each_row

from cloaca_tools.cli import completion
from cloaca_tools.cli.bash import Bash, kept
from cloaca_tools.cli.root import cli, main

BREAKS = " \t\n\"'@><=;|&(:"


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is offered may come late on a busy machine."""
    monkeypatch.setattr(completion, "PATIENCE", 60.0)


@pytest.fixture
def shell() -> Bash:
    return Bash(cli, {}, "cloaca", "_CLOACA_COMPLETE")


def passed(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_WORDBREAKS", BREAKS)


@each_row(
    ("expected", "line"),
    [
        ((["runs", "show"], ""), "cloaca runs show "),
        ((["runs"], "sh"), "cloaca runs sh"),
        # the URL is one word
        (
            (["--database-url", "sqlite://w.db", "run"], "or"),
            "cloaca --database-url sqlite://w.db run or",
        ),
        ((["runs", "list"], "status:fa"), "cloaca runs list status:fa"),
        ((["runs", "list"], "status:fa"), "cloaca runs list 'status:fa"),
        (([], ""), "cloaca "),
    ],
)
def test_the_line_is_read_word_by_word(
    expected: tuple[list[str], str], line: str, shell: Bash, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed(monkeypatch, line)

    assert shell.get_completion_args() == expected


@each_row(
    ("expected", "line", "word"),
    [
        ("", "cloaca runs li", "li"),
        ("status:", "cloaca runs list status:fa", "status:fa"),
        # bash does not look into a quoted word
        ("", "cloaca runs list 'status:fa", "status:fa"),
        ("tag.a=b:", "cloaca runs list tag.a=b:c", "tag.a=b:c"),
        ("", "cloaca ", ""),
    ],
)
def test_bash_keeps_a_word_up_to_its_last_break(expected: str, line: str, word: str) -> None:
    assert kept(line, word, BREAKS) == expected
    assert kept(line, word, " ") == ""


def test_bash_gets_what_it_puts_behind_the_colon(
    shell: Bash, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed(monkeypatch, "cloaca runs list status:fa")

    assert shell.complete() == "plain,failed"


def test_the_script_passes_the_line_up_to_the_cursor() -> None:
    assert '"${COMP_LINE:0:COMP_POINT}"' in Bash.source_template


def test_a_script_that_passes_no_line_still_completes(
    shell: Bash, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMP_LINE", raising=False)
    monkeypatch.setenv("COMP_WORDS", "cloaca runs sh")
    monkeypatch.setenv("COMP_CWORD", "2")

    assert shell.get_completion_args() == (["runs"], "sh")
    assert shell.complete() == "plain,show"


def test_the_program_completes_in_bash_by_the_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_CLOACA_COMPLETE", "bash_complete")
    passed(monkeypatch, "cloaca runs list status:fa")

    with pytest.raises(SystemExit):
        main()

    assert capsys.readouterr().out == "plain,failed\n"
